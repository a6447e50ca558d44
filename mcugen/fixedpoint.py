"""Integer arithmetic of quantized inference, bit for bit as the C kernels do it.

Conventions follow gemmlowp and TensorFlow Lite's reference kernels: a real multiplier is a pair
``(multiplier, shift)`` that stands for ``multiplier * 2**(shift - 31)`` with ``2**30 <= multiplier < 2**31``.
All functions on arrays take and return int64 arrays that hold int32 values, so that products never overflow.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Int64Array: TypeAlias = NDArray[np.int64]

INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)


def round_half_away(value: float) -> int:
    """The nearest integer, ties away from zero (C's ``round``)."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """The pair (multiplier, shift) nearest to ``real``; values below about 2**-32 become (0, 0)."""
    if real == 0.0:
        return 0, 0
    mantissa, shift = math.frexp(real)
    multiplier = round_half_away(mantissa * 2**31)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def wrap_int32(x: Int64Array) -> Int64Array:
    """Two's complement wrap to 32 bits."""
    return ((x + 2**31) & 0xFFFFFFFF) - 2**31


def saturating_rounding_doubling_high_mul(a: Int64Array, b: Int64Array | int) -> Int64Array:
    """High half of ``2 * a * b``, rounded to nearest with ties up, saturated at INT32_MAX (ARM's SQRDMULH)."""
    product = a * np.int64(b) if isinstance(b, int) else a * b
    # The C form, (ab + nudge) / 2**31 with truncation and a nudge of 2**30 or 1 - 2**30, is this one shift.
    high: Int64Array = np.minimum((product + 2**30) >> 31, INT32_MAX)
    return high


def rounding_divide_by_pot(x: Int64Array, exponent: Int64Array | int) -> Int64Array:
    """``x / 2**exponent``, rounded to nearest, ties away from zero."""
    exponent = np.asarray(exponent, dtype=np.int64)
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    rounded: Int64Array = (x >> exponent) + ((x & mask) > threshold)
    return rounded


def multiply_by_quantized_multiplier(
    x: Int64Array, multiplier: Int64Array | int, shift: Int64Array | int
) -> Int64Array:
    """``x * multiplier * 2**(shift - 31)`` with the double rounding of TFLite's reference kernels.

    ``multiplier`` and ``shift`` broadcast against ``x``; the left shift wraps at 32 bits as the C code does.
    """
    shift = np.asarray(shift, dtype=np.int64)
    multiplier = np.asarray(multiplier, dtype=np.int64)
    shifted = wrap_int32(x << np.maximum(shift, 0))
    return rounding_divide_by_pot(
        saturating_rounding_doubling_high_mul(shifted, multiplier), np.maximum(-shift, 0)
    )


def saturating_left_shift(x: Int64Array, bits: int, width: int = 32) -> Int64Array:
    """``x << bits``, saturated to ``width`` bits."""
    limit = 1 << (width - 1)
    shifted: Int64Array = np.clip(x << bits, -limit, limit - 1)
    return shifted


_EXP_BARREL = (  # (exponent, exp(-2**exponent) in Q0.31)
    (-2, 1672461947),
    (-1, 1302514674),
    (0, 790015084),
    (1, 290630308),
    (2, 39332535),
    (3, 720401),
    (4, 242),
)


def _exp_on_quarter_interval(a: Int64Array) -> Int64Array:
    """exp(a) for a in [-1/4, 0), Q0.31: a degree-4 Taylor polynomial around -1/8."""
    constant_term, one_third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = saturating_rounding_doubling_high_mul(x, x)
    x3 = saturating_rounding_doubling_high_mul(x2, x)
    x4 = saturating_rounding_doubling_high_mul(x2, x2)
    x4_over_4 = rounding_divide_by_pot(x4, 2)
    tail = rounding_divide_by_pot(saturating_rounding_doubling_high_mul(x4_over_4 + x3, one_third) + x2, 1)
    return np.minimum(
        constant_term + saturating_rounding_doubling_high_mul(x + tail, constant_term), INT32_MAX
    )


def exp_on_negative_values(a: Int64Array, integer_bits: int) -> Int64Array:
    """exp(a) in Q0.31 for a <= 0 given in Q(integer_bits).(31 - integer_bits); gemmlowp's algorithm."""
    fraction_bits = 31 - integer_bits
    quarter = np.int64(1 << (fraction_bits - 2))
    a_mod_quarter = (a & (quarter - 1)) - quarter
    result = _exp_on_quarter_interval(saturating_left_shift(a_mod_quarter, integer_bits))
    remainder = a_mod_quarter - a
    for exponent, factor in _EXP_BARREL:
        if integer_bits > exponent:
            bit = np.int64(1 << (fraction_bits + exponent))
            scaled = saturating_rounding_doubling_high_mul(result, factor)
            result = np.where((remainder & bit) != 0, scaled, result)
    return np.where(a == 0, INT32_MAX, result)


def _half_denominator_reciprocal(a: Int64Array) -> Int64Array:
    """1 / ((1 + a) / 2) in Q2.29 for a in [0, 1) given in Q0.31: three Newton-Raphson steps."""
    half_denominator = (a + INT32_MAX + 1) >> 1
    x = 1515870810 + saturating_rounding_doubling_high_mul(half_denominator, -1010580540)
    for _ in range(3):
        error = (1 << 29) - saturating_rounding_doubling_high_mul(half_denominator, x)
        x = x + saturating_left_shift(saturating_rounding_doubling_high_mul(x, error), 2)
    return x


def one_over_one_plus_x(a: Int64Array) -> Int64Array:
    """1 / (1 + a) in Q0.31 for a in [0, 1) in Q0.31."""
    return saturating_left_shift(_half_denominator_reciprocal(a), 1)


def logistic(a: Int64Array, integer_bits: int) -> Int64Array:
    """1 / (1 + exp(-a)) in Q0.31."""
    positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(a), integer_bits))
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, INT32_MAX - positive))


def tanh(a: Int64Array, integer_bits: int) -> Int64Array:
    """tanh(a) in Q0.31: (1 - e) / (1 + e) with e = exp(-2 |a|)."""
    e = exp_on_negative_values(-np.abs(a), integer_bits + 1)
    magnitude = saturating_left_shift(_half_denominator_reciprocal(e) - (1 << 29), 2)
    return np.where(a == 0, 0, np.where(a < 0, -magnitude, magnitude))


def reciprocal(x: int, integer_digits: int) -> tuple[int, int]:
    """(1/x in Q0.31, bits over unit) for x > 0 in Q(integer_digits).(31 - integer_digits)."""
    headroom_plus_one = 32 - int(x).bit_length()
    fraction = (int(x) << headroom_plus_one) - 2**31
    return int(
        one_over_one_plus_x(np.array([fraction], dtype=np.int64))[0]
    ), integer_digits - headroom_plus_one


def input_radius(integer_bits: int, left_shift: int, total_signed_bits: int = 31) -> int:
    """The largest magnitude whose rescaled value still fits Q(integer_bits) (TFLite's CalculateInputRadius)."""
    limit = ((1 << integer_bits) - 1) * (1 << (total_signed_bits - integer_bits))
    return math.floor(limit / 2.0**left_shift)
