/* Requantization with the long multiply. */
#ifndef MCUGEN_V7M_REQUANTIZE_H
#define MCUGEN_V7M_REQUANTIZE_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"

#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB < 2
#error "these kernels are for Armv7-M and later: check -mcpu and -march"
#endif

/* How accumulators are scaled; the bounds that each needs are checked when the tables are made. */
enum {
    MCUGEN_V7M_EXACT = 0, /* bias; scale (multiplier, shift, 0): any value */
    MCUGEN_V7M_AWAY = 1,  /* 2 bias; scale (multiplier, rounding with the output offset, right shift) */
    MCUGEN_V7M_UP = 2,    /* the same, where the clamp hides how negative ties are rounded (fused ReLU) */
};

/* What a channel is requantized with. It is read before an output is written, which could be a part of it as
 * far as the compiler knows. */
typedef struct {
    int32_t bias, multiplier, rounding, right;
} mcugen_v7m_row;

/* Words of the scale, and of a row with the bias before it. */
enum { MCUGEN_V7M_SCALE_WORDS = 3, MCUGEN_V7M_ROW_WORDS = 4 };

MCUGEN_KERNEL mcugen_v7m_row mcugen_v7m_load_row(int32_t bias, const int32_t *scale)
{
    const mcugen_v7m_row row = {bias, scale[0], scale[1], scale[2]};
    return row;
}

/* What follows the accumulation in a layer; all literals in the end. */
typedef struct {
    int32_t rounding;
    int32_t out_offset;
    int32_t act_min, act_max;
} mcugen_v7m_output;

MCUGEN_KERNEL int32_t mcugen_v7m_clamp(mcugen_v7m_output o, int32_t value)
{
#ifdef __thumb2__
    if (o.act_min == INT8_MIN && o.act_max == INT8_MAX) {
        int32_t result;
        __asm("ssat %0, #8, %1" : "=r"(result) : "r"(value));
        return result;
    }
#endif
    return mcugen_clamp(value, o.act_min, o.act_max);
}

/* The output of a sum of products without bias. */
MCUGEN_KERNEL int8_t mcugen_v7m_requantize(mcugen_v7m_output o, int32_t sum, mcugen_v7m_row row)
{
    if (o.rounding == MCUGEN_V7M_EXACT) {
        return (int8_t)mcugen_requantize(mcugen_wrapping_add(sum, row.bias), row.multiplier, row.rounding,
                                         o.out_offset, o.act_min, o.act_max);
    }
    const int64_t product = (int64_t)(row.bias + 2 * sum) * row.multiplier;
    int32_t scaled = (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
    if (o.rounding == MCUGEN_V7M_AWAY) {
        scaled += scaled >> 31;
    }
    return (int8_t)mcugen_v7m_clamp(o, (scaled + row.rounding) >> row.right);
}

#endif
