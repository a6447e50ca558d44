/*
 * Element-wise multiplication with broadcasting.
 */
#ifndef MCUGEN_SCALAR_MUL_S8_H
#define MCUGEN_SCALAR_MUL_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"

MCUGEN_KERNEL int8_t mcugen_mul_s8_scalar_element(const mcugen_mul_s8_params *p, int32_t a, int32_t b)
{
    return (int8_t)mcugen_requantize((a + p->a_offset) * (b + p->b_offset), p->out_multiplier, p->out_shift,
                                     p->out_offset, p->act_min, p->act_max);
}

MCUGEN_KERNEL void mcugen_mul_s8_scalar(const mcugen_mul_s8_params *p, const int8_t *a, const int8_t *b,
                                        int8_t *output)
{
    for (int32_t i = 0; i < p->dims[0]; i++) {
        for (int32_t j = 0; j < p->dims[1]; j++) {
            for (int32_t k = 0; k < p->dims[2]; k++) {
                const int8_t *pa = a + i * p->a_strides[0] + j * p->a_strides[1] + k * p->a_strides[2];
                const int8_t *pb = b + i * p->b_strides[0] + j * p->b_strides[1] + k * p->b_strides[2];
                for (int32_t l = 0; l < p->dims[3]; l++) {
                    *output++ = mcugen_mul_s8_scalar_element(p, *pa, *pb);
                    pa += p->a_strides[3];
                    pb += p->b_strides[3];
                }
            }
        }
    }
}

#endif
