/* Element-wise addition and subtraction as in ../v6m/add_s8.h, with saturating instructions. */
#ifndef MCUGEN_V7M_ADD_S8_H
#define MCUGEN_V7M_ADD_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../v6m/add_s8.h"
#include "requantize.h"

MCUGEN_KERNEL void mcugen_add_s8_v7m(const mcugen_v6m_add_params *p, const int8_t *a, const int8_t *b,
                                     int8_t *output)
{
    const mcugen_v7m_output out = {.act_min = p->act_min, .act_max = p->act_max};
#pragma GCC unroll 4
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = (int8_t)mcugen_v7m_clamp(out, mcugen_v6m_affine_sum(p, a[i], b[i]));
    }
}

MCUGEN_KERNEL void mcugen_sub_s8_v7m(const mcugen_v6m_add_params *p, const int8_t *a, const int8_t *b,
                                     int8_t *output)
{
    mcugen_add_s8_v7m(p, a, b, output);
}

#endif
