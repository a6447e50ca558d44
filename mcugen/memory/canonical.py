"""Is there a packing within a capacity? A complete search for buffers without overlaps and fixed offsets.

Canonical packings, section inference, dominance and temporal decomposition follow Moffitt, "MiniMalloc: A Lightweight
Memory Allocator for Hardware-Accelerated Machine Learning", ASPLOS 2023; explanations and backjumping are added here.

- *Canonical*: every packing can be pushed down until each buffer lies on the floor or on a buffer it meets. So only
  packings built from the bottom to the top need to be looked at, each buffer put where what is beneath it ends.
- *Branching*: take the lowest place at which an unplaced buffer is supported (``base == low``). Either it lies there,
  or it lies on a buffer that is not placed yet; then the lowest of their tops is its new lower bound (this also covers
  dominance: a buffer that fits under another is placed first).
- *Section inference*: the buffers still to come at a step must fit above the lowest of their lower bounds.
- *Decomposition*: groups of unplaced buffers that no step connects are searched one after the other.
- *Explanations*: every lower bound carries the set of placed buffers it follows from (a bit mask). A dead end returns
  the set that causes it, and all choices that are not in the set are skipped.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mcugen.memory.budget import Budget, BudgetSpent
from mcugen.memory.conflicts import Instance
from mcugen.memory.problem import align_up

_Ints = npt.NDArray[np.int64]
_Masks = npt.NDArray[np.object_]
_Conflict = int
"""Bit mask of placed buffers that cannot all stay where they are."""

_PLACED = 1 << 60
"""The lower bound of a placed buffer: never the lowest of its section."""


@dataclass(frozen=True)
class Outcome:
    """The offsets found, or None; ``complete`` when the budget sufficed, so that None is a proof."""

    offsets: tuple[int, ...] | None
    complete: bool


@dataclass
class _State:
    """Unplaced buffers connected in time, and what is known of all buffers at this point of the search."""

    group: _Ints
    low: _Ints
    """Lower bound of the offset; one entry more for the padding of sections."""
    base: _Ints
    """Lowest offset above all placed buffers it meets; ``low`` is above it when the buffer was refuted there."""
    why: _Masks
    """Placed buffers that ``low`` follows from."""
    refuted: _Masks
    """Placed buffers because of which the buffer does not lie at its base."""

    def copy(self) -> _State:
        return _State(self.group, self.low.copy(), self.base.copy(), self.why.copy(), self.refuted.copy())


def fit(instance: Instance, order: Sequence[int], capacity: int, budget: Budget) -> Outcome:
    """Look for offsets with a peak of at most ``capacity``; ``order`` decides which of equal places is tried first."""
    search = _Search(instance, order, capacity, budget)
    try:
        solved = search.run()
    except BudgetSpent:
        return Outcome(None, complete=False)
    if not solved:
        return Outcome(None, complete=True)
    offsets = [0] * len(order)
    for position, i in enumerate(order):
        offsets[i] = search.offsets[position]
    return Outcome(tuple(offsets), complete=True)


class _Search:
    """Buffers are known here by their position in the order."""

    def __init__(self, instance: Instance, order: Sequence[int], capacity: int, budget: Budget) -> None:
        buffers = [instance.buffers[i] for i in order]
        unit = min(b.alignment for b in buffers)
        self.capacity = capacity & -instance.alignment
        self.budget = budget
        self.sizes = [align_up(b.size, unit) for b in buffers]
        self.alignments = [b.alignment for b in buffers]
        self.size_array = np.array([*self.sizes, 0], dtype=np.int64)
        self.alignment_array = np.array(self.alignments, dtype=np.int64)
        self._set_sections([(b.lower, b.upper) for b in buffers])
        position = {i: k for k, i in enumerate(order)}
        self.meets = [
            np.array(sorted(position[j] for j in instance.forbidden[i]), dtype=np.int64) for i in order
        ]
        self.meets_list: list[list[int]] = [meets.tolist() for meets in self.meets]
        self.placed = [False] * len(buffers)
        self.offsets = [0] * len(buffers)
        self.reason = [0] * len(buffers)

    def _set_sections(self, lives: list[tuple[int, int]]) -> None:
        """Sections are the times between two neighbouring starts or ends, numbered."""
        number = {t: k for k, t in enumerate(sorted({t for life in lives for t in life}))}
        self.first = [number[lower] for lower, _ in lives]
        self.last = [number[upper] for _, upper in lives]
        sections = range(len(number) - 1)
        live = [[i for i in range(len(lives)) if self.first[i] <= s < self.last[i]] for s in sections]
        self.members = np.full((len(sections), max(map(len, live))), len(lives), dtype=np.int64)
        for section, present in enumerate(live):
            self.members[section, : len(present)] = present
        self.remaining = np.array([sum(self.sizes[i] for i in present) for present in live], dtype=np.int64)
        self.crossing = np.zeros(len(number), dtype=np.int64)
        for first, last in zip(self.first, self.last, strict=True):
            self.crossing[first + 1 : last] += 1
        self.first_array = np.array(self.first, dtype=np.int64)
        self.last_array = np.array(self.last, dtype=np.int64)

    def run(self) -> bool:
        """True when all buffers are placed; BudgetSpent is raised when the budget ends."""
        count = len(self.sizes)
        low = np.zeros(count + 1, dtype=np.int64)
        low[count] = _PLACED
        masks = np.zeros(count + 1, dtype=object)
        root = _State(np.arange(count), low, np.zeros(count + 1, dtype=np.int64), masks, masks.copy())
        return all(self._drive(state) is None for state in self._split(root, root.group))

    def _drive(self, root: _State) -> _Conflict | None:
        """Run the search below a state, on a stack of its own: plans may be deeper than Python's recursion."""
        stack = [self._solve(root)]
        answer: _Conflict | None = None
        while stack:
            try:
                child = stack[-1].send(answer)
            except StopIteration as stop:
                stack.pop()
                answer = stop.value
            else:
                stack.append(self._solve(child))
                answer = None
        return answer

    def _solve(self, state: _State) -> Generator[_State, _Conflict | None, _Conflict | None]:
        """Place the group of a state; yields subproblems and is sent their results. None, or why it is impossible."""
        while True:
            conflict = self._tighten(state)
            if conflict is not None:
                return conflict
            self.budget.spend()
            buffer = self._lowest(state)
            for child in self._place(buffer, state):
                conflict = yield child
                if conflict is not None:
                    break
            self._lift(buffer)
            if conflict is None:
                return None
            if not conflict >> buffer & 1:
                return conflict
            self._refute(buffer, state, conflict)

    def _lowest(self, state: _State) -> int:
        low = state.low[state.group]
        supported = np.where(state.base[state.group] == low, low, _PLACED)
        return int(state.group[supported.argmin()])

    def _place(self, buffer: int, state: _State) -> list[_State]:
        """Put a buffer on its base; the groups of buffers that remain."""
        offset, size = int(state.base[buffer]), self.sizes[buffer]
        reason = state.why[buffer] | 1 << buffer
        self.offsets[buffer], self.reason[buffer], self.placed[buffer] = offset, reason, True
        self.remaining[self.first[buffer] : self.last[buffer]] -= size
        self.crossing[self.first[buffer] + 1 : self.last[buffer]] -= 1
        after = state.copy()
        after.low[buffer] = _PLACED
        meets = self.meets[buffer]
        alignment = self.alignment_array[meets]
        top = (offset + size + alignment - 1) & -alignment
        after.base[meets] = np.maximum(after.base[meets], top)
        higher = after.low[meets] < top
        raised = meets[higher]
        after.low[raised] = top[higher]
        after.why[raised] = reason
        return self._split(after, state.group[state.group != buffer])

    def _lift(self, buffer: int) -> None:
        """Take a placed buffer out again."""
        self.placed[buffer] = False
        self.remaining[self.first[buffer] : self.last[buffer]] += self.sizes[buffer]
        self.crossing[self.first[buffer] + 1 : self.last[buffer]] += 1

    def _split(self, state: _State, group: _Ints) -> list[_State]:
        """One state for each part of a group that no step connects with the others, the smallest part first."""
        if not len(group):
            return []
        first, last = self._sections(group)
        cuts = (self.crossing[first + 1 : last] == 0).nonzero()[0]
        if not len(cuts):
            state.group = group
            return [state]
        part = (cuts + first + 1).searchsorted(self.first_array[group], side="right")
        groups = sorted((group[part == k] for k in set(part.tolist())), key=len)
        return [replace(state, group=g).copy() for g in groups]

    def _sections(self, group: _Ints) -> tuple[int, int]:
        return int(np.minimum.reduce(self.first_array[group])), int(np.maximum.reduce(self.last_array[group]))

    def _tighten(self, state: _State) -> _Conflict | None:
        """Raise lower bounds as far as is known; the conflict when a section cannot hold what it must."""
        conflict = self._raise_unsupported(state)
        if conflict is not None:
            return conflict
        first, last = self._sections(state.group)
        floors = np.minimum.reduce(state.low[self.members[first:last]], axis=1)
        # An emptied section has the floor _PLACED, which the mask turns into 0.
        needed = (floors + self.remaining[first:last]) & (_PLACED - 1)
        worst = int(needed.argmax())
        return self._why_full(first + worst, state) if needed[worst] > self.capacity else None

    def _why_full(self, section: int, state: _State) -> _Conflict:
        """Placed buffers because of which the unplaced buffers of a section do not fit."""
        why: _Conflict = 0
        for i in self.members[section].tolist():
            if i < len(self.placed) and not self.placed[i]:
                why |= state.why[i]
        return why

    def _raise_unsupported(self, state: _State) -> _Conflict | None:
        """A buffer refuted at its base lies on an unplaced buffer: at least as high as the lowest of their tops."""
        unsupported = state.group[state.base[state.group] < state.low[state.group]].tolist()
        changed = bool(unsupported)
        while changed:
            changed = False
            for i in unsupported:
                meets = self.meets[i]
                support = int(np.minimum.reduce(state.low[meets] + self.size_array[meets], initial=_PLACED))
                support = align_up(support, self.alignments[i])
                if support <= state.low[i]:
                    continue
                why: _Conflict = state.refuted[i] | self._why_no_support_below(i, support, state)
                if support + self.sizes[i] > self.capacity:
                    return why
                state.low[i], state.why[i] = support, why
                changed = True
        return None

    def _why_no_support_below(self, buffer: int, height: int, state: _State) -> _Conflict:
        """Placed buffers because of which no buffer that meets this one ends between its base and a height."""
        why: _Conflict = 0
        for i in self.meets_list[buffer]:
            if self.placed[i]:
                if self.offsets[i] + self.sizes[i] < height:
                    why |= self.reason[i]
            elif self.sizes[i] < height:
                why |= state.why[i]
        return why

    def _refute(self, buffer: int, state: _State, conflict: _Conflict) -> None:
        """Note that a buffer does not lie at its base, because of a conflict that it takes part in."""
        base = int(state.base[buffer])
        why = conflict & ~(1 << buffer) | state.why[buffer]
        for i in self.meets_list[buffer]:
            if not self.placed[i] and self.sizes[i] <= base:
                why |= state.why[i]
        state.refuted[buffer] = state.why[buffer] = why
        state.low[buffer] = base + 1
