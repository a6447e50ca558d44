"""Average and maximum pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.ir import Array, Constraint, Shape, Tensors
from mcugen.lowering.call import KernelCall
from mcugen.ops import common
from mcugen.ops.conv2d import WindowOp


@dataclass(frozen=True, kw_only=True)
class Pool2D(WindowOp):
    """A window operator without weights; dilation is 1."""

    kernel_name: ClassVar[str]
    constraints: ClassVar[tuple[Constraint, ...]] = (common.INT8_IO, common.BATCH_1, common.SAME_QUANT)

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        out_h, out_w = self.output_hw(shapes[0])
        return ((shapes[0][0], out_h, out_w, shapes[0][3]),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        act_min, act_max = common.clamp_bounds(y, self.low, self.high)
        return (
            KernelCall(
                kernel=self.kernel_name,
                params=(*self.geometry(x.shape, y.shape), ("act_min", act_min), ("act_max", act_max)),
                inputs=self.inputs,
                outputs=self.outputs,
                label=common.spatial_label(self.kernel, x.shape, y.shape),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class AveragePool2D(Pool2D):
    """``y[h,w,c] = clamp(round(sum of x in the window / count))``: only elements inside the input count, and the
    quotient is rounded to nearest, ties away from zero. Source: TFLite's reference AveragePool.

    ``count_padding`` (float graphs from ONNX only) divides by the full window instead.
    """

    kind: ClassVar[str] = "AveragePool2D"
    kernel_name: ClassVar[str] = "average_pool_s8"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        *Pool2D.constraints,
        Constraint(
            "every window has an element of the input: the padding is smaller than the kernel",
            lambda op, t: max(op.padding[:2]) < op.kernel[0] and max(op.padding[2:]) < op.kernel[1],
        ),
        Constraint(
            "padding does not count in the average",
            lambda op, t: not (op.count_padding and any(op.padding)),
        ),
    )

    count_padding: bool = False

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        x = arrays[0]
        ones = np.ones((1, *x.shape[1:3], 1), dtype=np.int64)
        count = self.windows(self.padded(ones, int(self.count_padding))).sum(axis=(3, 4))
        if common.is_float(tensors, self):
            mean = self.windows(self.padded(x)).sum(axis=(3, 4)) / count
            return (np.clip(mean, self.low, self.high).astype(np.float32),)
        acc = self.windows(self.padded(x.astype(np.int64))).sum(axis=(3, 4))
        rounded = np.sign(acc) * ((np.abs(acc) + count // 2) // count)
        bounds = common.clamp_bounds(tensors[self.outputs[0]], self.low, self.high)
        return (np.clip(rounded, *bounds).astype(np.int8),)


@dataclass(frozen=True, kw_only=True)
class MaxPool2D(Pool2D):
    """``y[h,w,c] = clamp(max of x in the window)``, over the elements inside the input."""

    kind: ClassVar[str] = "MaxPool2D"
    kernel_name: ClassVar[str] = "max_pool_s8"

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        x = arrays[0]
        floating = common.is_float(tensors, self)
        wide = x if floating else x.astype(np.int64)
        lowest = -np.inf if floating else -(2**31)
        top, bottom, left, right = self.padding
        padded = np.pad(wide, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=lowest)
        best = self.windows(padded).max(axis=(3, 4))
        if floating:
            return (np.clip(best, self.low, self.high).astype(np.float32),)
        bounds = common.clamp_bounds(tensors[self.outputs[0]], self.low, self.high)
        return (np.clip(best, *bounds).astype(np.int8),)
