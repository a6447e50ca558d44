"""From real ranges and arrays to scales, zero points and integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcugen.ir import Array, QuantParams

INT8_MIN, INT8_MAX = -128, 127
WEIGHT_MAX = 127
# Half of int32 is left to the sum of products, so that accumulators cannot overflow either.
BIAS_MAX = 1 << 30

SOFTMAX_QUANT = QuantParams.per_tensor(1 / 256, -128)
TANH_QUANT = QuantParams.per_tensor(1 / 128, 0)


@dataclass(frozen=True)
class Range:
    """The real values that a tensor takes."""

    low: float
    high: float

    def union(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))

    @staticmethod
    def of(array: Array) -> Range:
        return Range(float(array.min()), float(array.max()))


def activation_params(range_: Range) -> QuantParams:
    """Asymmetric int8 parameters: 255 steps over the range widened to contain 0, which is exact.

    A range of zero width gets scale 1, so that the only value is exact whatever its readers do.
    """
    low, high = min(range_.low, 0.0), max(range_.high, 0.0)
    scale = float(np.float32((high - low) / (INT8_MAX - INT8_MIN)))
    if scale < float(np.finfo(np.float32).tiny):
        return QuantParams.per_tensor(1.0, 0)
    zero_point = int(np.clip(round(INT8_MIN - low / scale), INT8_MIN, INT8_MAX))
    return QuantParams.per_tensor(scale, zero_point)


def to_int8(array: Array, quant: QuantParams) -> Array:
    """Nearest int8 values, ties to even, saturated; per channel along ``quant.axis``."""
    shape = [1] * array.ndim
    if quant.axis is not None and len(quant.scale) > 1:
        shape[quant.axis] = -1
    scale = np.array(quant.scale, dtype=np.float64).reshape(shape if array.ndim else ())
    zero_point = np.array(quant.zero_point, dtype=np.float64).reshape(shape if array.ndim else ())
    return np.clip(np.rint(array.astype(np.float64) / scale) + zero_point, INT8_MIN, INT8_MAX).astype(np.int8)


def symmetric_weights(
    weights: Array, axis: int, bias: Array | None, input_scale: float
) -> tuple[Array, QuantParams, int]:
    """(int8 weights in -127 ... 127, parameters per channel of ``axis``, number of scales raised for the
    bias).

    The scale of a channel is ``max |w| / 127``, or more when its bias would else exceed BIAS_MAX steps of
    ``input_scale * weight_scale``.
    """
    others = tuple(i for i in range(weights.ndim) if i != axis)
    scale = np.abs(weights.astype(np.float64)).max(axis=others) / WEIGHT_MAX
    needed = np.zeros_like(scale)
    if bias is not None:
        needed = np.abs(bias.astype(np.float64)) / (input_scale * BIAS_MAX)
    raised = int(np.count_nonzero((needed > scale) & (scale > 0)))
    scale = np.maximum(scale, needed)
    tiny = float(np.finfo(np.float32).tiny)
    scale = np.where(scale < tiny, 1.0, scale).astype(np.float32)
    quant = QuantParams(tuple(float(s) for s in scale), (0,) * scale.size, axis)
    return np.maximum(to_int8(weights, quant), -WEIGHT_MAX).astype(np.int8), quant, raised


def int32_bias(bias: Array, input_scale: float, weights: QuantParams) -> tuple[Array, QuantParams]:
    """(the bias in steps of input_scale * weight_scale, its parameters), saturated to int32."""
    scales = np.float64(input_scale) * np.array(weights.scale, dtype=np.float64)
    limits = np.iinfo(np.int32)
    steps = np.clip(np.rint(bias.astype(np.float64) / scales), limits.min, limits.max).astype(np.int32)
    axis = 0 if scales.size > 1 else None
    return steps, QuantParams(tuple(float(np.float32(s)) for s in scales), (0,) * scales.size, axis)
