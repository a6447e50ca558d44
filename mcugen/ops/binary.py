"""What the element-wise operators of two inputs share: broadcasting and the parameters for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.ir import Constraint, DType, Op, Shape, Tensors
from mcugen.lowering.call import KernelCall, ParamValue
from mcugen.ops import common

MAX_DIMS = 4


def broadcast_dims(a: Shape, b: Shape) -> tuple[Shape, Shape, Shape]:
    """(output dims, strides of a, strides of b) with neighbours merged; a stride of 0 repeats the element.

    Padded in front to four dimensions; raises ValueError when more remain after merging.
    """
    out = np.broadcast_shapes(a, b)
    dims: list[list[int]] = []  # [size, a varies, b varies], outermost first
    for size, da, db in zip(out, _pad(a, len(out)), _pad(b, len(out)), strict=True):
        if size == 1:
            continue
        kind = [int(da > 1), int(db > 1)]
        if dims and dims[-1][1:] == kind:
            dims[-1][0] *= size
        else:
            dims.append([size, *kind])
    if len(dims) > MAX_DIMS:
        raise ValueError(f"broadcasting {a} with {b} needs {len(dims)} dimensions, {MAX_DIMS} are supported")
    rows = [[1, 0, 0]] * (MAX_DIMS - len(dims)) + dims
    strides_a, strides_b = _strides(rows, 1), _strides(rows, 2)
    return tuple(r[0] for r in rows), strides_a, strides_b


def _pad(shape: Shape, rank: int) -> Shape:
    return (1,) * (rank - len(shape)) + shape


def _strides(rows: list[list[int]], column: int) -> Shape:
    strides, step = [], 1
    for row in reversed(rows):
        strides.append(step if row[column] else 0)
        step *= row[0] if row[column] else 1
    return tuple(reversed(strides))


def _dims_ok(op: Op, t: Tensors) -> bool:
    try:
        broadcast_dims(t[op.inputs[0]].shape, t[op.inputs[1]].shape)
    except ValueError:
        return False
    return True


def _int8(op: Op, t: Tensors) -> bool:
    return (
        common.int8_in_out(op, t)
        and t[op.inputs[1]].dtype is DType.INT8
        and t[op.inputs[1]].quant is not None
    )


@dataclass(frozen=True, kw_only=True)
class BinaryOp(Op):
    """Two int8 inputs that broadcast to one output, with a fused activation that clamps to [low, high]."""

    constraints: ClassVar[tuple[Constraint, ...]] = (
        Constraint("inputs and output are int8 with one scale per tensor", _int8),
        Constraint("the shapes broadcast in at most four dimensions", _dims_ok),
    )

    low: float = -common.INF
    high: float = common.INF

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        return (np.broadcast_shapes(*shapes),)

    def rows_read(self, tensors: Tensors, index: int, rows: range) -> range | None:
        return common.same_rows(tensors[self.inputs[index]], tensors[self.outputs[0]], rows)

    def lower_binary(self, kernel: str, t: Tensors, params: tuple[tuple[str, ParamValue], ...]) -> KernelCall:
        a, b, y = t[self.inputs[0]], t[self.inputs[1]], t[self.outputs[0]]
        dims, a_strides, b_strides = broadcast_dims(a.shape, b.shape)
        act_min, act_max = common.clamp_bounds(y, self.low, self.high)
        return KernelCall(
            kernel=kernel,
            params=(
                ("dims", dims), ("a_strides", a_strides), ("b_strides", b_strides),
                ("a_offset", -a.zero_point), ("b_offset", -b.zero_point), ("out_offset", y.zero_point),
                *params,
                ("act_min", act_min), ("act_max", act_max),
            ),
            inputs=self.inputs,
            outputs=self.outputs,
            label=common.dims_label(y.shape[1:] or y.shape),
        )  # fmt: skip
