"""Fully connected layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.ir import Array, Constraint, Op, Shape, Tensors
from mcugen.lowering.call import Constant, KernelCall
from mcugen.ops import common


@dataclass(frozen=True, kw_only=True)
class FullyConnected(Op):
    """``y[b,o] = clamp(requantize(bias[o] + sum_i (x[b,i] - zx) * w[o,i]))``; inputs are (x, weights OI, bias).

    x is flattened to rows of as many elements as a weight row has; with ``keep_dims`` the leading dimensions of
    x stay. With one weight scale the multiplier is ``float32(input_scale * weight_scale) / output_scale``, per
    channel all in double, as TFLite's reference FullyConnected and FullyConnectedPerChannel do.
    """

    kind: ClassVar[str] = "FullyConnected"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        common.INT8_IO,
        common.symmetric_int8_weights(0),
        common.constant_int32_bias(2),
        common.sum_fits(lambda op, t: t[op.inputs[1]].shape[1]),
    )

    keep_dims: bool = False
    low: float = -common.INF
    high: float = common.INF

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        x, w = shapes[0], shapes[1]
        if len(w) != 2 or math.prod(x) % w[1] or (self.keep_dims and x[-1] != w[1]):
            raise ValueError(f"weights {w} do not match input {x}")
        common.require_bias_size(shapes, 2, w[0])
        return ((*x[:-1], w[0]),) if self.keep_dims else ((math.prod(x) // w[1], w[0]),)

    def multipliers(self, t: Tensors) -> tuple[Array, Array]:
        """(multiplier, shift), of length 1 or one per output."""
        x, w, y = t[self.inputs[0]], t[self.inputs[1]], t[self.outputs[0]]
        assert w.quant is not None
        if len(w.quant.scale) > 1:
            return common.channel_multipliers(x, w, y)
        product = float(np.float32(x.scale) * np.float32(w.quant.scale[0]))
        multiplier, shift = common.requantize_multiplier(product / y.scale)
        return np.array([multiplier], dtype=np.int32), np.array([shift], dtype=np.int32)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        y, w = tensors[self.outputs[0]], arrays[1]
        bias = arrays[2] if len(arrays) > 2 and arrays[2].size else np.zeros(w.shape[0], dtype=np.int32)
        rows = arrays[0].reshape(-1, w.shape[1])
        if common.is_float(tensors, self):
            return (np.clip(rows @ w.T + bias, self.low, self.high).astype(np.float32).reshape(y.shape),)
        acc = (rows.astype(np.float64) - tensors[self.inputs[0]].zero_point) @ w.T.astype(np.float64)
        total = fx.wrap_int32(acc.astype(np.int64) + bias)
        bounds = common.clamp_bounds(y, self.low, self.high)
        return (common.requantize(total, *self.multipliers(tensors), y, bounds).reshape(y.shape),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x, w, y = tensors[self.inputs[0]], tensors[self.inputs[1]], tensors[self.outputs[0]]
        assert w.data is not None
        out_n, in_n = w.shape
        multiplier, shift = self.multipliers(tensors)
        act_min, act_max = common.clamp_bounds(y, self.low, self.high)
        return (
            KernelCall(
                kernel="fully_connected_s8",
                params=(
                    ("rows", x.elements // in_n), ("in_n", in_n), ("out_n", out_n),
                    ("in_offset", -x.zero_point), ("out_offset", y.zero_point),
                    ("act_min", act_min), ("act_max", act_max),
                    ("per_channel", int(len(multiplier) > 1)),
                ),
                inputs=self.inputs[:1],
                outputs=self.outputs,
                constants=(
                    Constant("weights", w.data),
                    Constant("bias", common.integer_bias(common.optional(tensors, self, 2), out_n)),
                    Constant("multiplier", multiplier),
                    Constant("shift", shift),
                ),
                label=f"{in_n}_to_{out_n}",
            ),
        )  # fmt: skip

    def macs(self, tensors: Tensors) -> int:
        return tensors[self.outputs[0]].elements * tensors[self.inputs[1]].shape[1]
