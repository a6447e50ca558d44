/*
 * Element-wise addition and subtraction with broadcasting.
 *
 * Both inputs are brought to a common scale with 20 fraction bits, added or subtracted, and scaled to the
 * output. Precondition: the scaled inputs are below 2^30 in magnitude, as their multipliers are at most 1/2.
 */
#ifndef MCUGEN_SCALAR_ADD_S8_H
#define MCUGEN_SCALAR_ADD_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"

#define MCUGEN_ADD_S8_FRACTION (1 << 20)

MCUGEN_KERNEL int8_t mcugen_add_s8_scalar_element(const mcugen_add_s8_params *p, int32_t a, int32_t b,
                                                  int32_t sign)
{
    const int32_t scaled_a = mcugen_multiply_by_quantized_multiplier(
        (a + p->a_offset) * MCUGEN_ADD_S8_FRACTION, p->a_multiplier, p->a_shift);
    const int32_t scaled_b = mcugen_multiply_by_quantized_multiplier(
        (b + p->b_offset) * MCUGEN_ADD_S8_FRACTION, p->b_multiplier, p->b_shift);
    return (int8_t)mcugen_requantize(scaled_a + sign * scaled_b, p->out_multiplier, p->out_shift,
                                     p->out_offset, p->act_min, p->act_max);
}

/* a + sign * b. */
MCUGEN_KERNEL void mcugen_add_s8_scalar_signed(const mcugen_add_s8_params *p, const int8_t *a,
                                               const int8_t *b, int8_t *output, int32_t sign)
{
    for (int32_t i = 0; i < p->dims[0]; i++) {
        for (int32_t j = 0; j < p->dims[1]; j++) {
            for (int32_t k = 0; k < p->dims[2]; k++) {
                const int8_t *pa = a + i * p->a_strides[0] + j * p->a_strides[1] + k * p->a_strides[2];
                const int8_t *pb = b + i * p->b_strides[0] + j * p->b_strides[1] + k * p->b_strides[2];
                for (int32_t l = 0; l < p->dims[3]; l++) {
                    *output++ = mcugen_add_s8_scalar_element(p, *pa, *pb, sign);
                    pa += p->a_strides[3];
                    pb += p->b_strides[3];
                }
            }
        }
    }
}

MCUGEN_KERNEL void mcugen_add_s8_scalar(const mcugen_add_s8_params *p, const int8_t *a, const int8_t *b,
                                        int8_t *output)
{
    mcugen_add_s8_scalar_signed(p, a, b, output, 1);
}

MCUGEN_KERNEL void mcugen_sub_s8_scalar(const mcugen_sub_s8_params *p, const int8_t *a, const int8_t *b,
                                        int8_t *output)
{
    mcugen_add_s8_scalar_signed(p, a, b, output, -1);
}

#endif
