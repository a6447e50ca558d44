/*
 * 2D convolution on the DSP extension: three output pixels at a time are expanded to int16 columns and
 * multiplied with all filters (matmul.h). The input offset is folded into the bias; outside the input the
 * columns hold the zero point.
 */
#ifndef MCUGEN_DSP_CONV2D_S8_H
#define MCUGEN_DSP_CONV2D_S8_H

#include <stdint.h>
#include <string.h>

#include "../common/compiler.h"
#include "../common/window.h"
#include "arith.h"
#include "matmul.h"

/* pixels: output pixels, or rows of a fully connected layer; channels, blocks: values in a column and blocks
 * of four that hold them; pairs, singles: see mcugen_dsp_filter. */
typedef struct {
    int32_t pixels, channels, out_c;
    int32_t blocks, pairs, singles;
    int32_t rounding, out_offset;
    int32_t act_min, act_max;
} mcugen_dsp_1x1_params;

/* A window is read as ``runs`` pieces of run_bytes bytes that are contiguous in the input: whole rows of the
 * window, or single pixels when it is dilated along the width. */
typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t k_h, k_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t dilation_h, dilation_w;
    int32_t zero_point;
    int32_t blocks, pairs, singles;
    int32_t rounding, out_offset;
    int32_t act_min, act_max;
} mcugen_dsp_conv_params;

/* Three pixels of four channels: 10 instructions for 12 values. */
MCUGEN_KERNEL int32_t *mcugen_dsp_expand_3(int32_t *column, const int8_t *input, int32_t pitch)
{
    const uint32_t w0 = mcugen_load_word(input);
    const uint32_t w1 = mcugen_load_word(input + pitch);
    const uint32_t w2 = mcugen_load_word(input + 2 * pitch);
    column[0] = mcugen_dsp_even(w0);
    column[1] = mcugen_dsp_even(w1);
    column[2] = mcugen_dsp_even(w2);
    column[3] = mcugen_dsp_odd(w0);
    column[4] = mcugen_dsp_odd(w1);
    column[5] = mcugen_dsp_odd(w2);
    return column + 6;
}

/* One value: number k of a column. */
MCUGEN_KERNEL void mcugen_dsp_put(int32_t *column, int32_t k, int32_t value)
{
    int16_t *const block = (int16_t *)column + (k / 4) * (MCUGEN_DSP_BLOCK_BYTES / 2);
    block[(k & 1) * (MCUGEN_DSP_ODD_BYTES / 2) + ((k >> 1) & 1)] = (int16_t)value;
}

/* Up to three pixels whose channels follow each other. */
MCUGEN_KERNEL void mcugen_dsp_expand_pixels(int32_t *columns, const int8_t *input, int32_t channels,
                                            int32_t pixels)
{
    if (pixels == MCUGEN_DSP_COLUMNS) {
        int32_t *to = columns;
        const int8_t *from = input;
        for (int32_t i = 0; i < channels / 4; i++) {
            to = mcugen_dsp_expand_3(to, from, channels);
            from += 4;
        }
    } else {
        for (int32_t pixel = 0; pixel < pixels; pixel++) {
            for (int32_t k = 0; k < (channels & ~3); k++) {
                mcugen_dsp_put(columns + pixel, k, input[pixel * channels + k]);
            }
        }
    }
    for (int32_t pixel = 0; pixel < pixels; pixel++) {
        for (int32_t k = channels & ~3; k < channels; k++) {
            mcugen_dsp_put(columns + pixel, k, input[pixel * channels + k]);
        }
    }
}

MCUGEN_KERNEL void mcugen_conv2d_s8_dsp_1x1(const mcugen_dsp_1x1_params *p, const int8_t *input,
                                            const int8_t *weights, const int32_t *requant, int8_t *output,
                                            void *scratch)
{
    const mcugen_dsp_output out = {p->rounding, p->out_offset, p->act_min, p->act_max};
    const mcugen_dsp_filter filter =
        mcugen_dsp_make_filter(weights, requant, p->blocks, p->pairs, p->singles, out);
    int32_t *const columns = scratch;
    for (int32_t left = p->pixels; left > 0; left -= MCUGEN_DSP_COLUMNS) {
        const int32_t count = mcugen_min(left, MCUGEN_DSP_COLUMNS);
        mcugen_dsp_expand_pixels(columns, input, p->channels, count);
        mcugen_dsp_multiply_columns(&filter, out, columns, output, p->out_c, count);
        input += MCUGEN_DSP_COLUMNS * p->channels;
        output += MCUGEN_DSP_COLUMNS * p->out_c;
    }
}

MCUGEN_KERNEL void mcugen_fully_connected_s8_dsp_rows(const mcugen_dsp_1x1_params *p, const int8_t *input,
                                                      const int8_t *weights, const int32_t *requant,
                                                      int8_t *output, void *scratch)
{
    mcugen_conv2d_s8_dsp_1x1(p, input, weights, requant, output, scratch);
}

/* The whole words of a run of bytes. */
MCUGEN_KERNEL int32_t *mcugen_dsp_expand_run(int32_t *to, const int8_t *from, int32_t run_bytes)
{
#pragma GCC unroll 4
    for (int32_t i = 0; i < run_bytes / 4; i++) {
        const uint32_t word = mcugen_load_word(from + 4 * i);
        to[6 * i] = mcugen_dsp_even(word);
        to[6 * i + 3] = mcugen_dsp_odd(word);
    }
    return to + run_bytes / 4 * 6;
}

/* A column from a window of ``runs`` pieces, pitch bytes apart: first the whole words of all pieces, then the
 * bytes that are left over of each. */
MCUGEN_KERNEL void mcugen_dsp_expand_window(int32_t *column, const int8_t *input, int32_t pitch, int32_t runs,
                                            int32_t run_bytes)
{
    int32_t *to = column;
    const int8_t *from = input;
    if (run_bytes < 16) {
#pragma GCC unroll 3
        for (int32_t run = 0; run < runs; run++) {
            to = mcugen_dsp_expand_run(to, from, run_bytes);
            from += pitch;
        }
    } else {
        for (int32_t run = 0; run < runs; run++) {
            to = mcugen_dsp_expand_run(to, from, run_bytes);
            from += pitch;
        }
    }
    const int8_t *rest = input + (run_bytes & ~3);
    int32_t k = runs * (run_bytes & ~3);
#pragma GCC unroll 3
    for (int32_t run = 0; run < runs; run++) {
#pragma GCC unroll 3
        for (int32_t i = 0; i < (run_bytes & 3); i++) {
            mcugen_dsp_put(column, k + i, rest[i]);
        }
        k += run_bytes & 3;
        rest += pitch;
    }
}

/* The window at (top, left) of the input, zero point outside, as contiguous bytes. */
MCUGEN_KERNEL void mcugen_dsp_copy_window(const mcugen_dsp_conv_params *p, int8_t *target, const int8_t *input,
                                          int32_t top, int32_t left)
{
    const mcugen_taps rows = mcugen_taps_inside(top, p->in_h, p->k_h, p->dilation_h);
    const mcugen_taps columns = mcugen_taps_inside(left, p->in_w, p->k_w, p->dilation_w);
    memset(target, p->zero_point, (size_t)(p->k_h * p->k_w * p->in_c));
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int8_t *const row = input + (top + ky * p->dilation_h) * p->in_w * p->in_c;
        if (p->dilation_w == 1) {
            const int32_t count = mcugen_max(columns.end - columns.first, 0);
            memcpy(target + (ky * p->k_w + columns.first) * p->in_c, row + (left + columns.first) * p->in_c,
                   (size_t)(count * p->in_c));
            continue;
        }
        for (int32_t kx = columns.first; kx < columns.end; kx++) {
            memcpy(target + (ky * p->k_w + kx) * p->in_c, row + (left + kx * p->dilation_w) * p->in_c,
                   (size_t)p->in_c);
        }
    }
}

/* The column of the output pixel whose window starts at (top, left). */
MCUGEN_KERNEL void mcugen_dsp_window_column(const mcugen_dsp_conv_params *p, int32_t *column, int8_t *window,
                                            const int8_t *input, int32_t top, int32_t left)
{
    const int32_t inside = top >= 0 && left >= 0 && top + (p->k_h - 1) * p->dilation_h < p->in_h &&
                           left + (p->k_w - 1) * p->dilation_w < p->in_w;
    const int32_t run_bytes = p->k_w * p->in_c;
    const int8_t *source = window;
    int32_t pitch = run_bytes;
    if (inside && p->dilation_w == 1) {
        source = input + (top * p->in_w + left) * p->in_c;
        pitch = p->dilation_h * p->in_w * p->in_c;
    } else {
        mcugen_dsp_copy_window(p, window, input, top, left);
    }
    mcugen_dsp_expand_window(column, source, pitch, p->k_h, run_bytes);
}

MCUGEN_KERNEL void mcugen_conv2d_s8_dsp(const mcugen_dsp_conv_params *p, const int8_t *input,
                                        const int8_t *weights, const int32_t *requant, int8_t *output,
                                        void *scratch)
{
    const mcugen_dsp_output out = {p->rounding, p->out_offset, p->act_min, p->act_max};
    const mcugen_dsp_filter filter =
        mcugen_dsp_make_filter(weights, requant, p->blocks, p->pairs, p->singles, out);
    int32_t *const columns = scratch;
    int8_t *const window = (int8_t *)(columns + 6 * p->blocks);
    int32_t top = -p->pad_top;
    int32_t left = -p->pad_left;
    int32_t x = 0;
    for (int32_t pixels = p->out_h * p->out_w; pixels > 0; pixels -= MCUGEN_DSP_COLUMNS) {
        const int32_t count = mcugen_min(pixels, MCUGEN_DSP_COLUMNS);
        for (int32_t i = 0; i < count; i++) {
            mcugen_dsp_window_column(p, columns + i, window, input, top, left);
            left += p->stride_w;
            if (++x == p->out_w) {
                x = 0;
                left = -p->pad_left;
                top += p->stride_h;
            }
        }
        mcugen_dsp_multiply_columns(&filter, out, columns, output, p->out_c, count);
        output += MCUGEN_DSP_COLUMNS * p->out_c;
    }
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_dsp_one_channel(const mcugen_dsp_conv_params *p,
                                                              const int8_t *input, const int8_t *weights,
                                                              const int32_t *requant, int8_t *output,
                                                              void *scratch)
{
    mcugen_conv2d_s8_dsp(p, input, weights, requant, output, scratch);
}

#endif
