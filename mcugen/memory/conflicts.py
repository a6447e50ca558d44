"""One region's buffers as planners see them: for every pair that meets, the offset differences it forbids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcugen.memory.problem import Buffer, Overlap, Problem, align_up

UNBOUNDED = 1 << 62

Range = tuple[int, int]
"""The open range ``low < x < high``."""


@dataclass(frozen=True)
class Instance:
    """The buffers of one region, and ``forbidden[i][j]``: ranges that offset(i) - offset(j) must stay out of."""

    buffers: tuple[Buffer, ...]
    forbidden: tuple[dict[int, tuple[Range, ...]], ...]
    relaxed: bool
    """True when some pair that meets may overlap."""

    @property
    def pinned(self) -> bool:
        """True when some buffer has a fixed offset."""
        return any(b.fixed_offset is not None for b in self.buffers)

    @property
    def alignment(self) -> int:
        """The largest alignment of any buffer."""
        return max((b.alignment for b in self.buffers), default=1)

    def apart(self) -> Instance:
        """The same buffers with no overlap allowed."""
        sizes = [b.size for b in self.buffers]
        forbidden: list[dict[int, tuple[Range, ...]]] = []
        for i, others in enumerate(self.forbidden):
            forbidden.append({j: ((-sizes[i], sizes[j]),) for j in others})
        return Instance(self.buffers, tuple(forbidden), relaxed=False)

    def peak(self, offsets: Sequence[int]) -> int:
        """Bytes that these offsets need, rounded up to the largest alignment."""
        end = max((o + b.size for o, b in zip(offsets, self.buffers, strict=True)), default=0)
        return align_up(end, self.alignment)


def instance_of(problem: Problem, region: str) -> Instance:
    """The part of a problem that lies in one region."""
    buffers = problem.in_region(region)
    allowed = _allowed_ranges(buffers, problem.overlaps)
    forbidden: tuple[dict[int, tuple[Range, ...]], ...] = tuple({} for _ in buffers)
    relaxed = False
    for i, first in enumerate(buffers):
        for j in range(i):
            second = buffers[j]
            if not first.meets(second):
                continue
            ranges = _cut((-first.size, second.size), allowed.get((i, j), []))
            relaxed |= (i, j) in allowed
            forbidden[i][j] = ranges
            forbidden[j][i] = tuple((-high, -low) for low, high in reversed(ranges))
    return Instance(buffers, forbidden, relaxed)


def _allowed_ranges(buffers: tuple[Buffer, ...], overlaps: Sequence[Overlap]) -> dict[Range, list[Range]]:
    """For index pairs i > j, the closed ranges of offset(i) - offset(j) that their overlaps allow."""
    index = {b.name: i for i, b in enumerate(buffers)}
    allowed: dict[Range, list[Range]] = {}
    for overlap in overlaps:
        if overlap.a not in index or overlap.b not in index:
            continue
        low = -UNBOUNDED if overlap.low is None else overlap.low
        high = UNBOUNDED if overlap.high is None else overlap.high
        a, b = index[overlap.a], index[overlap.b]
        pair, span = ((b, a), (low, high)) if b > a else ((a, b), (-high, -low))
        allowed.setdefault(pair, []).append(span)
    return allowed


def _cut(forbidden: Range, allowed: list[Range]) -> tuple[Range, ...]:
    """An open range without the closed ranges; the parts that still hold an integer."""
    parts = [forbidden]
    for low, high in allowed:
        parts = [
            part
            for start, end in parts
            for part in ((start, min(end, low)), (max(start, high), end))
            if part[1] - part[0] > 1
        ]
    return tuple(sorted(set(parts)))
