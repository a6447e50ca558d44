/*
 * Mean over axes.
 *
 * Precondition: the sum of the elements of one mean, offset included, fits 32 bits.
 */
#ifndef MCUGEN_SCALAR_MEAN_S8_H
#define MCUGEN_SCALAR_MEAN_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"

MCUGEN_KERNEL int32_t mcugen_mean_s8_scalar_sum(const mcugen_mean_s8_params *p, const int8_t *input)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < p->reduced[0]; i++) {
        for (int32_t j = 0; j < p->reduced[1]; j++) {
            sum += input[i * p->reduced_strides[0] + j * p->reduced_strides[1]];
        }
    }
    return sum;
}

MCUGEN_KERNEL void mcugen_mean_s8_scalar(const mcugen_mean_s8_params *p, const int8_t *input, int8_t *output)
{
    for (int32_t i = 0; i < p->kept[0]; i++) {
        for (int32_t j = 0; j < p->kept[1]; j++) {
            const int32_t sum =
                mcugen_mean_s8_scalar_sum(p, input + i * p->kept_strides[0] + j * p->kept_strides[1]);
            *output++ = (int8_t)mcugen_requantize(sum + p->sum_offset, p->out_multiplier, p->out_shift,
                                                  p->out_offset, INT8_MIN, INT8_MAX);
        }
    }
}

#endif
