"""Element-wise activations: Clip (Relu, Relu6 ...), LeakyRelu, Logistic, Tanh, HardSwish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.ir import Array, Constraint, Tensors
from mcugen.ops import common
from mcugen.ops.unary import UnaryOp

SIGMOID_INTEGER_BITS = 4


@dataclass(frozen=True, kw_only=True)
class Clip(UnaryOp):
    """``y = clamp(requantize(x - zx), low, high)``; Relu is Clip to [0, inf), Relu6 to [0, 6].

    Source: TFLite's reference ReluQuantized.
    """

    kind: ClassVar[str] = "Clip"

    low: float = 0.0
    high: float = common.INF

    def real(self, x: Array) -> Array:
        return np.clip(x, self.low, self.high)

    def quantized(self, tensors: Tensors, x: fx.Int64Array) -> fx.Int64Array:
        source, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        real = float(np.float32(source.scale) / np.float32(y.scale))
        scaled = fx.multiply_by_quantized_multiplier(x - source.zero_point, *fx.quantize_multiplier(real))
        return np.clip(scaled + y.zero_point, *common.clamp_bounds(y, self.low, self.high))


@dataclass(frozen=True, kw_only=True)
class LeakyRelu(UnaryOp):
    """``y = x if x > 0 else alpha * x``, each side requantized. Source: TFLite's reference QuantizeLeakyRelu."""

    kind: ClassVar[str] = "LeakyRelu"

    alpha: float

    def real(self, x: Array) -> Array:
        return np.where(x > 0, x, np.float32(self.alpha) * x)

    def quantized(self, tensors: Tensors, x: fx.Int64Array) -> fx.Int64Array:
        source, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        sx, sy, alpha = np.float32(source.scale), np.float32(y.scale), np.float32(self.alpha)
        identity = fx.quantize_multiplier(float(sx / sy))
        multiplier, shift = fx.quantize_multiplier(float(sx * alpha / sy))
        centred = x - source.zero_point
        negative = fx.multiply_by_quantized_multiplier(centred, abs(multiplier), shift)
        positive = fx.multiply_by_quantized_multiplier(centred, *identity)
        return np.where(centred >= 0, positive, negative if multiplier >= 0 else -negative) + y.zero_point


@dataclass(frozen=True, kw_only=True)
class SaturatingSigmoid(UnaryOp):
    """Logistic and Tanh: gemmlowp's fixed-point function on Q4.27, saturated outside the radius of Q4."""

    output_bits: ClassVar[int]

    def fixed(self, q4: fx.Int64Array) -> fx.Int64Array:
        """The function on Q4.27 input, in Q0.31."""
        raise NotImplementedError

    def quantized(self, tensors: Tensors, x: fx.Int64Array) -> fx.Int64Array:
        source = tensors[self.inputs[0]]
        multiplier, shift = fx.quantize_multiplier(source.scale * (1 << (31 - SIGMOID_INTEGER_BITS)))
        radius = fx.input_radius(SIGMOID_INTEGER_BITS, shift)
        centred = x - source.zero_point
        inside = np.clip(centred, -radius, radius)
        q4 = fx.multiply_by_quantized_multiplier(inside, multiplier, shift)
        value = fx.rounding_divide_by_pot(self.fixed(q4), 31 - self.output_bits)
        value = value + tensors[self.outputs[0]].zero_point
        return np.where(centred <= -radius, -128, np.where(centred >= radius, 127, value))


@dataclass(frozen=True, kw_only=True)
class Logistic(SaturatingSigmoid):
    """``y = 1 / (1 + exp(-x))``; the output scale is 1/256, zero point -128. Source: TFLite's reference Logistic."""

    kind: ClassVar[str] = "Logistic"
    output_bits: ClassVar[int] = 8
    constraints: ClassVar[tuple[Constraint, ...]] = (
        common.INT8_IO,
        Constraint(
            "the output has scale 1/256 and zero point -128",
            lambda op, t: t[op.outputs[0]].scale == 1 / 256 and t[op.outputs[0]].zero_point == -128,
        ),
    )

    def real(self, x: Array) -> Array:
        return 1 / (1 + np.exp(-x))

    def fixed(self, q4: fx.Int64Array) -> fx.Int64Array:
        return fx.logistic(q4, SIGMOID_INTEGER_BITS)


@dataclass(frozen=True, kw_only=True)
class Tanh(SaturatingSigmoid):
    """``y = tanh(x)``; the output scale is 1/128, zero point 0. Source: TFLite's reference int8 Tanh."""

    kind: ClassVar[str] = "Tanh"
    output_bits: ClassVar[int] = 7
    constraints: ClassVar[tuple[Constraint, ...]] = (
        common.INT8_IO,
        Constraint(
            "the output has scale 1/128 and zero point 0",
            lambda op, t: t[op.outputs[0]].scale == 1 / 128 and t[op.outputs[0]].zero_point == 0,
        ),
    )

    def real(self, x: Array) -> Array:
        return np.tanh(x)

    def fixed(self, q4: fx.Int64Array) -> fx.Int64Array:
        return fx.tanh(q4, SIGMOID_INTEGER_BITS)


def _int16_multiplier(real: np.float32) -> tuple[int, int]:
    """(16-bit multiplier, exponent) of a real multiplier."""
    multiplier, exponent = fx.quantize_multiplier(float(real))
    return min((multiplier + (1 << 15)) >> 16, 32767), exponent


def _high_mul_16(a: fx.Int64Array, b: int) -> fx.Int64Array:
    """16-bit saturating rounding doubling high multiply."""
    high: fx.Int64Array = np.minimum((a * b + (1 << 14)) >> 15, 32767)
    return high


@dataclass(frozen=True, kw_only=True)
class HardSwish(UnaryOp):
    """``y = x * clamp(x + 3, 0, 6) / 6`` in 16-bit fixed point. Source: TFLite's reference quantized HardSwish."""

    kind: ClassVar[str] = "HardSwish"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        common.INT8_IO,
        Constraint(
            "input scale / 128 is at most the output scale",
            lambda op, t: op.multipliers(t)[0][1] <= 0,
        ),
    )

    def real(self, x: Array) -> Array:
        value: Array = x * np.clip(x + 3, 0, 6) / 6
        return value

    def multipliers(self, t: Tensors) -> tuple[tuple[int, int], tuple[int, int]]:
        """The output's and the gate's (16-bit multiplier, exponent)."""
        hires = np.float32(1 / 128) * np.float32(t[self.inputs[0]].scale)
        gate_scale = np.float32(3) / np.float32(32768)
        return _int16_multiplier(hires / np.float32(t[self.outputs[0]].scale)), _int16_multiplier(
            hires / gate_scale
        )

    def quantized(self, tensors: Tensors, x: fx.Int64Array) -> fx.Int64Array:
        (out_mul, out_exp), (gate_mul, gate_exp) = self.multipliers(tensors)
        hires = (x - tensors[self.inputs[0]].zero_point) << 7
        on_output_scale = _high_mul_16(hires, out_mul)
        gate = hires
        if gate_exp > 0:
            gate = fx.saturating_left_shift(gate, gate_exp - 1, 16)
        gate = _high_mul_16(gate, gate_mul)
        if gate_exp > 0:
            gate = fx.saturating_left_shift(gate, 1, 16)
        elif gate_exp < 0:
            gate = fx.rounding_divide_by_pot(gate, -gate_exp)
        gate = (gate + (1 << 15)) >> 1
        product = gate * on_output_scale
        truncated = np.sign(product) * (np.abs(product) >> 15)
        return fx.rounding_divide_by_pot(truncated, -out_exp) + tensors[self.outputs[0]].zero_point
