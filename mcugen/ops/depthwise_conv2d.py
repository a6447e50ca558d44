"""Depthwise 2D convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.ir import Array, Constraint, Shape, Tensors
from mcugen.lowering.call import KernelCall
from mcugen.ops import common
from mcugen.ops.conv2d import WeightedWindowOp


@dataclass(frozen=True, kw_only=True)
class DepthwiseConv2D(WeightedWindowOp):
    """``y[n,h,w,c*m+k] = clamp(requantize(bias[c*m+k] + sum_{i,j} (x[..., c] - zx) * w[0,i,j,c*m+k]))``.

    Weights are 1HWO with O = in_c * m; m is the channel multiplier. Sources: TFLite's reference
    DepthwiseConvPerChannel.
    """

    kind: ClassVar[str] = "DepthwiseConv2D"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        common.INT8_IO,
        common.BATCH_1,
        common.symmetric_int8_weights(3),
        common.constant_int32_bias(2),
    )

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        x, w = shapes[0], shapes[1]
        out_h, out_w = self.output_hw(x)
        if w[0] != 1 or w[1:3] != self.kernel or w[3] % x[3]:
            raise ValueError(f"weights {w} do not match input {x} with kernel {self.kernel}")
        common.require_bias_size(shapes, 2, w[3])
        return ((x[0], out_h, out_w, w[3]),)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        x, w = arrays[0], arrays[1]
        if not common.is_float(tensors, self):
            x = x.astype(np.float64) - tensors[self.inputs[0]].zero_point
        columns = self.windows(self.padded(x))
        per_channel = w.reshape(*self.kernel, x.shape[3], -1).astype(x.dtype)
        acc = np.einsum("nhwijc,ijcm->nhwcm", columns, per_channel)
        return self.finish(tensors, acc.reshape(*acc.shape[:3], -1), arrays)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        return (
            KernelCall(
                kernel="depthwise_conv2d_s8",
                params=(*self.integer_params(tensors), ("multiplier", y.shape[3] // x.shape[3])),
                inputs=self.inputs[:1],
                outputs=self.outputs,
                constants=self.integer_constants(tensors),
                label=common.spatial_label(self.kernel, x.shape, y.shape),
            ),
        )

    def macs(self, tensors: Tensors) -> int:
        return tensors[self.outputs[0]].elements * self.kernel[0] * self.kernel[1]
