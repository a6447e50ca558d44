"""Softmax over the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.ir import Array, Constraint, DType, Op, Shape, Tensors
from mcugen.lowering.call import Constant, KernelCall
from mcugen.ops import common

DIFF_INTEGER_BITS = 5
ACCUMULATOR_INTEGER_BITS = 12
MAX_DEPTH = (1 << ACCUMULATOR_INTEGER_BITS) - 1

_OUTPUT_SCALE = {DType.INT8: 1 / 256, DType.INT16: 1 / 65536}


def _formats_ok(op: Op, t: Tensors) -> bool:
    x, y = t[op.inputs[0]], t[op.outputs[0]]
    if x.dtype is not DType.INT8 or y.dtype not in _OUTPUT_SCALE or None in (x.quant, y.quant):
        return False
    near = abs(y.scale / _OUTPUT_SCALE[y.dtype] - 1) <= (0 if y.dtype is DType.INT8 else 1e-3)
    return near and y.zero_point == y.dtype.bounds[0]


@dataclass(frozen=True, kw_only=True)
class Softmax(Op):
    """``y = exp(beta * (x - max)) / sum of exp`` over the last axis; an int8 output has scale 1/256 and zero point
    -128, an int16 output (near) 1/65536 and -32768.

    Exponentials are gemmlowp's fixed-point ones: there are only 256 different x - max, so they stand in a table
    (Q0.31, entry -d for the difference d, 0 below the range where exp vanishes); the sum has 12 integer bits,
    and its reciprocal takes three Newton-Raphson steps. Source: TFLite's reference int8 Softmax.
    """

    kind: ClassVar[str] = "Softmax"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        Constraint(
            "the input is int8 with one scale; the output is int8 with scale 1/256 and zero point -128, "
            "or int16 with scale 1/65536 and zero point -32768",
            _formats_ok,
        ),
        Constraint(
            f"a row has at most {MAX_DEPTH} elements, so that the sum fits its {ACCUMULATOR_INTEGER_BITS} integer bits",
            lambda op, t: t[op.inputs[0]].shape[-1] <= MAX_DEPTH,
        ),
    )

    beta: float = 1.0

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        return (shapes[0],)

    def input_multiplier(self, t: Tensors) -> tuple[int, int]:
        """(multiplier, shift) from differences of the input to Q5.26."""
        scale = t[self.inputs[0]].scale
        return fx.quantize_multiplier(min(self.beta * scale * (1 << (31 - DIFF_INTEGER_BITS)), 2.0**31 - 1))

    def exp_table(self, t: Tensors) -> Array:
        """int32[256]: exp(-d * beta * scale) in Q0.31 for d = 0 ... 255."""
        multiplier, shift = self.input_multiplier(t)
        diff = -np.arange(256, dtype=np.int64)
        rescaled = fx.saturating_rounding_doubling_high_mul(fx.wrap_int32(diff << max(shift, 0)), multiplier)
        exps = fx.exp_on_negative_values(rescaled, DIFF_INTEGER_BITS)
        return np.where(-diff <= fx.input_radius(DIFF_INTEGER_BITS, shift), exps, 0).astype(np.int32)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        x = arrays[0]
        if common.is_float(tensors, self):
            e = np.exp(self.beta * (x - x.max(axis=-1, keepdims=True)))
            return ((e / e.sum(axis=-1, keepdims=True)).astype(np.float32),)
        y = tensors[self.outputs[0]].dtype
        rows = x.reshape(-1, x.shape[-1]).astype(np.int64)
        exps = self.exp_table(tensors).astype(np.int64)[rows.max(axis=1, keepdims=True) - rows]
        sums = fx.rounding_divide_by_pot(exps, ACCUMULATOR_INTEGER_BITS).sum(axis=1)
        out = np.empty_like(rows)
        for i, total in enumerate(sums):
            scale, bits_over_unit = fx.reciprocal(int(total), ACCUMULATOR_INTEGER_BITS)
            product = fx.saturating_rounding_doubling_high_mul(exps[i], scale)
            out[i] = fx.rounding_divide_by_pot(product, bits_over_unit + 31 - 8 * y.size) + y.bounds[0]
        return (np.clip(out, *y.bounds).astype(y.numpy).reshape(x.shape),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x = tensors[self.inputs[0]]
        depth = x.shape[-1]
        multiplier, shift = self.input_multiplier(tensors)
        # No difference is below -255, and the radius of a tiny scale does not fit 32 bits.
        diff_min = -min(fx.input_radius(DIFF_INTEGER_BITS, shift), 256)
        return (
            KernelCall(
                kernel="softmax_s8" if tensors[self.outputs[0]].dtype is DType.INT8 else "softmax_s8_s16",
                params=(
                    ("rows", x.elements // depth), ("depth", depth),
                    ("in_multiplier", multiplier), ("in_shift", shift), ("diff_min", diff_min),
                ),
                inputs=self.inputs,
                outputs=self.outputs,
                constants=(Constant("exp_table", self.exp_table(tensors)),),
                label=common.dims_label(x.shape[1:]),
            ),
        )  # fmt: skip
