/*
 * 2D convolution.
 *
 * Preconditions: in_c and out_c are multiples of groups; for every output the sum of products without the
 * bias fits 32 bits (at most 65,000 products). The bias is added with wrap-around.
 */
#ifndef MCUGEN_SCALAR_CONV2D_S8_H
#define MCUGEN_SCALAR_CONV2D_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"
#include "../common/window.h"

/* The products of one output value: window at (top, left) of the input, filter of one output channel, input
 * channels from first_c on. */
MCUGEN_KERNEL int32_t mcugen_conv2d_s8_scalar_dot(const mcugen_conv2d_s8_params *p, const int8_t *input,
                                                  const int8_t *filter, int32_t top, int32_t left,
                                                  int32_t first_c)
{
    const int32_t channels = p->in_c / p->groups;
    const mcugen_taps rows = mcugen_taps_inside(top, p->in_h, p->k_h, p->dilation_h);
    const mcugen_taps columns = mcugen_taps_inside(left, p->in_w, p->k_w, p->dilation_w);
    int32_t acc = 0;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int8_t *row = input + (top + ky * p->dilation_h) * p->in_w * p->in_c + first_c;
        for (int32_t kx = columns.first; kx < columns.end; kx++) {
            const int8_t *x = row + (left + kx * p->dilation_w) * p->in_c;
            const int8_t *w = filter + (ky * p->k_w + kx) * channels;
            for (int32_t c = 0; c < channels; c++) {
                acc += (x[c] + p->in_offset) * w[c];
            }
        }
    }
    return acc;
}

MCUGEN_KERNEL void mcugen_conv2d_s8_scalar(const mcugen_conv2d_s8_params *p, const int8_t *input,
                                           const int8_t *weights, const int32_t *bias,
                                           const int32_t *multiplier, const int32_t *shift, int8_t *output)
{
    const int32_t filter_size = p->k_h * p->k_w * (p->in_c / p->groups);
    const int32_t group_out = p->out_c / p->groups;
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t x = 0; x < p->out_w; x++) {
            for (int32_t c = 0; c < p->out_c; c++) {
                const int32_t first_c = c / group_out * (p->in_c / p->groups);
                const int32_t dot = mcugen_conv2d_s8_scalar_dot(p, input, weights + c * filter_size,
                                                                y * p->stride_h - p->pad_top,
                                                                x * p->stride_w - p->pad_left, first_c);
                *output++ = (int8_t)mcugen_requantize(mcugen_wrapping_add(dot, bias[c]), multiplier[c],
                                                      shift[c], p->out_offset, p->act_min, p->act_max);
            }
        }
    }
}

#endif
