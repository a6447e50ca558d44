"""Random parts of kernel cases: sizes, quantizations, data, with the extremes drawn often."""

from __future__ import annotations

from random import Random

import numpy as np

from mcugen.ir import Array, DType, QuantParams, Shape, Tensor

CHANNELS = (1, 2, 3, 4, 4, 5, 7, 8, 8, 9, 12, 15, 16, 16, 17, 20, 24, 31, 32, 33, 40)
MANY_CHANNELS = (48, 64, 65, 96, 128)
INT32_MAX = 2**31 - 1


def chance(r: Random, probability: float) -> bool:
    return r.random() < probability


def channels(r: Random) -> int:
    return r.choice(MANY_CHANNELS if chance(r, 0.1) else CHANNELS)


def rank_n_shape(r: Random, *, low: int = 1, high: int = 5, size: int = 7) -> Shape:
    return tuple(r.randint(1, size) for _ in range(r.randint(low, high)))


def numpy_generator(r: Random) -> np.random.Generator:
    return np.random.default_rng(r.getrandbits(32))


def zero_point(r: Random, dtype: DType = DType.INT8) -> int:
    low, high = dtype.bounds
    return r.choice((low, high, 0, r.randint(low, high)))


def scale(r: Random) -> float:
    return float(10 ** r.uniform(-3, 0.5))


def quant(r: Random, dtype: DType = DType.INT8) -> QuantParams:
    return QuantParams.per_tensor(scale(r), zero_point(r, dtype))


def quantized(name: str, shape: Shape, q: QuantParams | None, dtype: DType = DType.INT8) -> Tensor:
    return Tensor(name, dtype, shape, q)


def integers(r: Random, shape: Shape, dtype: DType, favourite: int = 0) -> Array:
    """Values of any regime: uniform, all smallest, all largest, only both, narrow around ``favourite``."""
    low, high = dtype.bounds
    g = numpy_generator(r)
    regime = r.choice(("uniform",) * 6 + ("low", "high", "extremes", "narrow"))
    if regime == "uniform":
        values = g.integers(low, high, shape, endpoint=True)
    elif regime == "extremes":
        values = np.where(g.integers(0, 2, shape) == 0, low, high)
    elif regime == "narrow":
        values = np.clip(favourite + g.integers(-3, 4, shape), low, high)
    else:
        values = np.full(shape, low if regime == "low" else high)
    return values.astype(dtype.numpy)


def real_multiplier(r: Random, fan_in: int) -> float:
    """input_scale * weight_scale / output_scale: mostly such that outputs spread over int8, or an extreme."""
    regime = r.choice(
        ("usual",) * 8 + ("any shift",) * 3 + ("full mantissa", "power of two", "large", "vanishing")
    )
    if regime == "usual":
        return float(2 ** r.uniform(-2, 2) * 64 / (5400 * fan_in**0.5))
    if regime == "any shift":
        return float(2 ** r.uniform(-30, 0))
    if regime == "full mantissa":  # the multiplier is nearly 2**31
        return float((1 - 2.0**-23) * 2.0 ** r.randint(-12, 0))
    if regime == "power of two":
        return float(2.0 ** r.randint(-30, 0))
    return float(2 ** r.uniform(0, 3)) if regime == "large" else 2.0**-40


def activation(r: Random, output: QuantParams) -> tuple[float, float]:
    """Bounds of a fused activation: none, Relu, Relu6, or a range that the output can show."""
    kind = r.choice(("none", "none", "relu", "relu6", "range"))
    if kind == "none":
        return -float("inf"), float("inf")
    if kind != "range":
        return 0.0, float("inf") if kind == "relu" else 6.0
    low, high = sorted((r.randint(-128, 127), r.randint(-128, 127)))
    s, z = output.scale[0], output.zero_point[0]
    return s * (low - z), s * (high - z)


def biases(r: Random, multipliers: list[float], fan_in: int) -> Array | None:
    """int32 biases for which no accumulator wraps, not even after a left shift, or None."""
    g = numpy_generator(r)
    largest_sum = fan_in * 255 * 128
    limit = INT32_MAX // (2 if max(multipliers) < 1 else 64) - largest_sum
    if max(multipliers) < 0.5:
        limit = INT32_MAX - largest_sum
    regime = r.choice(("none", "usual", "usual", "usual", "limits", "anything"))
    if regime == "none" or limit <= 0:
        return None
    if regime == "usual":
        values = np.clip(g.normal(0, 40, len(multipliers)) / np.array(multipliers), -limit, limit)
    elif regime == "limits":
        values = limit * np.where(g.integers(0, 2, len(multipliers)) == 0, -1, 1)
    else:
        values = g.integers(-limit, limit, len(multipliers), endpoint=True)
    return np.asarray(values).astype(np.int32)


def weight_array(r: Random, shape: Shape) -> Array:
    return integers(r, shape, DType.INT8)


def floats(r: Random, shape: Shape, q: QuantParams, dtype: DType) -> Array:
    """float32 values around a quantized range: ties, saturation, infinities, NaN and denormals among them."""
    g = numpy_generator(r)
    low, high = dtype.bounds
    steps = g.uniform(1.2 * low, 1.2 * high, shape)
    ties = np.round(steps) + 0.5
    steps = np.where(g.random(shape) < 0.4, ties, steps) - q.zero_point[0]
    values = (steps * q.scale[0]).astype(np.float32)
    odd = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, -0.0, 0.0], dtype=np.float32)
    return np.where(g.random(shape) < 0.05, g.choice(odd, shape), values).astype(np.float32)
