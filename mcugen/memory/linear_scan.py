"""Fast planners: buffers are placed one after the other, each where it fits best among those already placed.

:func:`linear_scan` takes the best of several orders. One of them is TFLM's greedy-by-size, so that it is never worse
than that; another is the linear scan over live intervals inside a target capacity, which fills gaps from both ends
and is exact on chains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcugen.memory.bounds import lower_bound
from mcugen.memory.conflicts import UNBOUNDED, Instance
from mcugen.memory.problem import Buffer, align_up

SortKey = Callable[[Buffer], tuple[int, ...]]


@dataclass(frozen=True)
class Packing:
    """Offsets of one region's buffers, in the instance's order."""

    offsets: tuple[int, ...]
    peak: int
    method: str


@dataclass(frozen=True)
class _Gap:
    """The allowed offsets ``low <= x <= high`` (both aligned) of a buffer to be placed."""

    low: int
    high: int


def greedy_by_size(instance: Instance) -> Packing:
    """TFLM's greedy planner: the largest buffer first, each at the lowest offset that is free."""
    return first_fit(instance, _sorted(instance, lambda b: (-b.size,)), "greedy-by-size")


def first_fit(instance: Instance, order: Sequence[int], method: str) -> Packing:
    """Every buffer at the lowest free offset, in the order given (fixed ones first)."""
    return _pack(instance, order, lambda _, gaps: gaps[0].low, method)


def linear_scan(instance: Instance, goal: int = 0, bound: int | None = None) -> Packing:
    """The best packing of several orders and fits; the first that reaches the lower bound ends the search.

    goal: bytes that are good enough to end it too. bound: the instance's lower bound, where it is known already.
    """
    bound = lower_bound(instance) if bound is None else bound
    best = greedy_by_size(instance)
    for attempt in _attempts(instance, bound):
        if best.peak <= max(bound, goal):
            break
        best = min(best, attempt(), key=lambda packing: packing.peak)
    return best


def _attempts(instance: Instance, bound: int) -> list[Callable[[], Packing]]:
    by_start = _sorted(instance, lambda b: (b.lower, -b.upper, -b.size))
    by_end = _sorted(instance, lambda b: (-b.upper, b.lower, -b.size))
    by_size = _sorted(instance, lambda b: (-b.size,))
    by_area = _sorted(instance, lambda b: (-b.size * (b.upper - b.lower),))
    by_life = _sorted(instance, lambda b: (b.lower - b.upper, -b.size))
    by_crowd = crowded_order(instance)
    scans: list[Callable[[], Packing]] = [
        lambda order=order: scan(instance, order, bound)  # type: ignore[misc]
        for order in (by_start, by_end, by_crowd, by_size, by_area)
    ]
    fits: list[Callable[[], Packing]] = [
        lambda order=order, name=name: first_fit(instance, order, name)  # type: ignore[misc]
        for order, name in (
            (by_crowd, "greedy-by-crowd"),
            (by_area, "greedy-by-area"),
            (by_life, "greedy-by-life"),
            (by_start, "greedy-by-start"),
        )
    ]
    return scans + fits


def crowded_order(instance: Instance) -> list[int]:
    """Buffers by the most bytes live at any of their steps, then by size; both descending."""
    steps = sorted({b.lower for b in instance.buffers})
    live = {t: sum(b.size for b in instance.buffers if b.lower <= t < b.upper) for t in steps}
    crowd = {b.name: max(live[t] for t in steps if b.lower <= t < b.upper) for b in instance.buffers}
    return _sorted(instance, lambda b: (-crowd[b.name], -b.size))


def scan(instance: Instance, order: Sequence[int], capacity: int) -> Packing:
    """Best fit inside a capacity, at the upper end of gaps that reach the capacity; first fit where none is left.

    In a chain the buffers so come to lie at the bottom and the top in turn, which reaches the lower bound.
    """

    def choose(i: int, gaps: list[_Gap]) -> int:
        buffer = instance.buffers[i]
        ceiling = (capacity - buffer.size) & -buffer.alignment
        inside = [_Gap(g.low, min(g.high, ceiling)) for g in gaps if g.low <= ceiling]
        if not inside:
            return gaps[0].low
        best = min(inside, key=lambda g: g.high - g.low)
        at_floor, at_ceiling = best.low == 0, best.high == ceiling
        return best.high if at_ceiling and not at_floor else best.low

    return _pack(instance, order, choose, "linear-scan")


def _sorted(instance: Instance, key: SortKey) -> list[int]:
    return sorted(range(len(instance.buffers)), key=lambda i: (key(instance.buffers[i]), i))


def _pack(
    instance: Instance, order: Sequence[int], choose: Callable[[int, list[_Gap]], int], method: str
) -> Packing:
    placed = {i: b.fixed_offset for i, b in enumerate(instance.buffers) if b.fixed_offset is not None}
    for i in order:
        if i not in placed:
            placed[i] = choose(i, _gaps(instance, i, placed))
    offsets = tuple(placed[i] for i in range(len(instance.buffers)))
    return Packing(offsets, instance.peak(offsets), method)


def _gaps(instance: Instance, i: int, placed: dict[int, int]) -> list[_Gap]:
    """Where buffer i may start, from low to high; the last gap has no upper end. Never empty."""
    alignment = instance.buffers[i].alignment
    blocked = sorted(
        (placed[j] + low, placed[j] + high)
        for j, ranges in instance.forbidden[i].items()
        if j in placed
        for low, high in ranges
    )
    gaps = []
    start = 0
    for low, high in blocked:
        last = low & -alignment
        if last >= start:
            gaps.append(_Gap(start, last))
        start = max(start, align_up(high, alignment))
    gaps.append(_Gap(start, UNBOUNDED))
    return gaps
