"""2D convolution."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.ir import Array, Constraint, Op, Shape, Tensors
from mcugen.lowering.call import Constant, KernelCall, ParamValue
from mcugen.ops import common


@dataclass(frozen=True, kw_only=True)
class WindowOp(Op):
    """Fields and geometry of operators that slide a window over an NHWC tensor.

    kernel, stride, dilation: (height, width); padding: (top, bottom, left, right);
    low, high: real bounds of the fused activation.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    low: float = -common.INF
    high: float = common.INF

    def output_hw(self, x: Shape) -> tuple[int, int]:
        common.require_rank("the input", x, 4)
        top, bottom, left, right = self.padding
        return (
            common.conv_output_size(x[1], self.kernel[0], self.stride[0], self.dilation[0], top + bottom),
            common.conv_output_size(x[2], self.kernel[1], self.stride[1], self.dilation[1], left + right),
        )

    def padded(self, x: Array, value: int = 0) -> Array:
        top, bottom, left, right = self.padding
        return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)

    def windows(self, padded: Array) -> Array:
        return common.window_view(padded, self.kernel, self.stride, self.dilation)

    def rows_read(self, tensors: Tensors, index: int, rows: range) -> range | None:
        if index > 0:
            return range(0)
        reach = self._row_span(range(1))[1] + self.padding[0]
        if max(self.padding[:2]) >= reach:
            return None  # windows that see nothing but padding
        first, end = self._row_span(rows)
        return range(max(first, 0), min(end, tensors[self.inputs[0]].shape[1]))

    def of_rows(self, tensors: Tensors, rows: range) -> WindowOp:
        first, end = self._row_span(rows)
        _, _, left, right = self.padding
        below = max(end - tensors[self.inputs[0]].shape[1], 0)
        return dataclasses.replace(self, padding=(max(-first, 0), below, left, right))

    def _row_span(self, rows: range) -> tuple[int, int]:
        """First and end of the input rows under the windows of some output rows, padding included."""
        reach = (self.kernel[0] - 1) * self.dilation[0] + 1
        first = rows.start * self.stride[0] - self.padding[0]
        return first, (rows.stop - 1) * self.stride[0] - self.padding[0] + reach

    def geometry(self, x: Shape, y: Shape) -> tuple[tuple[str, ParamValue], ...]:
        """The parameters that all window kernels share."""
        return (
            ("in_h", x[1]), ("in_w", x[2]), ("in_c", x[3]),
            ("out_h", y[1]), ("out_w", y[2]), ("out_c", y[3]),
            ("k_h", self.kernel[0]), ("k_w", self.kernel[1]),
            ("stride_h", self.stride[0]), ("stride_w", self.stride[1]),
            ("pad_top", self.padding[0]), ("pad_left", self.padding[2]),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class WeightedWindowOp(WindowOp):
    """A window operator with weights and bias: inputs are (x, weights, bias or "")."""

    def integer_params(self, t: Tensors) -> tuple[tuple[str, ParamValue], ...]:
        x, y = t[self.inputs[0]], t[self.outputs[0]]
        act_min, act_max = common.clamp_bounds(y, self.low, self.high)
        return (
            *self.geometry(x.shape, y.shape),
            ("dilation_h", self.dilation[0]), ("dilation_w", self.dilation[1]),
            ("in_offset", -x.zero_point), ("out_offset", y.zero_point),
            ("act_min", act_min), ("act_max", act_max),
        )  # fmt: skip

    def integer_constants(self, t: Tensors) -> tuple[Constant, ...]:
        x, w, y = t[self.inputs[0]], t[self.inputs[1]], t[self.outputs[0]]
        assert w.data is not None
        multiplier, shift = (np.broadcast_to(a, y.shape[3:]) for a in common.channel_multipliers(x, w, y))
        bias = common.integer_bias(common.optional(t, self, 2), y.shape[3])
        return (
            Constant("weights", w.data),
            Constant("bias", bias),
            Constant("multiplier", np.ascontiguousarray(multiplier)),
            Constant("shift", np.ascontiguousarray(shift)),
        )

    def finish(self, t: Tensors, acc: Array, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        """Bias, requantization and activation on accumulators of any float or integer type."""
        x, w, y = t[self.inputs[0]], t[self.inputs[1]], t[self.outputs[0]]
        bias = arrays[2] if len(arrays) > 2 and arrays[2].size else np.zeros(y.shape[-1], dtype=np.int32)
        if common.is_float(t, self):
            return (np.clip(acc + bias, self.low, self.high).astype(np.float32),)
        multiplier, shift = common.channel_multipliers(x, w, y)
        total = fx.wrap_int32(acc.astype(np.int64) + bias)
        return (common.requantize(total, multiplier, shift, y, common.clamp_bounds(y, self.low, self.high)),)


@dataclass(frozen=True, kw_only=True)
class Conv2D(WeightedWindowOp):
    """``y[n,h,w,o] = clamp(requantize(bias[o] + sum_{i,j,c} (x[n, h*s+i*d-p, ..., c] - zx) * w[o,i,j,c]))``.

    x is NHWC, weights are OHWI; outside the input x equals its zero point. With groups, output channel o sees
    the input channels of its group only (in_c / groups of them). Sources: TFLite's reference ConvPerChannel.
    """

    kind: ClassVar[str] = "Conv2D"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        common.INT8_IO,
        common.BATCH_1,
        common.symmetric_int8_weights(0),
        common.constant_int32_bias(2),
        common.sum_fits(lambda op, t: t[op.inputs[1]].elements // t[op.inputs[1]].shape[0]),
    )

    groups: int = 1

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        x, w = shapes[0], shapes[1]
        out_h, out_w = self.output_hw(x)
        if w[3] * self.groups != x[3] or w[0] % self.groups or w[1:3] != self.kernel:
            raise ValueError(
                f"weights {w} do not match input {x} with {self.groups} groups, kernel {self.kernel}"
            )
        common.require_bias_size(shapes, 2, w[0])
        return ((x[0], out_h, out_w, w[0]),)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        x, w = arrays[0], arrays[1]
        if not common.is_float(tensors, self):
            x = x.astype(np.float64) - tensors[self.inputs[0]].zero_point
        columns = self.windows(self.padded(x))
        per_in, per_out = w.shape[3], w.shape[0] // self.groups
        parts = []
        for g in range(self.groups):
            # float64 holds every sum of int8 products exactly, and BLAS is fast.
            weights = w[g * per_out : (g + 1) * per_out].reshape(per_out, -1).astype(x.dtype)
            window = columns[..., g * per_in : (g + 1) * per_in].reshape(*columns.shape[:3], -1)
            parts.append(window @ weights.T)
        return self.finish(tensors, np.concatenate(parts, axis=-1), arrays)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        return (
            KernelCall(
                kernel="conv2d_s8",
                params=(*self.integer_params(tensors), ("groups", self.groups)),
                inputs=self.inputs[:1],
                outputs=self.outputs,
                constants=self.integer_constants(tensors),
                label=common.spatial_label(self.kernel, x.shape, y.shape),
            ),
        )

    def macs(self, tensors: Tensors) -> int:
        y, w = tensors[self.outputs[0]], tensors[self.inputs[1]]
        return y.elements * w.elements // w.shape[0]
