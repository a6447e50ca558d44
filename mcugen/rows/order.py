"""In which order the rows of several operators are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mcugen.ir import Op, Tensors

_PROBED = range(1)


@dataclass(frozen=True)
class Band:
    """Rows of an operator's output that one call computes. op: its place among the operators of the run."""

    op: int
    rows: range


@dataclass(frozen=True)
class Run:
    """Operators, in order, that are computed together.

    results: those of their outputs that somebody else reads, and which are kept as a whole; never empty.
    """

    ops: tuple[Op, ...]
    tensors: Tensors = field(repr=False)
    results: tuple[str, ...]

    @property
    def made(self) -> tuple[str, ...]:
        """All tensors that the operators make."""
        return tuple(name for op in self.ops for name in op.outputs)

    def read(self, op: Op) -> tuple[tuple[int, str], ...]:
        """(index, name) of the activations that an operator reads."""
        return tuple((i, n) for i, n in enumerate(op.inputs) if n and not self.tensors[n].is_const)

    def rows_read(self, op: Op, index: int, rows: range) -> range:
        """What `Op.rows_read` says of an operator known to work by rows."""
        found = op.rows_read(self.tensors, index, rows)
        assert found is not None
        return found


def works_by_rows(op: Op, tensors: Tensors) -> bool:
    """Whether the rows of an operator's output can be computed one after the other."""
    if len(op.outputs) != 1 or op.is_alias or op.states:
        return False
    shapes = [tensors[n].shape for n in (*op.inputs, *op.outputs) if n and not tensors[n].is_const]
    if any(len(shape) != 4 or shape[0] != 1 for shape in shapes):
        return False
    return all(op.rows_read(tensors, i, _PROBED) is not None for i, n in enumerate(op.inputs) if n)


def band_order(run: Run, unit: int) -> list[Band]:
    """Every row of every operator, each as late as possible, at most ``unit`` rows at a time.

    Of several results, the one that is furthest behind goes on.
    """
    made = {op.outputs[0]: k for k, op in enumerate(run.ops)}
    done = dict.fromkeys(made, 0)
    bands: list[Band] = []

    def height(name: str) -> int:
        return run.tensors[name].shape[1]

    def need(name: str, end: int) -> None:
        """Computes the rows of a tensor before ``end`` that are missing, after those that they are made of."""
        op = run.ops[made[name]]
        while done[name] < end:
            rows = range(done[name], min(done[name] + unit, end))
            for index, source in run.read(op):
                if source in made:
                    need(source, run.rows_read(op, index, rows).stop)
            bands.append(Band(made[name], rows))
            done[name] = rows.stop

    while unfinished := [n for n in run.results if done[n] < height(n)]:
        behind = min(unfinished, key=lambda n: done[n] / height(n))
        need(behind, min(done[behind] + unit, height(behind)))
    return bands


def needed_from(run: Run, bands: Sequence[Band]) -> list[Mapping[str, int]]:
    """Per band, the first row of every tensor that this band or a later one reads; its height when none does."""
    names = dict.fromkeys((*run.made, *(n for op in run.ops for _, n in run.read(op))))
    first = {name: run.tensors[name].shape[1] for name in names}
    found: list[Mapping[str, int]] = []
    for band in reversed(bands):
        op = run.ops[band.op]
        for index, name in run.read(op):
            first[name] = min(first[name], run.rows_read(op, index, band.rows).start)
        found.append(dict(first))
    return found[::-1]
