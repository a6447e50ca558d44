/*
 * Fully connected layer.
 *
 * Precondition: for every output the sum of products without the bias fits 32 bits (in_n at most 65,000). The
 * bias is added with wrap-around.
 */
#ifndef MCUGEN_SCALAR_FULLY_CONNECTED_S8_H
#define MCUGEN_SCALAR_FULLY_CONNECTED_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"

MCUGEN_KERNEL void mcugen_fully_connected_s8_scalar(const mcugen_fully_connected_s8_params *p,
                                                    const int8_t *input, const int8_t *weights,
                                                    const int32_t *bias, const int32_t *multiplier,
                                                    const int32_t *shift, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        const int8_t *w = weights;
        for (int32_t o = 0; o < p->out_n; o++) {
            int32_t dot = 0;
            for (int32_t i = 0; i < p->in_n; i++) {
                dot += (input[i] + p->in_offset) * w[i];
            }
            w += p->in_n;
            const int32_t channel = p->per_channel ? o : 0;
            *output++ = (int8_t)mcugen_requantize(mcugen_wrapping_add(dot, bias[o]), multiplier[channel],
                                                  shift[channel], p->out_offset, p->act_min, p->act_max);
        }
        input += p->in_n;
    }
}

#endif
