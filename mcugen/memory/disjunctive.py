"""Search for packings with overlaps and fixed offsets, where canonical packings do not exist.

First a walk through orders for first fit, then branch and bound, which is complete on small problems: every pair
that shares bytes it must not share is sent apart in all allowed ways ("i at least this far above j", "j above i", or
into an allowed overlap). Each choice is a difference constraint; the lowest offsets that satisfy those chosen so far
are a lower bound of all packings below.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from mcugen.memory.budget import Budget, BudgetSpent
from mcugen.memory.conflicts import UNBOUNDED, Instance
from mcugen.memory.linear_scan import Packing, crowded_order, first_fit
from mcugen.memory.problem import align_up

_WALK_SHARE = 4
"""The walk gets at most this fraction (1/n) of the budget."""


def improve_general(instance: Instance, start: Packing, goal: int, budget: Budget) -> tuple[Packing, bool]:
    """The best packing found, and whether no smaller one exists; ends at ``goal`` bytes or with the budget."""
    best = _walk(instance, start, goal, budget.slice(budget.left // _WALK_SHARE))
    if best.peak <= goal or not budget.left:
        return best, False
    search = _Branching(instance, best, goal, budget)
    try:
        search.run()
    except BudgetSpent:
        return search.best, False
    return search.best, search.best.peak > goal


def _walk(instance: Instance, start: Packing, goal: int, budget: Budget) -> Packing:
    """Moves buffers that reach the peak forward in the order of first fit; each packing costs a node per buffer."""
    chance = random.Random(0)  # noqa: S311 - the same numbers everywhere are wanted
    order = crowded_order(instance)
    best, current = start, first_fit(instance, order, "search")
    try:
        while best.peak > goal:
            for _ in instance.buffers:
                budget.spend()
            trial = order.copy()
            trial.insert(chance.randrange(len(order)), trial.pop(chance.randrange(len(order))))
            _move_forward(trial, _highest(instance, current), chance)
            packing = first_fit(instance, trial, "search")
            if packing.peak <= current.peak:
                order, current = trial, packing
                best = min(best, current, key=lambda p: p.peak)
    except BudgetSpent:
        pass
    return best


def _highest(instance: Instance, packing: Packing) -> int:
    return max(range(len(instance.buffers)), key=lambda i: packing.offsets[i] + instance.buffers[i].size)


def _move_forward(order: list[int], buffer: int, chance: random.Random) -> None:
    position = order.index(buffer)
    order.insert(chance.randrange(position + 1), order.pop(position))


@dataclass(frozen=True)
class _Choice:
    """low <= offset(i) - offset(j) <= high."""

    i: int
    j: int
    low: int
    high: int


@dataclass
class _Level:
    """One branching: the offsets above it, the choices left, the choice in force."""

    offsets: list[int]
    choices: Iterator[_Choice]
    chosen: _Choice | None = None


class _Branching:
    def __init__(self, instance: Instance, start: Packing, goal: int, budget: Budget) -> None:
        self.instance, self.best, self.goal, self.budget = instance, start, goal, budget
        pairs = [(i, j) for i, others in enumerate(instance.forbidden) for j in others if j < i]
        sizes = [b.size for b in instance.buffers]
        self.pairs = sorted(pairs, key=lambda pair: (-sizes[pair[0]] - sizes[pair[1]], pair))
        # above[j]: (i, d) for offset(i) >= offset(j) + d
        self.above: list[list[tuple[int, int]]] = [[] for _ in sizes]

    def run(self) -> None:
        """Try all choices, depth first, until the goal is reached."""
        levels: list[_Level] = []
        self._open([b.fixed_offset or 0 for b in self.instance.buffers], levels)
        while levels and self.best.peak > self.goal:
            level = levels[-1]
            if level.chosen is not None:
                self._withdraw(level.chosen)
            level.chosen = next(level.choices, None)
            if level.chosen is None:
                levels.pop()
                continue
            self.budget.spend()
            offsets = self._impose(level.chosen, level.offsets.copy())
            if offsets is not None:
                self._open(offsets, levels)

    def _open(self, offsets: list[int], levels: list[_Level]) -> None:
        """Branch on a pair that is in conflict; a packing without one is the new best."""
        if self.instance.peak(offsets) >= self.best.peak:
            return
        pair = next((pair for pair in self.pairs if self._in_conflict(pair, offsets)), None)
        if pair is None:
            self.best = Packing(tuple(offsets), self.instance.peak(offsets), "search")
        else:
            levels.append(_Level(offsets, iter(self._choices(pair, offsets))))

    def _in_conflict(self, pair: tuple[int, int], offsets: list[int]) -> bool:
        i, j = pair
        difference = offsets[i] - offsets[j]
        return any(low < difference < high for low, high in self.instance.forbidden[i][j])

    def _choices(self, pair: tuple[int, int], offsets: list[int]) -> list[_Choice]:
        """The allowed ranges between the forbidden ones; those that move the offsets least first."""
        i, j = pair
        difference = offsets[i] - offsets[j]
        ranges = self.instance.forbidden[i][j]
        lows = [-UNBOUNDED, *(high for _, high in ranges)]
        highs = [*(low for low, _ in ranges), UNBOUNDED]
        choices = [_Choice(i, j, low, high) for low, high in zip(lows, highs, strict=True) if low <= high]
        return sorted(choices, key=lambda c: max(c.low - difference, difference - c.high))

    def _impose(self, choice: _Choice, offsets: list[int]) -> list[int] | None:
        """The lowest offsets with one more choice, or None when they do not beat the best."""
        changed = []
        if choice.low != -UNBOUNDED:
            self.above[choice.j].append((choice.i, choice.low))
            changed.append(choice.j)
        if choice.high != UNBOUNDED:
            self.above[choice.i].append((choice.j, -choice.high))
            changed.append(choice.i)
        return offsets if self._settle(offsets, changed) else None

    def _withdraw(self, choice: _Choice) -> None:
        if choice.low != -UNBOUNDED:
            self.above[choice.j].pop()
        if choice.high != UNBOUNDED:
            self.above[choice.i].pop()

    def _settle(self, offsets: list[int], changed: list[int]) -> bool:
        """Raise offsets until all choices hold; False when that is impossible below the best peak.

        A buffer raised more often than there are buffers is on a cycle that rises forever.
        """
        buffers, raises = self.instance.buffers, [0] * len(offsets)
        while changed:
            j = changed.pop(0)
            for i, distance in self.above[j]:
                needed = align_up(offsets[j] + distance, buffers[i].alignment)
                if needed <= offsets[i]:
                    continue
                offsets[i] = needed
                raises[i] += 1
                impossible = buffers[i].fixed_offset is not None or raises[i] > len(buffers)
                if impossible or needed + buffers[i].size >= self.best.peak:
                    return False
                changed.append(i)
        return True
