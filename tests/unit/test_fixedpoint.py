"""Fixed-point arithmetic against exact models on Python's integers and fractions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcugen import fixedpoint as fx

INT32 = st.one_of(
    st.integers(fx.INT32_MIN, fx.INT32_MAX),
    st.integers(-300, 300),
    st.sampled_from([fx.INT32_MIN, fx.INT32_MIN + 1, fx.INT32_MAX, fx.INT32_MAX - 1, 2**30, -(2**30)]),
)
MULTIPLIERS = st.integers(2**30, fx.INT32_MAX)


def _one(function: Callable[..., fx.Int64Array], *arguments: int) -> int:
    first, *rest = arguments
    return int(function(np.array([first], dtype=np.int64), *rest)[0])


def _half_away(value: Fraction) -> int:
    return int(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)


def _high_mul(a: int, b: int) -> int:
    """The definition: (2ab + 2**31 with ab's sign) / 2**32 towards zero; only INT32_MIN squared overflows."""
    if a == b == fx.INT32_MIN:
        return fx.INT32_MAX
    nudged = a * b + (2**30 if a * b >= 0 else 1 - 2**30)
    return abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)


@given(INT32, INT32)
def test_high_mul(a: int, b: int) -> None:
    assert _one(fx.saturating_rounding_doubling_high_mul, a, b) == _high_mul(a, b)
    both = fx.saturating_rounding_doubling_high_mul(np.array([a]), np.array([b]))
    assert both.dtype == np.int64 and int(both[0]) == _high_mul(a, b)


@given(INT32, st.integers(0, 31))
def test_rounding_divide_by_power_of_two(x: int, exponent: int) -> None:
    assert _one(fx.rounding_divide_by_pot, x, exponent) == _half_away(Fraction(x, 2**exponent))


@given(INT32, MULTIPLIERS, st.integers(-31, 30))
def test_multiply_by_quantized_multiplier(x: int, multiplier: int, shift: int) -> None:
    wrapped = ((x << max(shift, 0)) + 2**31) % 2**32 - 2**31
    expected = _half_away(Fraction(_high_mul(wrapped, multiplier), 2 ** max(-shift, 0)))
    assert _one(fx.multiply_by_quantized_multiplier, x, multiplier, shift) == expected


@given(st.lists(st.tuples(INT32, MULTIPLIERS, st.integers(-31, 30)), min_size=1, max_size=5))
def test_multiplying_arrays_is_element_wise(rows: list[tuple[int, int, int]]) -> None:
    x, multiplier, shift = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    found = fx.multiply_by_quantized_multiplier(x, multiplier, shift)
    assert found.tolist() == [_one(fx.multiply_by_quantized_multiplier, *row) for row in rows]


@given(st.floats(2.0**-31, 2.0**31))
def test_quantize_multiplier_is_the_nearest(real: float) -> None:
    multiplier, shift = fx.quantize_multiplier(real)
    assert 2**30 <= multiplier <= fx.INT32_MAX
    unit = Fraction(2) ** (shift - 31)
    assert abs(multiplier * unit - Fraction(real)) <= unit / 2


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (1 - 2.0**-40, (2**30, 1)),  # the mantissa rounds up to a power of two
        (2.0**-32, (2**30, -31)),
        (2.0**-33, (0, 0)),
    ],
)
def test_quantize_multiplier_at_the_edges(real: float, expected: tuple[int, int]) -> None:
    assert fx.quantize_multiplier(real) == expected


@given(st.floats(-1e6, 1e6))
def test_round_half_away(value: float) -> None:
    assert abs(fx.round_half_away(value) - value) <= 0.5
    for k in (0.5, 1.5, 2.5):
        assert fx.round_half_away(k) == int(k + 0.5) and fx.round_half_away(-k) == -int(k + 0.5)


@given(st.integers(-(2**62), 2**62))
def test_wrap(x: int) -> None:
    wrapped = _one(fx.wrap_int32, x)
    assert fx.INT32_MIN <= wrapped <= fx.INT32_MAX and (wrapped - x) % 2**32 == 0


@given(INT32, st.integers(0, 31), st.sampled_from([16, 32]))
def test_saturating_left_shift(x: int, bits: int, width: int) -> None:
    limit = 2 ** (width - 1)
    found = int(fx.saturating_left_shift(np.array([x], dtype=np.int64), bits, width)[0])
    assert found == max(-limit, min(limit - 1, x * 2**bits))


@given(st.integers(fx.INT32_MIN, 0), st.integers(0, 5))
def test_exp(a: int, integer_bits: int) -> None:
    expected = math.exp(a / 2.0 ** (31 - integer_bits))
    found = _one(fx.exp_on_negative_values, a, integer_bits) / 2.0**31
    assert abs(found - expected) < 4e-7


@given(st.integers(0, fx.INT32_MAX))
def test_one_over_one_plus_x(a: int) -> None:
    found = _one(fx.one_over_one_plus_x, a) / 2.0**31
    assert abs(found - 1 / (1 + a / 2.0**31)) < 1e-8


@given(INT32, st.integers(0, 5))
def test_logistic_and_tanh(a: int, integer_bits: int) -> None:
    x = a / 2.0 ** (31 - integer_bits)
    if a == fx.INT32_MIN:
        return  # its absolute value does not fit; callers clamp before
    assert abs(_one(fx.logistic, a, integer_bits) / 2.0**31 - 1 / (1 + math.exp(-x))) < 4e-7
    assert abs(_one(fx.tanh, a, integer_bits) / 2.0**31 - math.tanh(x)) < 4e-7


@given(st.integers(2**12, fx.INT32_MAX), st.sampled_from([5, 12]))
def test_reciprocal(x: int, integer_digits: int) -> None:
    scale, bits_over_unit = fx.reciprocal(x, integer_digits)
    real = x / 2.0 ** (31 - integer_digits)
    assert scale / 2.0**31 / 2.0**bits_over_unit == pytest.approx(1 / real, rel=1e-8)


@given(st.integers(0, 8), st.integers(-10, 30))
def test_input_radius_is_the_largest_that_fits(integer_bits: int, left_shift: int) -> None:
    limit = Fraction((2**integer_bits - 1) * 2 ** (31 - integer_bits))
    radius = fx.input_radius(integer_bits, left_shift)
    assert radius * Fraction(2) ** left_shift <= limit < (radius + 1) * Fraction(2) ** left_shift
