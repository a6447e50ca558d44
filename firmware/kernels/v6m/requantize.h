/*
 * Requantization without a long multiplication.
 *
 * A multiplier is cut into pieces whose products with the layer's accumulators fit 32 bits: in two, high *
 * 2^16 + low, for accumulators below about 2^16, in three, high * 2^21 + middle * 2^10 + low, below about
 * 2^21. All pieces but the first are signed, halves around zero. The sum of the shifted products is exact.
 */
#ifndef MCUGEN_V6M_REQUANTIZE_H
#define MCUGEN_V6M_REQUANTIZE_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"

/* How accumulators are scaled; the bounds that each needs are checked when the tables are made. A scale has
 * the right shift, what is added before it, then the pieces. */
enum {
    MCUGEN_V6M_EXACT = 0, /* scaling is 0; scale (shift, multiplier): any value */
    MCUGEN_V6M_AWAY = 1,  /* scaling is the number of pieces; right shift 1 or more, after two roundings */
    MCUGEN_V6M_UP =
        2, /* the same where the clamp hides how negative ties are rounded (fused ReLU): one shift */
};

/* What follows the accumulation in a layer; all literals in the end. */
typedef struct {
    int32_t scaling, rounding;
    int32_t out_offset;
    int32_t act_min, act_max;
} mcugen_v6m_output;

/* Words of a scale. A row of a table has the bias before it. */
MCUGEN_KERNEL int32_t mcugen_v6m_scale_words(int32_t scaling)
{
    return scaling + 2;
}

/* Right shift after the product with the pieces. */
MCUGEN_KERNEL int32_t mcugen_v6m_product_shift(int32_t scaling)
{
    return scaling == 2 ? 15 : 10;
}

/* acc * multiplier / 2^(31 - product_shift), rounded down. */
MCUGEN_KERNEL int32_t mcugen_v6m_product(int32_t scaling, int32_t acc, const int32_t *pieces)
{
    if (scaling == 2) {
        return acc * pieces[0] + ((acc * pieces[1]) >> 16);
    }
    return acc * pieces[0] + ((acc * pieces[1] + ((acc * pieces[2]) >> 10)) >> 11);
}

MCUGEN_KERNEL int32_t mcugen_v6m_clamp(mcugen_v6m_output o, int32_t value)
{
    if (o.act_min == INT8_MIN && o.act_max == INT8_MAX) {
        return value == (int8_t)value ? value : (value >> 31) ^ INT8_MAX;
    }
    return mcugen_clamp(value, o.act_min, o.act_max);
}

/* The output of a sum of products without bias. */
MCUGEN_KERNEL int8_t mcugen_v6m_requantize(mcugen_v6m_output o, int32_t sum, int32_t bias,
                                           const int32_t *scale)
{
    const int32_t acc = mcugen_wrapping_add(sum, bias);
    if (o.rounding == MCUGEN_V6M_EXACT) {
        return (int8_t)mcugen_requantize(acc, scale[1], scale[0], o.out_offset, o.act_min, o.act_max);
    }
    const int32_t product = mcugen_v6m_product(o.scaling, acc, scale + 2);
    if (o.rounding == MCUGEN_V6M_UP) {
        return (int8_t)mcugen_v6m_clamp(o, (product + scale[1]) >> scale[0]);
    }
    const int32_t shift = mcugen_v6m_product_shift(o.scaling);
    const int32_t scaled = (product + (1 << (shift - 1))) >> shift;
    return (int8_t)mcugen_v6m_clamp(o, (scaled + (scaled >> 31) + scale[1]) >> scale[0]);
}

#endif
