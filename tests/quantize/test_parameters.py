"""Observers and the arithmetic from ranges to integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcugen.errors import InputError
from mcugen.ir import QuantParams
from mcugen.quantize.observers import MinMax, Percentile, observer_factory
from mcugen.quantize.parameters import (
    BIAS_MAX,
    Range,
    activation_params,
    int32_bias,
    symmetric_weights,
    to_int8,
)

FLOATS = st.floats(-1e6, 1e6, width=32)


@given(FLOATS, FLOATS)
def test_activation_params(a: float, b: float) -> None:
    low, high = min(a, b, 0.0), max(a, b, 0.0)
    quant = activation_params(Range(min(a, b), max(a, b)))
    (scale,), (zero_point,) = quant.scale, quant.zero_point
    assert -128 <= zero_point <= 127
    if high > low:
        # Both ends are reached within half a step, and the rounding of the zero point.
        assert scale * (127 - zero_point) >= high - scale
        assert scale * (-128 - zero_point) <= low + scale
    assert to_int8(np.array([0.0]), quant)[0] == zero_point


def test_relu_uses_the_whole_range() -> None:
    quant = activation_params(Range(0.0, 6.0))
    assert quant.zero_point == (-128,)
    assert quant.scale[0] == pytest.approx(6 / 255)


def test_empty_range() -> None:
    assert activation_params(Range(0.0, 0.0)) == QuantParams.per_tensor(1.0, 0)


def test_symmetric_weights() -> None:
    weights = np.array([[1.0, -2.0], [0.0, 0.0], [0.5, 0.25]], dtype=np.float32)
    data, quant, raised = symmetric_weights(weights, 0, None, 0.1)
    assert raised == 0
    assert quant.axis == 0
    assert quant.zero_point == (0, 0, 0)
    np.testing.assert_array_equal(data, [[64, -127], [0, 0], [127, 64]])


@given(st.floats(1e-9, 1.0), st.floats(1e-20, 1.0), st.floats(-1e3, 1e3))
def test_biases_fit(input_scale: float, weight: float, bias: float) -> None:
    weights, biases = np.array([[weight]], np.float32), np.array([bias], np.float32)
    _, quant, _ = symmetric_weights(weights, 0, biases, input_scale)
    steps, params = int32_bias(biases, input_scale, quant)
    assert abs(int(steps[0])) <= BIAS_MAX * 1.001
    assert abs(steps[0] * params.scale[0] - biases[0]) <= params.scale[0] + 1e-6 * abs(bias)


def test_scales_raised_for_the_bias_are_counted() -> None:
    weights, bias = np.array([[1e-12], [1.0]], np.float32), np.array([5.0, 5.0], np.float32)
    data, quant, raised = symmetric_weights(weights, 0, bias, 0.01)
    assert raised == 1
    assert data.ravel().tolist() == [0, 127]
    assert quant.scale[1] == pytest.approx(1 / 127)


def test_min_max() -> None:
    observer = MinMax()
    observer.update(np.array([1.0, -2.0]))
    observer.update(np.array([[5.0], [0.0]]))
    assert observer.range() == Range(-2.0, 5.0)


@given(
    st.integers(1, 6),
    st.integers(1, 200),
    st.sampled_from([50.1, 90.0, 99.0, 99.9, 100.0]),
    st.integers(0, 99),
)
def test_percentile_is_exact(updates: int, size: int, percent: float, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal((updates, size)).astype(np.float32)
    observer = Percentile(percent, values.size)
    for row in values:
        observer.update(row)
    ordered = np.sort(values.reshape(-1))
    cut = int(np.floor(values.size * (100 - percent) / 100))
    assert observer.range() == Range(float(ordered[cut]), float(ordered[-1 - cut]))


@pytest.mark.parametrize("text", ["", "median", "minmax:3", "percentile:", "percentile:50", "percentile:x"])
def test_unknown_observers(text: str) -> None:
    if text == "percentile:":
        assert observer_factory(text)(10).range
        return
    with pytest.raises(InputError, match="unknown observer"):
        observer_factory(text)
