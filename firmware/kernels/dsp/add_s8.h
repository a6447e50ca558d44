/*
 * Element-wise addition and subtraction on the DSP extension, for inputs of equal shape.
 *
 * Both scalings and roundings of the contract are one affine form, (a fa + b fb + rest) >> shift, wherever
 * that gives the same result for all 65,536 pairs of inputs. This is tried when the factors are made.
 */
#ifndef MCUGEN_DSP_ADD_S8_H
#define MCUGEN_DSP_ADD_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "arith.h"

typedef struct {
    int32_t n;
    int32_t a_factor, b_factor, rest, shift;
    int32_t act_min, act_max;
} mcugen_dsp_add_params;

MCUGEN_KERNEL int32_t mcugen_dsp_add_one(const mcugen_dsp_add_params *p, int32_t a, int32_t b)
{
    const int32_t sum = a * p->a_factor + (b * p->b_factor + p->rest);
    if (p->act_min == INT8_MIN && p->act_max == INT8_MAX) {
        return mcugen_dsp_saturate_8(sum >> p->shift);
    }
    return mcugen_clamp(sum >> p->shift, p->act_min, p->act_max);
}

MCUGEN_KERNEL void mcugen_add_s8_dsp(const mcugen_dsp_add_params *p, const int8_t *a, const int8_t *b,
                                     int8_t *output)
{
#pragma GCC unroll 4
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = (int8_t)mcugen_dsp_add_one(p, a[i], b[i]);
    }
}

MCUGEN_KERNEL void mcugen_sub_s8_dsp(const mcugen_dsp_add_params *p, const int8_t *a, const int8_t *b,
                                     int8_t *output)
{
    mcugen_add_s8_dsp(p, a, b, output);
}

#endif
