"""Softmax over the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.ir import Array, Constraint, Op, Shape, Tensors
from mcugen.lowering.call import Constant, KernelCall
from mcugen.ops import common

DIFF_INTEGER_BITS = 5
ACCUMULATOR_INTEGER_BITS = 12


@dataclass(frozen=True, kw_only=True)
class Softmax(Op):
    """``y = exp(beta * (x - max)) / sum of exp`` over the last axis; the output scale is 1/256, zero point -128.

    Exponentials are gemmlowp's fixed-point ones: there are only 256 different x - max, so they stand in a table
    (Q0.31, entry -d for the difference d, 0 below the range where exp vanishes); the sum has 12 integer bits,
    and its reciprocal takes three Newton-Raphson steps. Source: TFLite's reference int8 Softmax.
    """

    kind: ClassVar[str] = "Softmax"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        common.INT8_IO,
        Constraint(
            "the output has scale 1/256 and zero point -128",
            lambda op, t: t[op.outputs[0]].scale == 1 / 256 and t[op.outputs[0]].zero_point == -128,
        ),
    )

    beta: float = 1.0

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        return (shapes[0],)

    def exp_table(self, t: Tensors) -> Array:
        """int32[256]: exp(-d * beta * scale) in Q0.31 for d = 0 ... 255."""
        scale = t[self.inputs[0]].scale
        real = min(self.beta * scale * (1 << (31 - DIFF_INTEGER_BITS)), 2.0**31 - 1)
        multiplier, shift = fx.quantize_multiplier(real)
        diff = -np.arange(256, dtype=np.int64)
        rescaled = fx.saturating_rounding_doubling_high_mul(fx.wrap_int32(diff << max(shift, 0)), multiplier)
        exps = fx.exp_on_negative_values(rescaled, DIFF_INTEGER_BITS)
        return np.where(-diff <= fx.input_radius(DIFF_INTEGER_BITS, shift), exps, 0).astype(np.int32)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        x = arrays[0]
        if common.is_float(tensors, self):
            e = np.exp(self.beta * (x - x.max(axis=-1, keepdims=True)))
            return ((e / e.sum(axis=-1, keepdims=True)).astype(np.float32),)
        rows = x.reshape(-1, x.shape[-1]).astype(np.int64)
        exps = self.exp_table(tensors).astype(np.int64)[rows.max(axis=1, keepdims=True) - rows]
        sums = fx.rounding_divide_by_pot(exps, ACCUMULATOR_INTEGER_BITS).sum(axis=1)
        out = np.empty_like(rows)
        for i, total in enumerate(sums):
            scale, bits_over_unit = fx.reciprocal(int(total), ACCUMULATOR_INTEGER_BITS)
            product = fx.saturating_rounding_doubling_high_mul(exps[i], scale)
            out[i] = fx.rounding_divide_by_pot(product, bits_over_unit + 31 - 8) - 128
        return (np.clip(out, -128, 127).astype(np.int8).reshape(x.shape),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x = tensors[self.inputs[0]]
        depth = x.shape[-1]
        return (
            KernelCall(
                kernel="softmax_s8",
                params=(("rows", x.elements // depth), ("depth", depth)),
                inputs=self.inputs,
                outputs=self.outputs,
                constants=(Constant("exp_table", self.exp_table(tensors)),),
                label=common.dims_label(x.shape[1:]),
            ),
        )
