/*
 * Integer arithmetic of quantized inference; mcugen/fixedpoint.py is its twin in Python.
 *
 * A real multiplier is a pair (multiplier, shift) for multiplier * 2^(shift - 31), with 0 <= multiplier <
 * 2^31 and -31 <= shift <= 30. Right shifts of negative values are arithmetic, as GCC and Clang define them.
 */
#ifndef MCUGEN_FIXEDPOINT_H
#define MCUGEN_FIXEDPOINT_H

#include <stdint.h>

#include "compiler.h"

MCUGEN_KERNEL int32_t mcugen_min(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

MCUGEN_KERNEL int32_t mcugen_max(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

MCUGEN_KERNEL int32_t mcugen_clamp(int32_t x, int32_t low, int32_t high)
{
    return mcugen_min(mcugen_max(x, low), high);
}

/* a + b, wrapping around at 32 bits. */
MCUGEN_KERNEL int32_t mcugen_wrapping_add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* a + b, saturated to 32 bits. */
MCUGEN_KERNEL int32_t mcugen_saturating_add(int32_t a, int32_t b)
{
    int32_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return a < 0 ? INT32_MIN : INT32_MAX;
    }
    return sum;
}

/* x * 2^bits, wrapping around at 32 bits. */
MCUGEN_KERNEL int32_t mcugen_wrapping_shift_left(int32_t x, int32_t bits)
{
    return (int32_t)((uint32_t)x << bits);
}

/* x * 2^bits, saturated to 32 bits. */
MCUGEN_KERNEL int32_t mcugen_saturating_shift_left(int32_t x, int32_t bits)
{
    const int32_t high = INT32_MAX >> bits;
    const int32_t low = -high - 1;
    if (x > high) {
        return INT32_MAX;
    }
    return x < low ? INT32_MIN : mcugen_wrapping_shift_left(x, bits);
}

/* The high half of 2ab, rounded to nearest, ties up; right unless both are INT32_MIN. */
MCUGEN_KERNEL int32_t mcugen_rounding_high_mul(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* The high half of 2ab, rounded to nearest, ties up, saturated (Arm's SQRDMULH). */
MCUGEN_KERNEL int32_t mcugen_saturating_rounding_doubling_high_mul(int32_t a, int32_t b)
{
    return (a == INT32_MIN && b == INT32_MIN) ? INT32_MAX : mcugen_rounding_high_mul(a, b);
}

/* x / 2^exponent, rounded to nearest, ties away from zero; 0 <= exponent <= 31. */
MCUGEN_KERNEL int32_t mcugen_rounding_divide_by_pot(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1);
    const int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> exponent) + ((x & mask) > threshold);
}

/* x * multiplier * 2^(shift - 31), rounded twice as TFLite's reference kernels do; the left shift wraps. */
MCUGEN_KERNEL int32_t mcugen_multiply_by_quantized_multiplier(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = mcugen_wrapping_shift_left(x, mcugen_max(shift, 0));
    return mcugen_rounding_divide_by_pot(mcugen_rounding_high_mul(left, multiplier), mcugen_max(-shift, 0));
}

/* The scaled accumulator plus offset, clamped to [low, high]. Clamps first: the sum could overflow. */
MCUGEN_KERNEL int32_t mcugen_requantize(int32_t acc, int32_t multiplier, int32_t shift, int32_t offset,
                                        int32_t low, int32_t high)
{
    const int32_t scaled = mcugen_multiply_by_quantized_multiplier(acc, multiplier, shift);
    return mcugen_clamp(scaled, low - offset, high - offset) + offset;
}

#endif
