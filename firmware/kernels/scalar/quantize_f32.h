/*
 * float32 to integers: x / scale rounded to nearest, ties away from zero, plus the zero point, saturated. Not
 * a number gives the smallest integer.
 *
 * Needs IEEE single precision (so no -ffast-math), in hardware or software, and no library.
 */
#ifndef MCUGEN_SCALAR_QUANTIZE_F32_H
#define MCUGEN_SCALAR_QUANTIZE_F32_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"

/* Beyond this any output of at most 16 bits saturates, whatever its zero point. */
#define MCUGEN_QUOTIENT_LIMIT 1048576

MCUGEN_KERNEL int32_t mcugen_round_quotient(float x, float scale)
{
    const float quotient = x / scale;
    if (!(quotient > (float)-MCUGEN_QUOTIENT_LIMIT)) { /* also true when it is not a number */
        return -MCUGEN_QUOTIENT_LIMIT;
    }
    if (quotient > (float)MCUGEN_QUOTIENT_LIMIT) {
        return MCUGEN_QUOTIENT_LIMIT;
    }
    const int32_t whole = (int32_t)quotient;
    const float fraction = quotient - (float)whole; /* exact */
    if (fraction >= 0.5F) {
        return whole + 1;
    }
    return fraction <= -0.5F ? whole - 1 : whole;
}

MCUGEN_KERNEL void mcugen_quantize_f32_s8_scalar(const mcugen_quantize_f32_s8_params *p, const float *input,
                                                 int8_t *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        const int32_t whole = mcugen_round_quotient(input[i], p->scale);
        output[i] = (int8_t)mcugen_clamp(whole + p->zero_point, INT8_MIN, INT8_MAX);
    }
}

MCUGEN_KERNEL void mcugen_quantize_f32_u8_scalar(const mcugen_quantize_f32_u8_params *p, const float *input,
                                                 uint8_t *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        const int32_t whole = mcugen_round_quotient(input[i], p->scale);
        output[i] = (uint8_t)mcugen_clamp(whole + p->zero_point, 0, UINT8_MAX);
    }
}

MCUGEN_KERNEL void mcugen_quantize_f32_s16_scalar(const mcugen_quantize_f32_s16_params *p, const float *input,
                                                  int16_t *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        const int32_t whole = mcugen_round_quotient(input[i], p->scale);
        output[i] = (int16_t)mcugen_clamp(whole + p->zero_point, INT16_MIN, INT16_MAX);
    }
}

#endif
