"""Buffers of which bytes come to life and die a few at a time, and how near to each other they may lie.

Operators that are computed together, row by row, use up their input while they make their output, so that the output
can take the place of what is used up. What is read and written when is known byte by byte; from that follows, for
every pair of buffers, at which distances no write destroys anything that is still to be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcugen.memory.problem import Overlap

BEFORE = -1
"""The time of bytes that are there from the start."""
AFTER = 1 << 40
"""The last use of bytes that are needed afterwards."""


def scratch_of(output: str) -> str:
    """The name of the working memory of the operator that makes a tensor."""
    return f"scratch for {output}"


@dataclass(frozen=True)
class Block:
    """The bytes ``low <= i < high`` of a buffer hold something from the call ``first`` to the call ``last``."""

    low: int
    high: int
    first: int
    last: int


@dataclass(frozen=True)
class Nearest:
    """At the call ``time`` a kernel reads ``source`` and writes ``target``, which may share bytes that die then if
    target starts at most ``high`` bytes after source, and a multiple of ``step`` before that."""

    time: int
    source: str
    target: str
    high: int
    step: int = 1


@dataclass(frozen=True, eq=False)
class Accesses:
    """Blocks by tensor, those of working memory by `scratch_of`, and what kernels allow within a call."""

    blocks: Mapping[str, tuple[Block, ...]]
    nearest: tuple[Nearest, ...] = field(default=())


_Table: TypeAlias = NDArray[np.int64]
_Spans: TypeAlias = NDArray[np.int64]
"""Rows of (low, high): the open range ``low < d < high``."""


@lru_cache(maxsize=512)
def overlaps_of(accesses: Accesses, kept: frozenset[str] = frozenset()) -> tuple[Overlap, ...]:
    """The distances that every pair of buffers allows, besides lying apart. Those in ``kept`` are needed afterwards."""
    tables = {name: _table(blocks, name in kept) for name, blocks in accesses.blocks.items()}
    found: list[Overlap] = []
    for a, b in combinations(tables, 2):
        pair = _Pair(tables[a], tables[b], _calls(accesses, a, b), _calls(accesses, b, a))
        found += (Overlap(a, b, low, high) for low, high in pair.allowed())
    return tuple(found)


def _table(blocks: Sequence[Block], kept: bool) -> _Table:
    rows = [(b.low, b.high, b.first, AFTER if kept else b.last) for b in blocks]
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def _calls(accesses: Accesses, source: str, target: str) -> tuple[Nearest, ...]:
    return tuple(n for n in accesses.nearest if (n.source, n.target) == (source, target))


@dataclass(frozen=True)
class _Pair:
    """Two buffers; ``d`` is offset(b) - offset(a). a_to_b: the calls that read a and write b; b_to_a: the others."""

    a: _Table
    b: _Table
    a_to_b: tuple[Nearest, ...]
    b_to_a: tuple[Nearest, ...]

    def allowed(self) -> Iterator[tuple[int | None, int | None]]:
        """The closed ranges of d."""
        ranges = list(_between(self._forbidden(1)))
        yield from ranges
        for step in {n.step for n in (*self.a_to_b, *self.b_to_a)} - {1}:
            # Ranges in which only multiples of the step are allowed: their first and last ones.
            places = {
                d for low, high in _between(self._forbidden(step)) for d in self._multiples(step, low, high)
            }
            yield from ((d, d) for d in sorted(places) if not any(_holds(r, d) for r in ranges))

    def _multiples(self, step: int, low: int | None, high: int | None) -> list[int]:
        """The least and the greatest place of a range that the calls' step allows."""
        rests = {n.high % step for n in self.a_to_b} | {-n.high % step for n in self.b_to_a}
        if len(rests) != 1:
            return []
        (rest,) = rests
        first = None if low is None else low + (rest - low) % step
        last = None if high is None else high - (high - rest) % step
        return [d for d in (first, last) if d is not None and _holds((low, high), d)]

    def _forbidden(self, step: int) -> _Spans:
        """The ranges that d must stay out of, if it suits calls of this step."""
        a_low, a_high, a_first, a_last = (self.a[:, None, k] for k in range(4))
        b_low, b_high, b_first, b_last = (self.b[None, :, k] for k in range(4))
        low, high = a_low - b_high, a_high - b_low
        for call in self.a_to_b:
            if call.step in (1, step):
                within = (a_last == call.time) & (b_first == call.time)
                low = np.where(within, np.maximum(low, call.high), low)
        for call in self.b_to_a:
            if call.step in (1, step):
                within = (b_last == call.time) & (a_first == call.time)
                high = np.where(within, np.minimum(high, -call.high), high)
        together = (a_first <= b_last) & (b_first <= a_last) & (high - low > 1)
        spans = np.stack([low[together], high[together]], axis=1)
        return np.unique(spans, axis=0)


def _holds(span: tuple[int | None, int | None], d: int) -> bool:
    low, high = span
    return (low is None or low <= d) and (high is None or d <= high)


def _between(forbidden: _Spans) -> Iterator[tuple[int | None, int | None]]:
    """The closed ranges that sorted open ranges leave; None where a range has no end."""
    low: int | None = None
    for start, end in forbidden.tolist():
        if low is None or start >= low:
            yield low, start
        low = end if low is None else max(low, end)
    yield low, None
