/* Convolutions on MVE: contract conv2d_s8, one group. Filters are laid out as matmul.h says. */
#ifndef MCUGEN_MVE_CONV2D_S8_H
#define MCUGEN_MVE_CONV2D_S8_H

#include "../common/window.h"
#include "matmul.h"

/* As mcugen_conv2d_s8_params; blocks and exact: see mcugen_mve_filters; batch: windows in scratch at a time,
 * pitch: bytes from one to the next. */
typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t k_h, k_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t dilation_h, dilation_w;
    int32_t in_offset, out_offset;
    int32_t act_min, act_max;
    int32_t groups;
    int32_t blocks, exact, batch, pitch;
} mcugen_conv2d_s8_mve_params;

MCUGEN_KERNEL mcugen_mve_filters mcugen_mve_conv_filters(const mcugen_conv2d_s8_mve_params *p,
                                                         const int8_t *filters, const int32_t *rescale)
{
    const mcugen_mve_filters f = {
        .filters = filters,
        .rescale = rescale,
        .blocks = p->blocks,
        .out_c = p->out_c,
        .out_offset = p->out_offset,
        .act_min = p->act_min,
        .act_max = p->act_max,
        .exact = p->exact,
    };
    return f;
}

/* 1x1, stride 1, no padding. Scratch: 16 * blocks + 16 bytes. */
MCUGEN_KERNEL void mcugen_conv2d_s8_mve_1x1(const mcugen_conv2d_s8_mve_params *p, const int8_t *input,
                                            const int8_t *filters, const int32_t *rescale, int8_t *output,
                                            void *scratch)
{
    const mcugen_mve_filters f = mcugen_mve_conv_filters(p, filters, rescale);
    mcugen_mve_matmul_dense(&f, input, p->in_c, p->out_h * p->out_w, output, scratch);
}

/*
 * The same, but `batch` pixels at a time are copied, so that their outputs may take their place. Scratch: the
 * batch, rounded up to whole vectors, and 16 bytes.
 */
MCUGEN_KERNEL void mcugen_conv2d_s8_mve_1x1_copied(const mcugen_conv2d_s8_mve_params *p, const int8_t *input,
                                                   const int8_t *filters, const int32_t *rescale,
                                                   int8_t *output, void *scratch)
{
    const mcugen_mve_filters f = mcugen_mve_conv_filters(p, filters, rescale);
    for (int32_t left = p->out_h * p->out_w; left > 0; left -= p->batch) {
        const int32_t pixels = mcugen_min(left, p->batch);
        mcugen_mve_copy(scratch, input, pixels * p->in_c);
        mcugen_mve_matmul(&f, scratch, p->in_c, pixels, output);
        input += pixels * p->in_c;
        output += pixels * p->out_c;
    }
}

/* ---- windows as contiguous columns ------------------------------------------------------------------------
 */

/* One row of a band: pixels in_c bytes apart go to k_h * in_c bytes apart, chunks of 16 bytes. 4 instructions
 * per chunk. */
MCUGEN_KERNEL void mcugen_mve_spread_row(int8_t *band, const int8_t *source, int32_t pixels, int32_t in_c,
                                         int32_t pitch)
{
    for (int32_t c = 0; c < in_c; c += 16) {
        const int8_t *from = source + c;
        int8_t *to = band + c;
        for (int32_t i = 0; i < pixels; i++) {
            vstrbq_s8(to, vldrbq_s8(from));
            from += in_c;
            to += pitch;
        }
    }
}

MCUGEN_KERNEL void mcugen_mve_spread_zero(int8_t *band, int8_t value, int32_t pixels, int32_t in_c,
                                          int32_t pitch)
{
    const int8x16_t zero = vdupq_n_s8(value);
    for (int32_t c = 0; c < in_c; c += 16) {
        int8_t *to = band + c;
        for (int32_t i = 0; i < pixels; i++) {
            vstrbq_s8(to, zero);
            to += pitch;
        }
    }
}

/* The band of an output row: [column][row of the window][channel], zero points outside the input. */
MCUGEN_MVE_SHARED void mcugen_mve_fill_band(const mcugen_conv2d_s8_mve_params *p, const int8_t *input,
                                            int32_t top, int8_t *band)
{
    const int32_t columns = (p->out_w - 1) * p->stride_w + p->k_w;
    const int32_t left = mcugen_min(p->pad_left, columns);
    const int32_t inside = mcugen_min(columns - left, p->in_w);
    const int32_t pitch = p->k_h * p->in_c;
    const int8_t zero = (int8_t)-p->in_offset;
    for (int32_t k = 0; k < p->k_h; k++) {
        const int32_t row = top + k;
        int8_t *to = band + k * p->in_c;
        if (row < 0 || row >= p->in_h) {
            mcugen_mve_spread_zero(to, zero, columns, p->in_c, pitch);
            continue;
        }
        mcugen_mve_spread_zero(to, zero, left, p->in_c, pitch);
        mcugen_mve_spread_row(to + left * pitch, input + row * p->in_w * p->in_c, inside, p->in_c, pitch);
        mcugen_mve_spread_zero(to + (left + inside) * pitch, zero, columns - left - inside, p->in_c, pitch);
    }
}

/*
 * Any window without dilation, in_c a multiple of 16. The input rows of an output row are copied column by
 * column, so that every window is one run of k_h * k_w * in_c bytes; filters are [out_c][k_w][k_h][in_c].
 * Scratch: ((out_w - 1) * stride_w + k_w) * k_h * in_c bytes.
 */
MCUGEN_KERNEL void mcugen_conv2d_s8_mve_band(const mcugen_conv2d_s8_mve_params *p, const int8_t *input,
                                             const int8_t *filters, const int32_t *rescale, int8_t *output,
                                             void *scratch)
{
    const mcugen_mve_filters f = mcugen_mve_conv_filters(p, filters, rescale);
    for (int32_t y = 0; y < p->out_h; y++) {
        mcugen_mve_fill_band(p, input, y * p->stride_h - p->pad_top, scratch);
        mcugen_mve_matmul(&f, scratch, p->stride_w * p->k_h * p->in_c, p->out_w, output);
        output += p->out_w * p->out_c;
    }
}

/* ---- windows copied one by one ----------------------------------------------------------------------------
 */

/* A row of the input with its padding, `columns` pixels; outside the input it is zero points. */
MCUGEN_KERNEL void mcugen_mve_pad_row(const mcugen_conv2d_s8_mve_params *p, const int8_t *input, int32_t row,
                                      int32_t columns, int8_t *to)
{
    const int32_t left = mcugen_min(p->pad_left, columns);
    const int32_t inside = mcugen_min(columns - left, p->in_w);
    if (row < 0 || row >= p->in_h) {
        mcugen_mve_fill(to, -p->in_offset, columns * p->in_c);
        return;
    }
    mcugen_mve_fill(to, -p->in_offset, left * p->in_c);
    to += left * p->in_c;
    mcugen_mve_copy(to, input + row * p->in_w * p->in_c, inside * p->in_c);
    to += inside * p->in_c;
    mcugen_mve_fill(to, -p->in_offset, (columns - left - inside) * p->in_c);
}

/* Copies `run` bytes for each of some pixels in vectors of 16, so up to 15 bytes more; 5 instructions for
 * each. */
MCUGEN_KERNEL void mcugen_mve_copy_runs(int8_t *target, int32_t target_step, const int8_t *source,
                                        int32_t source_step, int32_t run, int32_t pixels)
{
    for (int32_t i = 0; i < run; i += 16) {
        const int8_t *from = source + i;
        int8_t *to = target + i;
        for (int32_t j = 0; j < pixels; j++) {
            vstrbq_s8(to, vldrbq_s8(from));
            from += source_step;
            to += target_step;
        }
    }
}

/* The windows of some pixels, from padded rows that start where the first window does: `row_bytes` each. What
 * is copied too much is overwritten by the next run, or lies between windows. */
MCUGEN_KERNEL void mcugen_mve_copy_windows(const mcugen_conv2d_s8_mve_params *p, const int8_t *rows,
                                           int32_t row_bytes, int8_t *target, int32_t pixels)
{
    const int32_t runs = p->dilation_w == 1 ? 1 : p->k_w;
    const int32_t run = p->k_w / runs * p->in_c;
    for (int32_t k = 0; k < p->k_h; k++) {
        for (int32_t i = 0; i < runs; i++) {
            mcugen_mve_copy_runs(target, p->pitch, rows + i * p->dilation_w * p->in_c, p->stride_w * p->in_c,
                                 run, pixels);
            target += run;
        }
        rows += row_bytes;
    }
}

/*
 * Any window. The rows under a row of outputs are copied with their padding, then `batch` windows at a time,
 * `pitch` bytes apart. Scratch: batch * pitch + k_h * columns * in_c + 16 bytes, where columns are those of
 * the padded input that a row of outputs reads.
 */
MCUGEN_KERNEL void mcugen_conv2d_s8_mve(const mcugen_conv2d_s8_mve_params *p, const int8_t *input,
                                        const int8_t *filters, const int32_t *rescale, int8_t *output,
                                        void *scratch)
{
    const mcugen_mve_filters f = mcugen_mve_conv_filters(p, filters, rescale);
    const int32_t columns = (p->out_w - 1) * p->stride_w + (p->k_w - 1) * p->dilation_w + 1;
    const int32_t row_bytes = columns * p->in_c;
    int8_t *windows = scratch;
    int8_t *rows = windows + p->batch * p->pitch;
    int32_t waiting = 0;
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t k = 0; k < p->k_h; k++) {
            mcugen_mve_pad_row(p, input, y * p->stride_h - p->pad_top + k * p->dilation_h, columns,
                               rows + k * row_bytes);
        }
        for (int32_t x = 0; x < p->out_w;) {
            const int32_t pixels = mcugen_min(p->out_w - x, p->batch - waiting);
            mcugen_mve_copy_windows(p, rows + x * p->stride_w * p->in_c, row_bytes,
                                    windows + waiting * p->pitch, pixels);
            x += pixels;
            waiting += pixels;
            if (waiting == p->batch || (y == p->out_h - 1 && x == p->out_w)) {
                mcugen_mve_matmul(&f, windows, p->pitch, waiting, output);
                output += waiting * p->out_c;
                waiting = 0;
            }
        }
    }
}

/* A depthwise convolution of one channel is a convolution of one channel: contract depthwise_conv2d_s8,
 * in_c 1. */
MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_mve_one_channel(const mcugen_conv2d_s8_mve_params *p,
                                                              const int8_t *input, const int8_t *filters,
                                                              const int32_t *rescale, int8_t *output,
                                                              void *scratch)
{
    mcugen_conv2d_s8_mve(p, input, filters, rescale, output, scratch);
}

#endif
