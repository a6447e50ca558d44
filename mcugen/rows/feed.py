"""An input that the caller gives by rows: what makes its rows is a call of the user's function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mcugen.ir import Graph, Op
from mcugen.lowering.call import READ_ROWS, KernelCall


@dataclass(frozen=True, kw_only=True)
class ReadRows(Op):
    """Stands in a run for the caller, who makes the rows of an input. It is in no graph."""

    kind: ClassVar[str] = "rows from the caller"

    @staticmethod
    def of(name: str) -> ReadRows:
        """What makes the rows of an input."""
        return ReadRows(inputs=(), outputs=(name,), origin=f"rows of {name}")


def read_call(op: ReadRows, rows: range, place: int) -> KernelCall:
    """The call for some rows, which are written from a byte of the window on."""
    return KernelCall(
        kernel=READ_ROWS,
        params=(("first", rows.start), ("count", len(rows))),
        inputs=(),
        outputs=op.outputs,
        label="rows",
        output_offsets=(place,),
    )


def readers(graph: Graph, name: str) -> range:
    """The operators from the first to the last one that reads a tensor; empty when none does."""
    places = [k for k, op in enumerate(graph.ops) if name in op.inputs]
    return range(places[0], places[-1] + 1) if places else range(0)
