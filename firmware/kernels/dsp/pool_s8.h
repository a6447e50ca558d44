/*
 * Average and maximum pooling on the DSP extension, four channels at a time.
 */
#ifndef MCUGEN_DSP_POOL_S8_H
#define MCUGEN_DSP_POOL_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"
#include "../common/window.h"
#include "arith.h"

/* A window inside the input: lines of pixels, distances in bytes. */
typedef struct {
    const int8_t *first;
    int32_t lines, pixels;
    int32_t line_step, pixel_step;
} mcugen_dsp_patch;

MCUGEN_KERNEL mcugen_dsp_patch mcugen_dsp_pool_patch(const mcugen_average_pool_s8_params *p,
                                                     const int8_t *input, int32_t y, int32_t x)
{
    const int32_t top = y * p->stride_h - p->pad_top;
    const int32_t left = x * p->stride_w - p->pad_left;
    const mcugen_taps rows = mcugen_taps_inside(top, p->in_h, p->k_h, 1);
    const mcugen_taps columns = mcugen_taps_inside(left, p->in_w, p->k_w, 1);
    const mcugen_dsp_patch patch = {
        .first = input + ((top + rows.first) * p->in_w + left + columns.first) * p->in_c,
        .lines = rows.end - rows.first,
        .pixels = columns.end - columns.first,
        .line_step = p->in_w * p->in_c,
        .pixel_step = p->in_c,
    };
    return patch;
}

/* Sums of four channels; the patch has at most 256 pixels, so that the sums fit int16. */
MCUGEN_KERNEL void mcugen_dsp_sum_4(mcugen_dsp_patch patch, int32_t channel, int32_t *sums)
{
    int32_t even = 0;
    int32_t odd = 0;
    for (int32_t line = 0; line < patch.lines; line++) {
        const int8_t *pixel = patch.first + line * patch.line_step + channel;
        for (int32_t i = 0; i < patch.pixels; i++) {
            const uint32_t word = mcugen_load_word(pixel);
            even = mcugen_dsp_add_even(even, word);
            odd = mcugen_dsp_add_odd(odd, word);
            pixel += patch.pixel_step;
        }
    }
    sums[0] = (int16_t)even;
    sums[1] = (int16_t)odd;
    sums[2] = even >> 16;
    sums[3] = odd >> 16;
}

/* The sum of one channel. */
MCUGEN_KERNEL int32_t mcugen_dsp_sum_1(mcugen_dsp_patch patch, int32_t channel)
{
    int32_t sum = 0;
    for (int32_t line = 0; line < patch.lines; line++) {
        const int8_t *pixel = patch.first + line * patch.line_step + channel;
        for (int32_t i = 0; i < patch.pixels; i++) {
            sum += *pixel;
            pixel += patch.pixel_step;
        }
    }
    return sum;
}

/* sum / count, rounded to nearest, ties away from zero. */
MCUGEN_KERNEL int32_t mcugen_dsp_rounded_mean(int32_t sum, int32_t count)
{
    return (sum < 0 ? sum - count / 2 : sum + count / 2) / count;
}

MCUGEN_KERNEL void mcugen_average_pool_s8_dsp(const mcugen_average_pool_s8_params *p, const int8_t *input,
                                              int8_t *output)
{
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t x = 0; x < p->out_w; x++) {
            const mcugen_dsp_patch patch = mcugen_dsp_pool_patch(p, input, y, x);
            const int32_t count = patch.lines * patch.pixels;
            int32_t c = 0;
            for (; c + 4 <= p->in_c; c += 4) {
                int32_t sums[4];
                mcugen_dsp_sum_4(patch, c, sums);
                for (int32_t i = 0; i < 4; i++) {
                    *output++ =
                        (int8_t)mcugen_clamp(mcugen_dsp_rounded_mean(sums[i], count), p->act_min, p->act_max);
                }
            }
            for (; c < p->in_c; c++) {
                *output++ = (int8_t)mcugen_clamp(mcugen_dsp_rounded_mean(mcugen_dsp_sum_1(patch, c), count),
                                                 p->act_min, p->act_max);
            }
        }
    }
}

/* The maxima of four channels, not below act_min nor above act_max. */
MCUGEN_KERNEL uint32_t mcugen_dsp_max_4(const mcugen_max_pool_s8_params *p, mcugen_dsp_patch patch,
                                        int32_t channel)
{
    const uint32_t each = 0x01010101U;
    uint32_t best = each * (uint8_t)p->act_min;
    for (int32_t line = 0; line < patch.lines; line++) {
        const int8_t *pixel = patch.first + line * patch.line_step + channel;
        for (int32_t i = 0; i < patch.pixels; i++) {
            best = mcugen_dsp_max_bytes(best, mcugen_load_word(pixel));
            pixel += patch.pixel_step;
        }
    }
    return p->act_max == INT8_MAX ? best : mcugen_dsp_min_bytes(best, each * (uint8_t)p->act_max);
}

MCUGEN_KERNEL int32_t mcugen_dsp_max_1(mcugen_dsp_patch patch, int32_t channel)
{
    int32_t best = INT8_MIN;
    for (int32_t line = 0; line < patch.lines; line++) {
        for (int32_t i = 0; i < patch.pixels; i++) {
            best = mcugen_max(best, patch.first[line * patch.line_step + i * patch.pixel_step + channel]);
        }
    }
    return best;
}

MCUGEN_KERNEL void mcugen_max_pool_s8_dsp(const mcugen_max_pool_s8_params *p, const int8_t *input,
                                          int8_t *output)
{
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t x = 0; x < p->out_w; x++) {
            const mcugen_dsp_patch patch = mcugen_dsp_pool_patch(p, input, y, x);
            int32_t c = 0;
            for (; c + 4 <= p->in_c; c += 4) {
                mcugen_store_word(output, mcugen_dsp_max_4(p, patch, c));
                output += 4;
            }
            for (; c < p->in_c; c++) {
                *output++ = (int8_t)mcugen_clamp(mcugen_dsp_max_1(patch, c), p->act_min, p->act_max);
            }
        }
    }
}

#endif
