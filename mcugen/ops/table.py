"""An element-wise function of 8-bit values, given as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.ir import Array, Constraint, DType, Op, Shape, Tensors
from mcugen.lowering.call import KernelCall
from mcugen.ops.common import same_rows
from mcugen.ops.unary import table_call

BITS_8 = (DType.INT8, DType.UINT8)


def _formats_ok(op: Op, t: Tensors) -> bool:
    return t[op.inputs[0]].dtype in BITS_8 and t[op.outputs[0]].dtype in BITS_8


def _table_ok(op: Op, t: Tensors) -> bool:
    table = t[op.inputs[1]]
    return table.is_const and table.dtype is DType.UINT8 and table.shape == (256,)


@dataclass(frozen=True, kw_only=True)
class Table(Op):
    """``y = table[x]``, x and the entries taken as bit patterns: inputs are (x, table uint8[256]).

    No file has this operator: passes make it of element-wise operators that follow each other.
    """

    kind: ClassVar[str] = "Table"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        Constraint("input and output are int8 or uint8", _formats_ok),
        Constraint("the table is constant with 256 entries of uint8", _table_ok),
    )

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        return (shapes[0],)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        x, table = arrays
        patterns = np.ascontiguousarray(x).view(np.uint8)
        return (table[patterns].view(tensors[self.outputs[0]].dtype.numpy).reshape(x.shape),)

    def rows_read(self, tensors: Tensors, index: int, rows: range) -> range | None:
        return same_rows(tensors[self.inputs[0]], tensors[self.outputs[0]], rows) if index == 0 else range(0)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        table = tensors[self.inputs[1]].data
        assert table is not None
        return (table_call(self, tensors, table),)
