"""Element-wise multiplication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.ir import Array, Tensors
from mcugen.lowering.call import KernelCall
from mcugen.ops import common
from mcugen.ops.binary import BinaryOp


@dataclass(frozen=True, kw_only=True)
class Mul(BinaryOp):
    """``y = clamp(requantize((a - za) * (b - zb)))`` with scale sa * sb / sy. Source: TFLite's reference Mul."""

    kind: ClassVar[str] = "Mul"

    def multiplier(self, t: Tensors) -> tuple[int, int]:
        return common.requantize_multiplier(
            t[self.inputs[0]].scale * t[self.inputs[1]].scale / t[self.outputs[0]].scale
        )

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        a, b = arrays
        if common.is_float(tensors, self):
            return (np.clip(a * b, self.low, self.high).astype(np.float32),)
        y = tensors[self.outputs[0]]
        za, zb = (tensors[n].zero_point for n in self.inputs)
        product = (a.astype(np.int64) - za) * (b.astype(np.int64) - zb)
        bounds = common.clamp_bounds(y, self.low, self.high)
        return (common.requantize(product, *self.multiplier(tensors), y, bounds),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        multiplier, shift = self.multiplier(tensors)
        return (self.lower_binary("mul_s8", tensors, (("out_multiplier", multiplier), ("out_shift", shift))),)
