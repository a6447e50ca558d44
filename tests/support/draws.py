"""What the tests of single operators draw: scales, quantized tensors, data, options."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tflite
from hypothesis import strategies as st

from mcugen.ir import Array, DType, QuantParams, Shape, Tensor
from tests.support.tflite_builder import Operator, single

ACTIVATIONS = [
    getattr(tflite.ActivationFunctionType, name) for name in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
]

# A model, and the inputs of consecutive inferences.
Case = tuple[bytes, list[list[Array]]]


def _float32(mantissa: float, exponent: int) -> float:
    return float(np.float32(mantissa * 2.0**exponent))


def scales(low: int = -9, high: int = 1) -> st.SearchStrategy[float]:
    """float32 values from 2**low to 2**(high + 1); powers of two and their neighbours often."""
    below_two = float(np.nextafter(np.float32(2), np.float32(1)))
    mantissas = st.one_of(st.sampled_from([1.0, below_two]), st.floats(1, below_two, width=32))
    return st.builds(_float32, mantissas, st.integers(low, high))


def zero_points(dtype: DType = DType.INT8) -> st.SearchStrategy[int]:
    if dtype not in (DType.INT8, DType.UINT8):
        return st.just(0)
    low, high = dtype.bounds
    return st.one_of(st.sampled_from([low, 0, high]), st.integers(low, high))


def quants(dtype: DType = DType.INT8) -> st.SearchStrategy[QuantParams]:
    return st.builds(QuantParams.per_tensor, scales(), zero_points(dtype))


def shapes(low: int = 1, high: int = 4, size: int = 5) -> st.SearchStrategy[Shape]:
    return st.lists(st.integers(1, size), min_size=low, max_size=high).map(tuple)


def activation(name: str, shape: Shape, quant: QuantParams | None, dtype: DType = DType.INT8) -> Tensor:
    return Tensor(name, dtype, shape, quant)


def constant(name: str, data: Array, quant: QuantParams | None = None) -> Tensor:
    return Tensor(name, DType(data.dtype.name), data.shape, quant, data)


def int32s(name: str, values: Sequence[int]) -> Tensor:
    return constant(name, np.array(values, dtype=np.int32))


@st.composite
def arrays(draw: st.DrawFn, shape: Shape, dtype: DType = DType.INT8) -> Array:
    """Values over the full range, or all smallest, all largest, only both, or close to zero."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype is DType.FLOAT32:
        size = draw(st.sampled_from([1.0, 1e-3, 100.0, 1e20]))
        return (generator.standard_normal(shape) * size).astype(np.float32)
    low, high = dtype.bounds
    regime = draw(st.sampled_from(["uniform", "uniform", "uniform", "extremes", "low", "high", "narrow"]))
    if regime == "narrow":
        low, high = max(low, -3), 3
    values = generator.integers(low, high, shape, endpoint=True)
    if regime == "extremes":
        values = np.where(values > (low + high) // 2, high, low)
    elif regime in ("low", "high"):
        values = np.full(shape, low if regime == "low" else high)
    return values.astype(dtype.numpy)


@st.composite
def steps(draw: st.DrawFn, tensors: Sequence[Tensor], count: int = 2) -> list[list[Array]]:
    """Inputs of ``count`` inferences."""
    return [[draw(arrays(t.shape, t.dtype)) for t in tensors] for _ in range(count)]


@st.composite
def weight_quants(draw: st.DrawFn, channels: int, axis: int) -> QuantParams:
    """Symmetric, with one scale per tensor or per channel; per channel they lie within a factor of a thousand."""
    base = draw(scales(-10, -3))
    if draw(st.booleans()):
        return QuantParams((base,), (0,))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    factors = np.exp2(-generator.uniform(0, draw(st.sampled_from([0.0, 2.0, 10.0])), channels))
    values = tuple(float(np.float32(base * f)) for f in factors)
    return QuantParams(values, (0,) * channels, axis if channels > 1 else None)


@st.composite
def output_quants(draw: st.DrawFn, step: float, fan_in: int) -> QuantParams:
    """A quantization for sums of ``fan_in`` products of two bytes whose unit is ``step``.

    Mostly such that the output is neither always saturated nor always the zero point.
    """
    spread = step * 74 * 74 * math.sqrt(fan_in) / 64
    factor = draw(st.one_of(scales(-3, 2), scales(-3, 2), st.sampled_from([2.0**-10, 2.0**10])))
    return QuantParams.per_tensor(spread * factor, draw(zero_points()))


def biases(
    x: QuantParams, weights: QuantParams, channels: int, fan_in: int
) -> st.SearchStrategy[Tensor | None]:
    """An int32 bias about as large as the sums, or None."""
    return st.one_of(present_biases(x, weights, channels, fan_in), st.none())


@st.composite
def present_biases(
    draw: st.DrawFn, x: QuantParams, weights: QuantParams, channels: int, fan_in: int
) -> Tensor:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    limit = draw(st.sampled_from([0, 100 * fan_in, 10000 * fan_in]))
    scale = tuple(float(np.float32(x.scale[0]) * np.float32(s)) for s in weights.scale)
    quant = QuantParams(scale, (0,) * len(scale), 0 if len(scale) > 1 else None)
    return constant(
        "bias", generator.integers(-limit, limit, channels, endpoint=True).astype(np.int32), quant
    )


def case(operator: Operator, tensors: Sequence[Tensor], inputs: list[list[Array]]) -> Case:
    return single(operator, tensors), inputs
