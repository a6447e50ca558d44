/*
 * Average and maximum pooling, over the elements of each window that lie inside the input.
 *
 * Precondition of the average: every window has at least one such element.
 */
#ifndef MCUGEN_SCALAR_POOL_S8_H
#define MCUGEN_SCALAR_POOL_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"
#include "../common/window.h"

typedef struct {
    mcugen_taps rows, columns;
    int32_t top, left;
} mcugen_pool_window;

MCUGEN_KERNEL mcugen_pool_window mcugen_pool_s8_scalar_window(const mcugen_average_pool_s8_params *p,
                                                              int32_t y, int32_t x)
{
    const int32_t top = y * p->stride_h - p->pad_top;
    const int32_t left = x * p->stride_w - p->pad_left;
    const mcugen_pool_window window = {
        .rows = mcugen_taps_inside(top, p->in_h, p->k_h, 1),
        .columns = mcugen_taps_inside(left, p->in_w, p->k_w, 1),
        .top = top,
        .left = left,
    };
    return window;
}

/* The mean of one channel, ties away from zero; input starts at the channel. */
MCUGEN_KERNEL int32_t mcugen_average_pool_s8_scalar_mean(const mcugen_average_pool_s8_params *p,
                                                         const int8_t *input, mcugen_pool_window w)
{
    const int32_t count = (w.rows.end - w.rows.first) * (w.columns.end - w.columns.first);
    int32_t sum = 0;
    for (int32_t ky = w.rows.first; ky < w.rows.end; ky++) {
        for (int32_t kx = w.columns.first; kx < w.columns.end; kx++) {
            sum += input[((w.top + ky) * p->in_w + w.left + kx) * p->in_c];
        }
    }
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

MCUGEN_KERNEL int32_t mcugen_max_pool_s8_scalar_max(const mcugen_max_pool_s8_params *p, const int8_t *input,
                                                    mcugen_pool_window w)
{
    int32_t best = INT8_MIN;
    for (int32_t ky = w.rows.first; ky < w.rows.end; ky++) {
        for (int32_t kx = w.columns.first; kx < w.columns.end; kx++) {
            best = mcugen_max(best, input[((w.top + ky) * p->in_w + w.left + kx) * p->in_c]);
        }
    }
    return best;
}

MCUGEN_KERNEL void mcugen_average_pool_s8_scalar(const mcugen_average_pool_s8_params *p, const int8_t *input,
                                                 int8_t *output)
{
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t x = 0; x < p->out_w; x++) {
            const mcugen_pool_window window = mcugen_pool_s8_scalar_window(p, y, x);
            for (int32_t c = 0; c < p->in_c; c++) {
                const int32_t mean = mcugen_average_pool_s8_scalar_mean(p, input + c, window);
                *output++ = (int8_t)mcugen_clamp(mean, p->act_min, p->act_max);
            }
        }
    }
}

MCUGEN_KERNEL void mcugen_max_pool_s8_scalar(const mcugen_max_pool_s8_params *p, const int8_t *input,
                                             int8_t *output)
{
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t x = 0; x < p->out_w; x++) {
            const mcugen_pool_window window = mcugen_pool_s8_scalar_window(p, y, x);
            for (int32_t c = 0; c < p->in_c; c++) {
                const int32_t best = mcugen_max_pool_s8_scalar_max(p, input + c, window);
                *output++ = (int8_t)mcugen_clamp(best, p->act_min, p->act_max);
            }
        }
    }
}

#endif
