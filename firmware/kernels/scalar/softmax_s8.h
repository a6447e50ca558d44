/*
 * Softmax over the last axis. An int8 output has scale 1/256 and zero point -128, an int16 output 1/65536 and
 * -32768.
 *
 * Exponentials come from a table: exp_table[d] is exp(-d * input scale) in Q0.31, entry 0 is the largest
 * number. Precondition: the sum of a row's exponentials is below 2^12, which depth < 4096 guarantees.
 */
#ifndef MCUGEN_SCALAR_SOFTMAX_S8_H
#define MCUGEN_SCALAR_SOFTMAX_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"

#define MCUGEN_SOFTMAX_SUM_INTEGER_BITS 12

/* 1 / (1 + a) in Q0.31 for 0 <= a < 1 in Q0.31: Newton-Raphson from the line 48/17 - 32/17 * d, in Q2.29,
 * where d = (1 + a) / 2. */
MCUGEN_KERNEL int32_t mcugen_one_over_one_plus_x(int32_t a)
{
    const int32_t half_denominator = (int32_t)(((uint32_t)a + 0x80000000U) >> 1);
    int32_t x = 1515870810 + mcugen_rounding_high_mul(half_denominator, -1010580540);
    for (int32_t step = 0; step < 3; step++) {
        const int32_t error = (1 << 29) - mcugen_rounding_high_mul(half_denominator, x);
        x += mcugen_saturating_shift_left(mcugen_rounding_high_mul(x, error), 2);
    }
    return mcugen_saturating_shift_left(x, 1);
}

MCUGEN_KERNEL int32_t mcugen_softmax_s8_scalar_max(const int8_t *row, int32_t depth)
{
    int32_t best = row[0];
    for (int32_t i = 1; i < depth; i++) {
        best = mcugen_max(best, row[i]);
    }
    return best;
}

/* The sum of exponentials in Q12.19. */
MCUGEN_KERNEL int32_t mcugen_softmax_s8_scalar_sum(const int8_t *row, int32_t depth, int32_t max,
                                                   const int32_t *exp_table)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < depth; i++) {
        sum += mcugen_rounding_divide_by_pot(exp_table[max - row[i]], MCUGEN_SOFTMAX_SUM_INTEGER_BITS);
    }
    return sum;
}

/* What one row of exponentials in Q0.31 is multiplied with: scale in Q0.31, then 2^-shift. */
typedef struct {
    int32_t max;
    int32_t scale, shift;
} mcugen_softmax_row;

MCUGEN_KERNEL mcugen_softmax_row mcugen_softmax_s8_scalar_row(const int8_t *row, int32_t depth,
                                                              const int32_t *exp_table, int32_t output_bits)
{
    const int32_t max = mcugen_softmax_s8_scalar_max(row, depth);
    const int32_t sum = mcugen_softmax_s8_scalar_sum(row, depth, max, exp_table);
    /* sum = (1 + fraction) * 2^(31 - headroom), with the fraction in Q0.31 */
    const int32_t headroom = __builtin_clz((uint32_t)sum);
    const int32_t fraction = (int32_t)(((uint32_t)sum << headroom) - 0x80000000U);
    const mcugen_softmax_row result = {
        .max = max,
        .scale = mcugen_one_over_one_plus_x(fraction),
        .shift = MCUGEN_SOFTMAX_SUM_INTEGER_BITS - headroom + 31 - output_bits,
    };
    return result;
}

/* A softmax value from 0 to 2^output_bits. */
MCUGEN_KERNEL int32_t mcugen_softmax_s8_scalar_value(mcugen_softmax_row row, int32_t exponential)
{
    const int32_t product = mcugen_rounding_high_mul(exponential, row.scale);
    /* beyond 31 bits the quotient is below one half */
    return row.shift > 31 ? 0 : mcugen_rounding_divide_by_pot(product, row.shift);
}

MCUGEN_KERNEL void mcugen_softmax_s8_scalar(const mcugen_softmax_s8_params *p, const int8_t *input,
                                            const int32_t *exp_table, int8_t *output)
{
    for (int32_t r = 0; r < p->rows; r++) {
        const mcugen_softmax_row row = mcugen_softmax_s8_scalar_row(input, p->depth, exp_table, 8);
        for (int32_t i = 0; i < p->depth; i++) {
            const int32_t value = mcugen_softmax_s8_scalar_value(row, exp_table[row.max - *input++]);
            *output++ = (int8_t)mcugen_min(value + INT8_MIN, INT8_MAX);
        }
    }
}

MCUGEN_KERNEL void mcugen_softmax_s8_s16_scalar(const mcugen_softmax_s8_s16_params *p, const int8_t *input,
                                                const int32_t *exp_table, int16_t *output)
{
    for (int32_t r = 0; r < p->rows; r++) {
        const mcugen_softmax_row row = mcugen_softmax_s8_scalar_row(input, p->depth, exp_table, 16);
        for (int32_t i = 0; i < p->depth; i++) {
            const int32_t value = mcugen_softmax_s8_scalar_value(row, exp_table[row.max - *input++]);
            *output++ = (int16_t)mcugen_min(value + INT16_MIN, INT16_MAX);
        }
    }
}

#endif
