/*
 * Depthwise 2D convolution.
 *
 * Preconditions: out_c = in_c * multiplier; for every output the sum of products without the bias fits 32
 * bits. The bias is added with wrap-around.
 */
#ifndef MCUGEN_SCALAR_DEPTHWISE_CONV2D_S8_H
#define MCUGEN_SCALAR_DEPTHWISE_CONV2D_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"
#include "../common/window.h"

/* The products of one output value; input and weights start at its channels. */
MCUGEN_KERNEL int32_t mcugen_depthwise_conv2d_s8_scalar_dot(const mcugen_depthwise_conv2d_s8_params *p,
                                                            const int8_t *input, const int8_t *weights,
                                                            int32_t top, int32_t left)
{
    const mcugen_taps rows = mcugen_taps_inside(top, p->in_h, p->k_h, p->dilation_h);
    const mcugen_taps columns = mcugen_taps_inside(left, p->in_w, p->k_w, p->dilation_w);
    int32_t acc = 0;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int8_t *row = input + (top + ky * p->dilation_h) * p->in_w * p->in_c;
        for (int32_t kx = columns.first; kx < columns.end; kx++) {
            const int32_t x = row[(left + kx * p->dilation_w) * p->in_c];
            acc += (x + p->in_offset) * weights[(ky * p->k_w + kx) * p->out_c];
        }
    }
    return acc;
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_scalar(const mcugen_depthwise_conv2d_s8_params *p,
                                                     const int8_t *input, const int8_t *weights,
                                                     const int32_t *bias, const int32_t *multiplier,
                                                     const int32_t *shift, int8_t *output)
{
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t x = 0; x < p->out_w; x++) {
            for (int32_t c = 0; c < p->out_c; c++) {
                const int32_t dot = mcugen_depthwise_conv2d_s8_scalar_dot(
                    p, input + c / p->multiplier, weights + c, y * p->stride_h - p->pad_top,
                    x * p->stride_w - p->pad_left);
                *output++ = (int8_t)mcugen_requantize(mcugen_wrapping_add(dot, bias[c]), multiplier[c],
                                                      shift[c], p->out_offset, p->act_min, p->act_max);
            }
        }
    }
}

#endif
