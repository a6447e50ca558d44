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

/* Where the values of three columns come from: runs of ``words`` whole words each; skips are the bytes from
 * the end of a run's words to the next run. The assembly knows the order of the fields. */
typedef struct {
    const int8_t *source[MCUGEN_DSP_COLUMNS];
    int32_t runs, words;
    int32_t skip[MCUGEN_DSP_COLUMNS];
} mcugen_dsp_runs;

/* clang-format off */

/* One word of each column: 10 instructions for 12 values. r2-r4 sources, r0 columns. */
#define MCUGEN_DSP_EXPAND_WORDS                                                                              \
    "ldr    r9, [r2], #4          \n"                                                                        \
    "ldr    r10, [r3], #4         \n"                                                                        \
    "ldr    r11, [r4], #4         \n"                                                                        \
    "sxtb16 r6, r9                \n"                                                                        \
    "sxtb16 r7, r10               \n"                                                                        \
    "sxtb16 r8, r11               \n"                                                                        \
    "sxtb16 r9, r9, ror #8        \n"                                                                        \
    "sxtb16 r10, r10, ror #8      \n"                                                                        \
    "sxtb16 r11, r11, ror #8      \n"                                                                        \
    "stm    r0!, {r6-r11}         \n"

/* The whole words of three columns; there is at least one. r5 counts runs, lr pairs of words. */
MCUGEN_DSP_SHARED __attribute__((naked)) void mcugen_dsp_expand(MCUGEN_DSP_PARAM int32_t *columns,
                                                                MCUGEN_DSP_PARAM const mcugen_dsp_runs *from)
{
    __asm volatile("push   {r4-r11, lr}          \n"
                   "ldm    r1!, {r2, r3, r4, r5, r6} \n"
                   "1:                           \n"
                   "ldr    r12, [r1, #-4]        \n"
                   "lsrs   r12, r12, #1          \n"
                   "adc    lr, r12, #0           \n"
                   "bcs    3f                    \n" /* an odd number of words: enter in the middle */
                   "2:                           \n" MCUGEN_DSP_EXPAND_WORDS
                   "3:                           \n" MCUGEN_DSP_EXPAND_WORDS
                   "subs   lr, #1                \n"
                   "bne    2b                    \n"
                   "ldm    r1, {r6, r7, r8}      \n"
                   "add    r2, r6                \n"
                   "add    r3, r7                \n"
                   "add    r4, r8                \n"
                   "subs   r5, #1                \n"
                   "bne    1b                    \n"
                   "pop    {r4-r11, pc}          \n");
}

/* clang-format on */

/* One value: number k of a column. */
MCUGEN_KERNEL void mcugen_dsp_put(int32_t *column, int32_t k, int32_t value)
{
    int16_t *const block = (int16_t *)column + (k / 4) * (MCUGEN_DSP_BLOCK_BYTES / 2);
    block[(k & 1) * (MCUGEN_DSP_ODD_BYTES / 2) + ((k >> 1) & 1)] = (int16_t)value;
}

/* Three columns: first the whole words of all runs, then the bytes that are left over of each. */
MCUGEN_KERNEL void mcugen_dsp_fill_columns(int32_t *columns, const mcugen_dsp_runs *from, int32_t runs,
                                           int32_t run_bytes)
{
    if (run_bytes >= 4) {
        mcugen_dsp_expand(columns, from);
    }
    const int32_t left_over = run_bytes & 3;
    for (int32_t i = 0; i < MCUGEN_DSP_COLUMNS && left_over > 0; i++) {
        const int8_t *rest = from->source[i] + (run_bytes & ~3);
#pragma GCC unroll 3
        for (int32_t run = 0; run < runs; run++) {
#pragma GCC unroll 3
            for (int32_t k = 0; k < left_over; k++) {
                mcugen_dsp_put(columns + i, runs * (run_bytes & ~3) + run * left_over + k, rest[k]);
            }
            rest += (run_bytes & ~3) + from->skip[i];
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
        const mcugen_dsp_runs from = {
            .source = {input, input + (count > 1 ? p->channels : 0),
                       input + (count > 2 ? 2 * p->channels : 0)},
            .runs = 1,
            .words = p->channels / 4,
        };
        mcugen_dsp_fill_columns(columns, &from, 1, p->channels);
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

/* A few bytes. Not inlined: it takes little code, and compilers that know the size of the input warn about
 * copies from parts of windows that they do not see are never reached. */
MCUGEN_DSP_SHARED void mcugen_dsp_copy(int8_t *target, const int8_t *source, int32_t bytes)
{
    for (; bytes >= 4; bytes -= 4) {
        mcugen_store_word(target, mcugen_load_word(source));
        target += 4;
        source += 4;
    }
    for (; bytes > 0; bytes--) {
        *target++ = *source++;
    }
}

/* The window at (top, left) of the input, zero point outside, as contiguous bytes. */
MCUGEN_KERNEL void mcugen_dsp_copy_window(const mcugen_dsp_conv_params *p, int8_t *target,
                                          const int8_t *input, int32_t top, int32_t left)
{
    const mcugen_taps rows = mcugen_taps_inside(top, p->in_h, p->k_h, p->dilation_h);
    const mcugen_taps columns = mcugen_taps_inside(left, p->in_w, p->k_w, p->dilation_w);
    memset(target, p->zero_point, (size_t)(p->k_h * p->k_w * p->in_c));
    if (columns.end <= columns.first) {
        return;
    }
    /* taps that are neighbours in the input are copied at once */
    const int32_t taps = p->dilation_w == 1 ? columns.end - columns.first : 1;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int8_t *const row = input + (top + ky * p->dilation_h) * p->in_w * p->in_c;
        for (int32_t kx = columns.first; kx < columns.end; kx += taps) {
            mcugen_dsp_copy(target + (ky * p->k_w + kx) * p->in_c,
                            row + (left + kx * p->dilation_w) * p->in_c, taps * p->in_c);
        }
    }
}

/* Makes column i that of the output pixel whose window starts at (top, left). */
MCUGEN_KERNEL void mcugen_dsp_choose_source(const mcugen_dsp_conv_params *p, mcugen_dsp_runs *from, int32_t i,
                                            int8_t *windows, const int8_t *input, int32_t top, int32_t left)
{
    const int32_t run_bytes = p->k_w * p->in_c;
    const int32_t inside = top >= 0 && left >= 0 && top + (p->k_h - 1) * p->dilation_h < p->in_h &&
                           left + (p->k_w - 1) * p->dilation_w < p->in_w;
    if (inside && p->dilation_w == 1) {
        from->source[i] = input + (top * p->in_w + left) * p->in_c;
        from->skip[i] = p->dilation_h * p->in_w * p->in_c - (run_bytes & ~3);
    } else {
        int8_t *const window = windows + i * p->k_h * run_bytes;
        mcugen_dsp_copy_window(p, window, input, top, left);
        from->source[i] = window;
        from->skip[i] = run_bytes & 3;
    }
}

MCUGEN_KERNEL void mcugen_conv2d_s8_dsp(const mcugen_dsp_conv_params *p, const int8_t *input,
                                        const int8_t *weights, const int32_t *requant, int8_t *output,
                                        void *scratch)
{
    const mcugen_dsp_output out = {p->rounding, p->out_offset, p->act_min, p->act_max};
    const mcugen_dsp_filter filter =
        mcugen_dsp_make_filter(weights, requant, p->blocks, p->pairs, p->singles, out);
    int32_t *const columns = scratch;
    int8_t *const windows = (int8_t *)(columns + MCUGEN_DSP_BLOCK_BYTES / 4 * p->blocks);
    mcugen_dsp_runs from = {.runs = p->k_h, .words = p->k_w * p->in_c / 4};
    int32_t filled = 0;
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t x = 0; x < p->out_w; x++) {
            mcugen_dsp_choose_source(p, &from, filled, windows, input, y * p->stride_h - p->pad_top,
                                     x * p->stride_w - p->pad_left);
            filled++;
            const int32_t last = y == p->out_h - 1 && x == p->out_w - 1;
            if (filled < MCUGEN_DSP_COLUMNS && !last) {
                continue;
            }
            for (int32_t i = filled; i < MCUGEN_DSP_COLUMNS; i++) {
                from.source[i] = from.source[0];
                from.skip[i] = from.skip[0];
            }
            mcugen_dsp_fill_columns(columns, &from, p->k_h, p->k_w * p->in_c);
            mcugen_dsp_multiply_columns(&filter, out, columns, output, p->out_c, filled);
            output += MCUGEN_DSP_COLUMNS * p->out_c;
            filled = 0;
        }
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
