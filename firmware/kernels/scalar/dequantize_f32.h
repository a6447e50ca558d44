/*
 * Integers to float32: scale * (x - zero point).
 */
#ifndef MCUGEN_SCALAR_DEQUANTIZE_F32_H
#define MCUGEN_SCALAR_DEQUANTIZE_F32_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"

MCUGEN_KERNEL void mcugen_dequantize_s8_f32_scalar(const mcugen_dequantize_s8_f32_params *p,
                                                   const int8_t *input, float *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = (float)(input[i] - p->zero_point) * p->scale;
    }
}

MCUGEN_KERNEL void mcugen_dequantize_u8_f32_scalar(const mcugen_dequantize_u8_f32_params *p,
                                                   const uint8_t *input, float *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = (float)(input[i] - p->zero_point) * p->scale;
    }
}

MCUGEN_KERNEL void mcugen_dequantize_s16_f32_scalar(const mcugen_dequantize_s16_f32_params *p,
                                                    const int16_t *input, float *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = (float)(input[i] - p->zero_point) * p->scale;
    }
}

#endif
