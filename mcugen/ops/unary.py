"""What the element-wise operators of one 8-bit input share: they run as one 256-byte table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.ir import Array, Constraint, Op, Shape, Tensors
from mcugen.lowering.call import Constant, KernelCall
from mcugen.ops import common


def table_call(op: Op, tensors: Tensors, table: Array) -> KernelCall:
    """The call that maps every byte of the input through ``table`` (uint8[256], by bit pattern)."""
    x = tensors[op.inputs[0]]
    return KernelCall(
        kernel="table_8",
        params=(("n", x.elements),),
        inputs=op.inputs[:1],
        outputs=op.outputs,
        constants=(Constant("table", table),),
        label=common.dims_label(x.shape[1:] or x.shape),
    )


@dataclass(frozen=True, kw_only=True)
class UnaryOp(Op):
    """``y = f(x)`` per element: subclasses give f on floats and on quantized values."""

    constraints: ClassVar[tuple[Constraint, ...]] = (common.INT8_IO,)

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        return (shapes[0],)

    def real(self, x: Array) -> Array:
        """f on real values."""
        raise NotImplementedError

    def quantized(self, tensors: Tensors, x: fx.Int64Array) -> fx.Int64Array:
        """f on quantized values; the result is clamped to the output's type by the caller."""
        raise NotImplementedError

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        if common.is_float(tensors, self):
            return (self.real(arrays[0]).astype(np.float32),)
        y = tensors[self.outputs[0]].dtype
        return (np.clip(self.quantized(tensors, arrays[0].astype(np.int64)), *y.bounds).astype(y.numpy),)

    def rows_read(self, tensors: Tensors, index: int, rows: range) -> range | None:
        return common.same_rows(tensors[self.inputs[0]], tensors[self.outputs[0]], rows)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        y = tensors[self.outputs[0]].dtype

        def clamped(x: fx.Int64Array) -> Array:
            return np.clip(self.quantized(tensors, x), *y.bounds).astype(y.numpy)

        return (table_call(self, tensors, common.unary_table(clamped, tensors[self.inputs[0]].dtype)),)
