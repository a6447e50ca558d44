/*
 * Integers of one scale and zero point to another, saturated.
 *
 * The input offset is minus the zero point.
 */
#ifndef MCUGEN_SCALAR_REQUANTIZE_H
#define MCUGEN_SCALAR_REQUANTIZE_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"

MCUGEN_KERNEL void mcugen_requantize_s16_s8_scalar(const mcugen_requantize_s16_s8_params *p,
                                                   const int16_t *input, int8_t *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = (int8_t)mcugen_requantize(input[i] + p->in_offset, p->out_multiplier, p->out_shift,
                                              p->out_offset, INT8_MIN, INT8_MAX);
    }
}

MCUGEN_KERNEL void mcugen_requantize_s8_s16_scalar(const mcugen_requantize_s8_s16_params *p,
                                                   const int8_t *input, int16_t *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = (int16_t)mcugen_requantize(input[i] + p->in_offset, p->out_multiplier, p->out_shift,
                                               p->out_offset, INT16_MIN, INT16_MAX);
    }
}

/* The offset is added with saturation: the clamp to 32 bits. */
MCUGEN_KERNEL int32_t mcugen_requantize_s32_scalar_element(const mcugen_requantize_s8_s32_params *p,
                                                           int32_t x)
{
    const int32_t scaled =
        mcugen_multiply_by_quantized_multiplier(x + p->in_offset, p->out_multiplier, p->out_shift);
    return mcugen_saturating_add(scaled, p->out_offset);
}

MCUGEN_KERNEL void mcugen_requantize_s8_s32_scalar(const mcugen_requantize_s8_s32_params *p,
                                                   const int8_t *input, int32_t *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = mcugen_requantize_s32_scalar_element(p, input[i]);
    }
}

MCUGEN_KERNEL void mcugen_requantize_s16_s32_scalar(const mcugen_requantize_s16_s32_params *p,
                                                    const int16_t *input, int32_t *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = mcugen_requantize_s32_scalar_element(p, input[i]);
    }
}

#endif
