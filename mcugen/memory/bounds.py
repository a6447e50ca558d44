"""Lower bounds of a region's peak, from the buffers live at one step."""

from __future__ import annotations

from itertools import combinations

from mcugen.memory.conflicts import Instance, Range
from mcugen.memory.problem import align_up


def lower_bound(instance: Instance) -> int:
    """Bytes that no plan can do without.

    At a step, all offsets are multiples of the smallest alignment A of its live buffers, so each takes its size
    rounded up to A, less what its allowed overlaps can save at best.
    """
    if not instance.buffers:
        return 0
    steps = {b.lower for b in instance.buffers}
    live_sets = [[i for i, b in enumerate(instance.buffers) if b.lower <= t < b.upper] for t in steps]
    live = max(_bound_of_live_set(instance, live_set) for live_set in live_sets)
    pinned = max((b.fixed_offset + b.size for b in instance.buffers if b.fixed_offset is not None), default=0)
    return align_up(max(live, pinned), instance.alignment)


def _bound_of_live_set(instance: Instance, live: list[int]) -> int:
    unit = min(instance.buffers[i].alignment for i in live)
    sizes = {i: align_up(instance.buffers[i].size, unit) for i in live}
    total = sum(sizes.values())
    if not instance.relaxed:
        return total
    shared = {
        (i, j): _most_shared(sizes[i], sizes[j], instance.forbidden[i][j]) for i, j in combinations(live, 2)
    }
    # The union of sets is at least the sum of sizes less the pairwise intersections (Bonferroni).
    return max(total - sum(shared.values()), _heaviest_disjoint(sizes, shared))


def _most_shared(size_i: int, size_j: int, forbidden: tuple[Range, ...]) -> int:
    """Most bytes that two buffers can share, over the differences d = offset(i) - offset(j) that are allowed.

    With d from -size_i to size_j the shared bytes rise to min(size_i, size_j), stay, and fall: the best allowed
    difference is next to the plateau or in it.
    """
    flat = sorted((0, size_j - size_i))
    candidates = [flat[0], flat[1], *(end for open_range in forbidden for end in open_range)]
    allowed = [d for d in candidates if not any(low < d < high for low, high in forbidden)]
    return max((max(0, min(d + size_i, size_j) - max(d, 0)) for d in allowed), default=0)


def _heaviest_disjoint(sizes: dict[int, int], shared: dict[tuple[int, int], int]) -> int:
    """Bytes of a set of buffers of which no two can share any; greedy, so perhaps not the heaviest."""
    chosen: list[int] = []
    for i in sorted(sizes, key=lambda k: -sizes[k]):
        if all(shared[min(i, j), max(i, j)] == 0 for j in chosen):
            chosen.append(i)
    return sum(sizes[i] for i in chosen)
