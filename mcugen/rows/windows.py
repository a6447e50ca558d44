"""Where the rows of a run are in memory, and when.

Of a tensor between two operators only a window of rows exists. When it is full, the rows that are still needed move
to its start, which costs little: they are few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeAlias

from mcugen.ir import Tensor
from mcugen.memory.blocks import AFTER, BEFORE, Block
from mcugen.rows.order import Band, Run, needed_from


@dataclass(frozen=True)
class Move:
    """Rows of a window move to its start; bytes from its start."""

    tensor: str
    source: int
    bytes: int


@dataclass(frozen=True)
class Compute:
    """A band is computed. inputs: rows of every activation read, with the byte of its memory where they begin;
    output: the byte where the rows made begin."""

    band: Band
    inputs: Mapping[str, tuple[range, int]]
    output: int


Action: TypeAlias = "Move | Compute"


@dataclass(frozen=True)
class Layout:
    """What happens, one thing after the other. sizes: bytes of each window; blocks: of every activation of the run."""

    actions: tuple[Action, ...]
    sizes: Mapping[str, int]
    blocks: Mapping[str, tuple[Block, ...]]


def row_bytes(tensor: Tensor) -> int:
    """Bytes of one row of an NHWC tensor."""
    return tensor.bytes // tensor.shape[1]


def lay_out(run: Run, bands: Sequence[Band]) -> Layout:
    """The windows of a run whose bands are computed in this order."""
    needed = needed_from(run, bands)
    heights = _window_heights(run, bands, needed)
    memory = _Memory(run, heights)
    for band, first in zip(bands, needed, strict=True):
        memory.make_room(band, first)
        memory.compute(band)
    sizes = {name: rows * row_bytes(run.tensors[name]) for name, rows in heights.items()}
    return Layout(tuple(memory.actions), sizes, memory.blocks())


def least_bytes(layout: Layout) -> int:
    """Bytes that the rows of a run take wherever its memories lie: what lives between two calls shares no bytes."""
    change: dict[int, int] = {}
    for blocks in layout.blocks.values():
        for block in blocks:
            if block.last > block.first:
                change[block.first] = change.get(block.first, 0) + block.high - block.low
                change[block.last] = change.get(block.last, 0) - (block.high - block.low)
    return max(accumulate(change[time] for time in sorted(change)), default=0)


def _window_heights(run: Run, bands: Sequence[Band], needed: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Most rows that live at a time, of every tensor that is not kept as a whole."""
    heights = dict.fromkeys((n for n in run.made if n not in run.results), 0)
    made = dict.fromkeys(heights, 0)
    for band, first in zip(bands, needed, strict=True):
        output = run.ops[band.op].outputs[0]
        if output in heights:
            made[output] = band.rows.stop
            heights[output] = max(heights[output], made[output] - min(first[output], band.rows.start))
    return heights


@dataclass
class _Row:
    """A row's place in its memory, the time it was put there, and the last time it was read."""

    low: int
    first: int
    last: int


@dataclass
class _Memory:
    """Runs through the bands and notes what is where."""

    run: Run
    heights: Mapping[str, int]
    actions: list[Action] = field(default_factory=list)
    base: dict[str, int] = field(default_factory=dict)
    rows: dict[str, dict[int, _Row]] = field(default_factory=dict)
    over: dict[str, list[Block]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for op in self.run.ops:
            for _, name in self.run.read(op):
                if name not in self.run.made:
                    tensor = self.run.tensors[name]
                    pitch = row_bytes(tensor)
                    self.rows[name] = {r: _Row(r * pitch, BEFORE, BEFORE) for r in range(tensor.shape[1])}

    def make_room(self, band: Band, first: Mapping[str, int]) -> None:
        """Moves the rows of a window that are still needed when the new ones do not fit behind them."""
        name = self.run.ops[band.op].outputs[0]
        base = self.base.setdefault(name, 0)
        if name not in self.heights or band.rows.stop - base <= self.heights[name]:
            return
        kept = range(min(first[name], band.rows.start), band.rows.start)
        self.base[name] = kept.start
        if not kept or kept.start == base:
            return
        pitch = row_bytes(self.run.tensors[name])
        time = len(self.actions)
        for row in kept:
            old = self.rows[name][row]
            self._close(name, _Row(old.low, old.first, time))
            self.rows[name][row] = _Row((row - kept.start) * pitch, time, time)
        self.actions.append(Move(name, (kept.start - base) * pitch, len(kept) * pitch))

    def compute(self, band: Band) -> None:
        op, time = self.run.ops[band.op], len(self.actions)
        inputs: dict[str, tuple[range, int]] = {}
        for index, name in self.run.read(op):
            rows = self.run.rows_read(op, index, band.rows)
            for row in rows:
                self.rows[name][row].last = max(self.rows[name][row].last, time)
            inputs[name] = (rows, self._address(name, rows.start))
        output = op.outputs[0]
        kept = output in self.run.results
        for row in band.rows:
            self.rows.setdefault(output, {})[row] = _Row(
                self._address(output, row), time, AFTER if kept else time
            )
        self.actions.append(Compute(band, inputs, self._address(output, band.rows.start)))

    def _address(self, name: str, row: int) -> int:
        return (row - self.base.get(name, 0)) * row_bytes(self.run.tensors[name])

    def _close(self, name: str, row: _Row) -> None:
        high = row.low + row_bytes(self.run.tensors[name])
        self.over.setdefault(name, []).append(Block(row.low, high, row.first, row.last))

    def blocks(self) -> Mapping[str, tuple[Block, ...]]:
        """The lives of all rows, also of those that nobody reads here: a later step may."""
        for name, rows in self.rows.items():
            for row in rows.values():
                self._close(name, row)
        self.rows = {}
        return {name: tuple(blocks) for name, blocks in self.over.items()}
