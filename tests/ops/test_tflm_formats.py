"""QUANTIZE and DEQUANTIZE between all types, against TFLM, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcugen.ir import Array, DType, QuantParams
from mcugen.ops.quantize import affine_quantize
from tests.support import draws
from tests.support.compare import assert_same_as_tflm
from tests.support.tflite_builder import Operator


def _assert_converts(
    x: DType, x_quant: QuantParams | None, y: DType, y_quant: QuantParams | None, values: Array
) -> None:
    name = "DEQUANTIZE" if y is DType.FLOAT32 else "QUANTIZE"
    tensors = [
        draws.activation("x", values.shape, x_quant, x),
        draws.activation("y", values.shape, y_quant, y),
    ]
    assert_same_as_tflm(*draws.case(Operator(name, ("x",), ("y",)), tensors, [[values]]))


def _values(dtype: DType) -> Array:
    """Every value of an 8-bit type; a sixteenth of all, with both ends, of a 16-bit one."""
    low, high = dtype.bounds
    step = 1 if dtype.size == 1 else 15
    return np.append(np.arange(low, high, step), high).astype(dtype.numpy)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (DType.INT8, DType.INT8),
        (DType.INT8, DType.UINT8),
        (DType.INT8, DType.INT16),
        (DType.INT8, DType.INT32),
        (DType.UINT8, DType.INT8),
        (DType.INT16, DType.INT8),
        (DType.INT16, DType.INT32),
    ],
)
@given(st.data())
def test_requantize(x: DType, y: DType, data: st.DataObject) -> None:
    x_quant, y_zero = data.draw(draws.quants(x)), data.draw(draws.zero_points(y))
    ratio = data.draw(st.one_of(st.just(1.0), draws.scales(-6, 5), draws.scales(-20, 12)))
    y_quant = QuantParams.per_tensor(x_quant.scale[0] * ratio * x.size / min(y.size, 2), y_zero)
    _assert_converts(x, x_quant, y, y_quant, _values(x))


@pytest.mark.parametrize("y", [DType.INT8, DType.INT16])
@given(draws.scales(-12, 6), st.data())
def test_quantize_float(y: DType, scale: float, data: st.DataObject) -> None:
    """Ties, their neighbours, values far outside, infinities; NaN is undefined behaviour in TFLM."""
    quant = QuantParams.per_tensor(scale, data.draw(draws.zero_points(y)))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    ties = ((generator.integers(-300, 300, 40) + 0.5) * scale).astype(np.float32)
    spread = (generator.standard_normal(60) * scale * 100).astype(np.float32)
    near = [np.nextafter(ties, np.float32(direction)) for direction in (-np.inf, np.inf)]
    far = np.array([0.0, -0.0, 1e-40, 3e4 * scale, -3e4 * scale], dtype=np.float32)
    _assert_converts(DType.FLOAT32, None, y, quant, np.concatenate([ties, *near, spread, far]))


@pytest.mark.parametrize("x", [DType.INT8, DType.UINT8, DType.INT16])
@given(draws.scales(-20, 10), st.data())
def test_dequantize(x: DType, scale: float, data: st.DataObject) -> None:
    quant = QuantParams.per_tensor(scale, data.draw(draws.zero_points(x)))
    _assert_converts(x, quant, DType.FLOAT32, None, _values(x))


@pytest.mark.parametrize("dtype", [DType.INT8, DType.UINT8, DType.INT16])
@given(draws.scales(-12, 6), st.data())
def test_quantize_float_by_definition(dtype: DType, scale: float, data: st.DataObject) -> None:
    """Also the type that TFLM does not have, and what it leaves undefined: infinities and NaN."""
    zero_point = data.draw(draws.zero_points(dtype))
    low, high = dtype.bounds
    values = data.draw(st.lists(st.floats(width=32), min_size=1))
    found = affine_quantize(np.array(values, dtype=np.float32), scale, zero_point, dtype)
    for value, q in zip(values, found, strict=True):
        if np.isnan(value):
            assert q == low
            continue
        with np.errstate(over="ignore"):
            quotient = float(np.float32(value) / np.float32(scale))
        magnitude = min(abs(quotient), 1e6)
        rounded = int(magnitude + 0.5) if magnitude < 2**22 else int(magnitude)
        assert q == min(high, max(low, zero_point + (rounded if quotient > 0 else -rounded)))
