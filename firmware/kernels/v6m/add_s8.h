/*
 * Element-wise addition and subtraction without long multiplication, for inputs of equal shape.
 *
 * Both scalings and roundings of the contract are one affine form, (a fa + b fb + rest) >> shift, wherever
 * that gives the same result for all 65,536 pairs of inputs. This is tried when the factors are made.
 */
#ifndef MCUGEN_V6M_ADD_S8_H
#define MCUGEN_V6M_ADD_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "requantize.h"

typedef struct {
    int32_t n;
    int32_t a_factor, b_factor, rest, shift;
    int32_t act_min, act_max;
} mcugen_v6m_add_params;

/* The sum before it is clamped. */
MCUGEN_KERNEL int32_t mcugen_v6m_affine_sum(const mcugen_v6m_add_params *p, int32_t a, int32_t b)
{
    return (a * p->a_factor + (b * p->b_factor + p->rest)) >> p->shift;
}

MCUGEN_KERNEL void mcugen_add_s8_v6m(const mcugen_v6m_add_params *p, const int8_t *a, const int8_t *b,
                                     int8_t *output)
{
    const mcugen_v6m_output out = {.act_min = p->act_min, .act_max = p->act_max};
#pragma GCC unroll 4
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = (int8_t)mcugen_v6m_clamp(out, mcugen_v6m_affine_sum(p, a[i], b[i]));
    }
}

MCUGEN_KERNEL void mcugen_sub_s8_v6m(const mcugen_v6m_add_params *p, const int8_t *a, const int8_t *b,
                                     int8_t *output)
{
    mcugen_add_s8_v6m(p, a, b, output);
}

#endif
