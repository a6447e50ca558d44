"""Random planning problems, and brute force."""

from __future__ import annotations

from itertools import product

from hypothesis import strategies as st

from mcugen.memory import Buffer, Overlap, Problem, Region


@st.composite
def problems(
    draw: st.DrawFn,
    most: int = 12,
    largest: int = 40,
    alignments: tuple[int, ...] = (1, 2, 4, 16),
    overlapping: bool = False,
    pinned: bool = False,
    regions: int = 0,
) -> Problem:
    """Up to ``most`` buffers of up to ``largest`` bytes over a few steps."""
    names = [f"r{k}" for k in range(regions)]
    buffers = []
    for k in range(draw(st.integers(1, most))):
        lower = draw(st.integers(0, most))
        upper = lower + draw(st.integers(1, 5))
        size = draw(st.integers(1, largest))
        region = draw(st.sampled_from(names)) if names else None
        buffers.append(Buffer(f"b{k}", size, lower, upper, draw(st.sampled_from(alignments)), region))
    if pinned:
        buffers[0] = _pin(buffers[0], draw(st.integers(0, largest)))
    overlaps = draw(st.lists(_overlaps(len(buffers), largest), max_size=6)) if overlapping else []
    return Problem(tuple(buffers), tuple(o for o in overlaps if o), tuple(Region(name) for name in names))


def _pin(buffer: Buffer, offset: int) -> Buffer:
    fixed = offset // buffer.alignment * buffer.alignment
    return Buffer(
        buffer.name, buffer.size, buffer.lower, buffer.upper, buffer.alignment, buffer.region, fixed
    )


@st.composite
def _overlaps(draw: st.DrawFn, count: int, largest: int) -> Overlap | None:
    i, j = draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))
    if i == j:
        return None
    a, b, distance = f"b{i}", f"b{j}", draw(st.integers(-largest // 2, largest // 2))
    kind = draw(st.sampled_from(("ahead", "behind", "in place", "window")))
    if kind == "ahead":
        return Overlap.ahead(a, b, distance)
    if kind == "behind":
        return Overlap.behind(a, b, distance)
    if kind == "in place":
        return Overlap.in_place(a, b)
    return Overlap(a, b, distance, distance + draw(st.integers(0, largest // 2)))


@st.composite
def chains(draw: st.DrawFn, longest: int = 30, alignment: int = 16) -> Problem:
    """A chain of layers: every buffer meets the one before and the one after."""
    sizes = draw(st.lists(st.integers(1, 1000), min_size=1, max_size=longest))
    return Problem(tuple(Buffer(f"t{k}", size, k, k + 2, alignment) for k, size in enumerate(sizes)))


def is_smallest(problem: Problem, peak: int) -> bool:
    """True when no plan below a peak exists, by trying all offsets; written straight from the definitions."""
    return not _fits(problem, peak - max(b.alignment for b in problem.buffers))


def _fits(problem: Problem, peak: int) -> bool:
    """Depth-first over the buffers, all aligned offsets of each."""
    offsets: dict[str, int] = {}
    buffers = sorted(problem.buffers, key=lambda b: b.lower)

    def place(k: int) -> bool:
        if k == len(buffers):
            return True
        buffer = buffers[k]
        fixed = buffer.fixed_offset
        spots = range(0, peak - buffer.size + 1, buffer.alignment) if fixed is None else [fixed]
        for offset in spots:
            if offset + buffer.size <= peak and _free(problem, offsets, buffer, offset, buffers[:k]):
                offsets[buffer.name] = offset
                if place(k + 1):
                    return True
                del offsets[buffer.name]
        return False

    return place(0)


def _free(
    problem: Problem, offsets: dict[str, int], buffer: Buffer, offset: int, placed: list[Buffer]
) -> bool:
    for other in placed:
        at = offsets[other.name]
        apart_in_time = other.upper <= buffer.lower or buffer.upper <= other.lower
        apart = at + other.size <= offset or offset + buffer.size <= at
        if not (apart_in_time or apart or _allowed(problem, buffer.name, offset, other.name, at)):
            return False
    return True


def _allowed(problem: Problem, name: str, offset: int, other: str, at: int) -> bool:
    where = {name: offset, other: at}
    for overlap, (a, b) in product(problem.overlaps, ((name, other), (other, name))):
        if (overlap.a, overlap.b) == (a, b):
            difference = where[b] - where[a]
            low = overlap.low if overlap.low is not None else difference
            high = overlap.high if overlap.high is not None else difference
            if low <= difference <= high:
                return True
    return False
