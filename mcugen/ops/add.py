"""Element-wise addition and subtraction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.ir import Array, Tensors
from mcugen.lowering.call import KernelCall
from mcugen.ops import common
from mcugen.ops.binary import BinaryOp

LEFT_SHIFT = 20


def _multipliers(op: AddBase, t: Tensors) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    a, b, y = t[op.inputs[0]].scale, t[op.inputs[1]].scale, t[op.outputs[0]].scale
    wide = 2.0 * max(a, b)
    m1, m2, m3 = (fx.quantize_multiplier(r) for r in (a / wide, b / wide, wide / ((1 << LEFT_SHIFT) * y)))
    return m1, m2, m3


@dataclass(frozen=True, kw_only=True)
class AddBase(BinaryOp):
    """Both inputs are brought to twice the larger scale with 20 fraction bits, combined, and requantized.

    The multipliers are computed in double (TFLM's SUB took float32 before the builds of autumn 2026).
    """

    sign: ClassVar[int]

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        if common.is_float(tensors, self):
            return (np.clip(arrays[0] + self.sign * arrays[1], self.low, self.high).astype(np.float32),)
        m1, m2, m3 = _multipliers(self, tensors)
        y = tensors[self.outputs[0]]
        scaled = [
            fx.multiply_by_quantized_multiplier(
                (x.astype(np.int64) - tensors[n].zero_point) << LEFT_SHIFT, *m
            )
            for x, n, m in zip(arrays, self.inputs, (m1, m2), strict=True)
        ]
        total = scaled[0] + self.sign * scaled[1]
        return (common.requantize(total, *m3, y, common.clamp_bounds(y, self.low, self.high)),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        (ma, sa), (mb, sb), (mo, so) = _multipliers(self, tensors)
        params = (
            ("a_multiplier", ma), ("a_shift", sa), ("b_multiplier", mb), ("b_shift", sb),
            ("out_multiplier", mo), ("out_shift", so),
        )  # fmt: skip
        return (self.lower_binary("add_s8" if self.sign > 0 else "sub_s8", tensors, params),)


@dataclass(frozen=True, kw_only=True)
class Add(AddBase):
    """``y = clamp(requantize(a * sa + b * sb))``. Source: TFLite's reference integer Add."""

    kind: ClassVar[str] = "Add"
    sign: ClassVar[int] = 1


@dataclass(frozen=True, kw_only=True)
class Sub(AddBase):
    """``y = clamp(requantize(a * sa - b * sb))``. Source: TFLite's reference integer Sub."""

    kind: ClassVar[str] = "Sub"
    sign: ClassVar[int] = -1
