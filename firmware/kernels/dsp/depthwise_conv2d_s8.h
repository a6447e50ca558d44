/*
 * Depthwise 2D convolution on the DSP extension.
 *
 * Four channels at a time, the input is spread into planes of int16 in scratch memory, one per channel, so
 * that neighbours along a line of pixels are pairs that one SMLAD takes. A plane holds the lines that a band
 * of output lines needs, padding included. Lines run along the longer side of the image: along its rows or,
 * with rows and columns of image and kernel exchanged, along its columns.
 *
 * Values are stored as 2 (x + 128), so that sums are twice the accumulator; the table's bias makes up for
 * 128.
 */
#ifndef MCUGEN_DSP_DEPTHWISE_CONV2D_S8_H
#define MCUGEN_DSP_DEPTHWISE_CONV2D_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "arith.h"

/* Steps are in bytes between neighbours in a line, pitches between lines.
 * channels:         of the input, each giving ``multiplier`` of the output.
 * in_lines, in_n:   lines of the input and pixels in each; out_lines, out_n of the output.
 * k_lines, k_n:     extent of the kernel across and along lines; stride_ and pad_ likewise.
 * band:             output lines computed together.
 * plane_n:          int16 values in a line of a plane, even.
 * zero_point:       of the input, in all four bytes. */
typedef struct {
    int32_t channels, multiplier;
    int32_t in_lines, in_n, in_pitch, in_step;
    int32_t out_lines, out_n, out_pitch, out_step;
    int32_t k_lines, k_n;
    int32_t stride_lines, stride_n;
    int32_t pad_lines, pad_n;
    int32_t band, plane_n, zero_point;
    int32_t rounding, out_offset;
    int32_t act_min, act_max;
} mcugen_dsp_depthwise_params;

#define MCUGEN_DSP_DEPTHWISE_GROUP 4

/* 32-bit words of one plane. */
MCUGEN_KERNEL int32_t mcugen_dsp_plane_words(const mcugen_dsp_depthwise_params *p)
{
    return ((p->band - 1) * p->stride_lines + p->k_lines) * p->plane_n / 2;
}

/* Two pixels of four channels into four planes, 14 instructions for 8 values. */
MCUGEN_KERNEL void mcugen_dsp_spread_2(int32_t *plane, int32_t plane_words, uint32_t pixel0, uint32_t pixel1)
{
    const uint32_t mask = 0x01FE01FEU;
    const uint32_t low = mcugen_dsp_pack_low(pixel0, pixel1) ^ 0x80808080U;
    const uint32_t high = mcugen_dsp_pack_high(pixel0, pixel1) ^ 0x80808080U;
    plane[0] = (int32_t)((low << 1) & mask);
    plane[plane_words] = (int32_t)((low >> 7) & mask);
    plane[2 * plane_words] = (int32_t)((high << 1) & mask);
    plane[3 * plane_words] = (int32_t)((high >> 7) & mask);
}

/* Channels of one pixel of a line, zero points beside it; count: channels that are there. */
MCUGEN_KERNEL uint32_t mcugen_dsp_pixel(const mcugen_dsp_depthwise_params *p, const int8_t *line,
                                        int32_t pixel, int32_t count)
{
    if (pixel < 0 || pixel >= p->in_n) {
        return (uint32_t)p->zero_point;
    }
    const int8_t *const channels = line + pixel * p->in_step;
    if (p->channels % MCUGEN_DSP_DEPTHWISE_GROUP == 0 || count == MCUGEN_DSP_DEPTHWISE_GROUP) {
        return mcugen_load_word(channels);
    }
    uint32_t word = 0;
    for (int32_t c = 0; c < count; c++) {
        word |= (uint32_t)(uint8_t)channels[c] << (8 * c);
    }
    return word;
}

/* One line of the input into its place in the planes. */
MCUGEN_KERNEL void mcugen_dsp_spread_line(const mcugen_dsp_depthwise_params *p, int32_t *plane,
                                          const int8_t *line, int32_t count)
{
    const int32_t plane_words = mcugen_dsp_plane_words(p);
    const int32_t words = p->plane_n / 2;
    const int32_t first = (p->pad_n + 1) / 2;
    const int32_t end = mcugen_min((p->pad_n + p->in_n) / 2, words);
    const int32_t by_word =
        p->channels % MCUGEN_DSP_DEPTHWISE_GROUP == 0 || count == MCUGEN_DSP_DEPTHWISE_GROUP;
    const int8_t *pixels = line + (2 * first - p->pad_n) * p->in_step;
    for (int32_t i = 0; i < words; i++) {
        if (by_word && i == first && first < end) {
            for (; i < end; i++) {
                mcugen_dsp_spread_2(plane + i, plane_words, mcugen_load_word(pixels),
                                    mcugen_load_word(pixels + p->in_step));
                pixels += 2 * p->in_step;
            }
            if (i == words) {
                break;
            }
        }
        mcugen_dsp_spread_2(plane + i, plane_words, mcugen_dsp_pixel(p, line, 2 * i - p->pad_n, count),
                            mcugen_dsp_pixel(p, line, 2 * i + 1 - p->pad_n, count));
    }
}

/* A line of the planes that lies outside the input. */
MCUGEN_KERNEL void mcugen_dsp_spread_padding(const mcugen_dsp_depthwise_params *p, int32_t *plane)
{
    for (int32_t i = 0; i < p->plane_n / 2; i++) {
        mcugen_dsp_spread_2(plane + i, mcugen_dsp_plane_words(p), (uint32_t)p->zero_point,
                            (uint32_t)p->zero_point);
    }
}

/* The planes for the band of ``lines`` output lines from ``first`` on, of channels that start at input. */
MCUGEN_KERNEL void mcugen_dsp_spread_band(const mcugen_dsp_depthwise_params *p, int32_t *planes,
                                          const int8_t *input, int32_t first, int32_t lines, int32_t count)
{
    const int32_t top = first * p->stride_lines - p->pad_lines;
    for (int32_t i = 0; i < (lines - 1) * p->stride_lines + p->k_lines; i++) {
        int32_t *const plane = planes + i * (p->plane_n / 2);
        if (top + i < 0 || top + i >= p->in_lines) {
            mcugen_dsp_spread_padding(p, plane);
        } else {
            mcugen_dsp_spread_line(p, plane, input + (top + i) * p->in_pitch, count);
        }
    }
}

/* ---- 3x3 ----------------------------------------------------------------------------------------------- */

/* One channel of a band; the assembly knows the order of the fields. Distances are in bytes.
 * weights:    three words, the taps (w0, w1, w1, w2) of each row of the kernel.
 * requant:    twice the bias, multiplier, -2^(32 + shift).
 * pair_bytes: from the first output of a line to the end of those that are made in pairs; odd: 1 if one is
 * left. out_skip:   from the end of a line of outputs to the next; plane_skip: of values. out_end:    where a
 * line after the last would start. */
typedef struct {
    const int8_t *weights;
    const int32_t *plane;
    int32_t plane_pitch;
    int8_t *out;
    const int32_t *requant;
    int32_t out_offset;
    int32_t out_step, pair_bytes, odd, out_skip, plane_skip;
    const int8_t *out_end;
} mcugen_dsp_channel_3x3;

/* clang-format off */

/* One row of the window for outputs n (r10) and n + 1 (r11), stride 1: 5 instructions for 6 products. */
#define MCUGEN_DSP_PAIR_ROW_1(x, w01, w12)                                                                   \
    "ldrd   r12, lr, [" x "], #4     \n" /* (x0,x1) (x2,x3) */                                               \
    "smlad  r10, r12, " w01 ", r10   \n"                                                                     \
    "smlatb r11, r12, " w01 ", r11   \n"                                                                     \
    "smlabt r10, lr, " w12 ", r10    \n"                                                                     \
    "smlad  r11, lr, " w12 ", r11    \n"

/* With a stride of 2: 6 instructions. */
#define MCUGEN_DSP_PAIR_ROW_2(x, w01, w12)                                                                   \
    "ldrd   r12, lr, [" x "], #8     \n" /* (x0,x1) (x2,x3) */                                               \
    "smlad  r10, r12, " w01 ", r10   \n"                                                                     \
    "smlabt r10, lr, " w12 ", r10    \n"                                                                     \
    "ldr    r12, [" x "]             \n" /* (x4,x5) */                                                       \
    "smlad  r11, lr, " w01 ", r11    \n"                                                                     \
    "smlabt r11, r12, " w12 ", r11   \n"

/* For one output. */
#define MCUGEN_DSP_SINGLE_ROW(x, w01, w12)                                                                   \
    "ldrd   r12, lr, [" x "], #4     \n"                                                                     \
    "smlad  r10, r12, " w01 ", r10   \n"                                                                     \
    "smlabt r10, lr, " w12 ", r10    \n"

/* Ties of negative values away from zero: x + (x >> 31) before rounding up. */
#define MCUGEN_DSP_CHANNEL_UP(sum) ""
#define MCUGEN_DSP_CHANNEL_AWAY(sum) "add " sum ", " sum ", " sum ", asr #31 \n"

/*
 * The body of void f(const mcugen_dsp_channel_3x3 *channel). 30 instructions for two outputs (33 with stride
 * 2), 17 for one, 14 more for each line; with ties away 1 more for each output.
 * Registers: r0-r2 three lines of values, r3 output, r4-r9 taps (w0,w1) and (w1,w2) of each row.
 * Stack: 0 4 bias, 8 multiplier, 12 shift, 16 end of pairs, 20 step, 24 offset, 28 pair_bytes, 32 odd,
 *        36 out_skip, 40 plane_skip, 44 out_end.
 */
#define MCUGEN_DSP_DEPTHWISE_3X3(pair_row, ties)                                                             \
    "push   {r4-r11, lr}             \n"                                                                     \
    "sub    sp, #52                  \n"                                                                     \
    "ldr    r12, [r0, #16]           \n"                                                                     \
    "ldm    r12, {r1, r2, r3}        \n"                                                                     \
    "strd   r1, r1, [sp]             \n"                                                                     \
    "strd   r2, r3, [sp, #8]         \n"                                                                     \
    "ldrd   r1, r2, [r0, #20]        \n"                                                                     \
    "strd   r2, r1, [sp, #20]        \n"                                                                     \
    "add    r12, r0, #28             \n"                                                                     \
    "ldm    r12, {r4-r8}             \n"                                                                     \
    "add    r12, sp, #28             \n"                                                                     \
    "stm    r12, {r4-r8}             \n"                                                                     \
    "ldm    r0, {r0, r1, r2, r3}     \n" /* weights, plane, pitch, out */                                    \
    "ldm    r0, {r5, r7, r9}         \n"                                                                     \
    "sxtb16 r4, r5                   \n"                                                                     \
    "sxtb16 r5, r5, ror #8           \n"                                                                     \
    "sxtb16 r6, r7                   \n"                                                                     \
    "sxtb16 r7, r7, ror #8           \n"                                                                     \
    "sxtb16 r8, r9                   \n"                                                                     \
    "sxtb16 r9, r9, ror #8           \n"                                                                     \
    "mov    r0, r1                   \n"                                                                     \
    "add    r1, r0, r2               \n"                                                                     \
    "add    r2, r1, r2               \n"                                                                     \
    "1:                              \n" /* a line */                                                        \
    "ldr    r12, [sp, #28]           \n"                                                                     \
    "add    r12, r3                  \n"                                                                     \
    "str    r12, [sp, #16]           \n"                                                                     \
    "2:                              \n" /* two outputs */                                                   \
    "ldrd   r10, r11, [sp]           \n" pair_row("r0", "r4", "r5") pair_row("r1", "r6", "r7")               \
        pair_row("r2", "r8", "r9")                                                                           \
    "ldrd   r12, lr, [sp, #8]        \n"                                                                     \
    "smmulr r10, r10, r12            \n"                                                                     \
    "smmulr r11, r11, r12            \n" ties("r10") ties("r11")                                             \
    "ldr    r12, [sp, #24]           \n"                                                                     \
    "smmlsr r10, r10, lr, r12        \n"                                                                     \
    "smmlsr r11, r11, lr, r12        \n"                                                                     \
    "ldrd   r12, lr, [sp, #16]       \n"                                                                     \
    "ssat   r10, #8, r10             \n"                                                                     \
    "ssat   r11, #8, r11             \n"                                                                     \
    "strb   r10, [r3]                \n"                                                                     \
    "strb   r11, [r3, lr]            \n"                                                                     \
    "add    r3, r3, lr, lsl #1       \n"                                                                     \
    "cmp    r3, r12                  \n"                                                                     \
    "bne    2b                       \n"                                                                     \
    "ldr    r12, [sp, #32]           \n"                                                                     \
    "cmp    r12, #0                  \n"                                                                     \
    "beq    3f                       \n"                                                                     \
    "ldr    r10, [sp]                \n" MCUGEN_DSP_SINGLE_ROW("r0", "r4", "r5")                             \
        MCUGEN_DSP_SINGLE_ROW("r1", "r6", "r7") MCUGEN_DSP_SINGLE_ROW("r2", "r8", "r9")                      \
    "ldrd   r12, lr, [sp, #8]        \n"                                                                     \
    "smmulr r10, r10, r12            \n" ties("r10")                                                         \
    "ldrd   r11, r12, [sp, #20]      \n"                                                                     \
    "smmlsr r10, r10, lr, r12        \n"                                                                     \
    "ssat   r10, #8, r10             \n"                                                                     \
    "strb   r10, [r3]                \n"                                                                     \
    "add    r3, r11                  \n"                                                                     \
    "3:                              \n"                                                                     \
    "ldrd   r10, r11, [sp, #36]      \n"                                                                     \
    "ldr    r12, [sp, #44]           \n"                                                                     \
    "add    r3, r10                  \n"                                                                     \
    "add    r0, r11                  \n"                                                                     \
    "add    r1, r11                  \n"                                                                     \
    "add    r2, r11                  \n"                                                                     \
    "cmp    r3, r12                  \n"                                                                     \
    "bne    1b                       \n"                                                                     \
    "add    sp, #52                  \n"                                                                     \
    "pop    {r4-r11, pc}             \n"

/* clang-format on */

#define MCUGEN_DSP_CHANNEL_3X3(name, pair_row, ties)                                                         \
    MCUGEN_DSP_SHARED __attribute__((naked)) void mcugen_dsp_channel_3x3_##name(                             \
        MCUGEN_DSP_PARAM const mcugen_dsp_channel_3x3 *channel)                                              \
    {                                                                                                        \
        __asm volatile(MCUGEN_DSP_DEPTHWISE_3X3(pair_row, ties));                                            \
    }

MCUGEN_DSP_CHANNEL_3X3(stride_1_up, MCUGEN_DSP_PAIR_ROW_1, MCUGEN_DSP_CHANNEL_UP)
MCUGEN_DSP_CHANNEL_3X3(stride_1_away, MCUGEN_DSP_PAIR_ROW_1, MCUGEN_DSP_CHANNEL_AWAY)
MCUGEN_DSP_CHANNEL_3X3(stride_2_up, MCUGEN_DSP_PAIR_ROW_2, MCUGEN_DSP_CHANNEL_UP)
MCUGEN_DSP_CHANNEL_3X3(stride_2_away, MCUGEN_DSP_PAIR_ROW_2, MCUGEN_DSP_CHANNEL_AWAY)

MCUGEN_KERNEL void mcugen_dsp_run_channel_3x3(const mcugen_dsp_depthwise_params *p,
                                              const mcugen_dsp_channel_3x3 *channel)
{
    if (p->rounding == MCUGEN_DSP_UP) {
        (p->stride_n == 1 ? mcugen_dsp_channel_3x3_stride_1_up : mcugen_dsp_channel_3x3_stride_2_up)(channel);
    } else {
        (p->stride_n == 1 ? mcugen_dsp_channel_3x3_stride_1_away
                          : mcugen_dsp_channel_3x3_stride_2_away)(channel);
    }
}

/* Needs the whole int8 range as clamp, a stride of 1 or 2 along lines, lines of two outputs or more, and no
 * exact rounding. */
MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_dsp_3x3(const mcugen_dsp_depthwise_params *p,
                                                      const int8_t *input, const int8_t *weights,
                                                      const int32_t *requant, int8_t *output, void *scratch)
{
    const int32_t pairs = p->out_n / 2;
    const int32_t odd = p->out_n % 2;
    mcugen_dsp_channel_3x3 channel = {
        .weights = weights,
        .plane_pitch = 2 * p->plane_n,
        .requant = requant,
        .out_offset = p->out_offset,
        .out_step = p->out_step,
        .pair_bytes = 2 * pairs * p->out_step,
        .odd = odd,
        .out_skip = p->out_pitch - p->out_n * p->out_step,
        .plane_skip = p->stride_lines * 2 * p->plane_n - 4 * (p->stride_n * pairs + odd),
    };
    int32_t *const planes = scratch;
    for (int32_t first = 0; first < p->out_lines; first += p->band) {
        const int32_t lines = mcugen_min(p->band, p->out_lines - first);
        for (int32_t first_c = 0; first_c < p->channels; first_c += MCUGEN_DSP_DEPTHWISE_GROUP) {
            const int32_t count = mcugen_min(p->channels - first_c, MCUGEN_DSP_DEPTHWISE_GROUP);
            mcugen_dsp_spread_band(p, planes, input + first_c, first, lines, count);
            channel.plane = planes;
            channel.out = output + first * p->out_pitch + first_c * p->multiplier;
            for (int32_t c = 0; c < count; c++) {
                for (int32_t k = 0; k < p->multiplier; k++) {
                    const int32_t out_c = (first_c + c) * p->multiplier + k;
                    channel.weights = weights + 12 * out_c;
                    channel.requant = requant + 3 * out_c;
                    channel.out_end = channel.out + lines * p->out_pitch;
                    mcugen_dsp_run_channel_3x3(p, &channel);
                    channel.out++;
                }
                channel.plane += mcugen_dsp_plane_words(p);
            }
        }
    }
}

/* ---- any size ------------------------------------------------------------------------------------------ */

/* Twice the sums over the windows of ``count`` outputs next to each other, the first window at values; taps
 * are int16 pairs, with a zero after an odd number. */
MCUGEN_KERNEL void mcugen_dsp_window_sums(const mcugen_dsp_depthwise_params *p, const int16_t *values,
                                          const int16_t *taps, int32_t count, int32_t *sums)
{
    for (int32_t i = 0; i < count; i++) {
        sums[i] = 0;
    }
    for (int32_t line = 0; line < p->k_lines; line++) {
#pragma GCC unroll 8
        for (int32_t i = 0; i < (p->k_n + 1) / 2; i++) {
            const int32_t pair = (int32_t)mcugen_load_word(taps + 2 * i);
            for (int32_t n = 0; n < count; n++) {
                const int32_t x = (int32_t)mcugen_load_word(values + n * p->stride_n + 2 * i);
                sums[n] = __smlad(x, pair, sums[n]);
            }
        }
        taps += (p->k_n + 1) / 2 * 2;
        values += p->plane_n;
    }
}

/* ``count`` outputs next to each other. */
MCUGEN_KERNEL void mcugen_dsp_outputs_any(const mcugen_dsp_depthwise_params *p, const int16_t *values,
                                          const int16_t *taps, const int32_t *requant, int8_t *output,
                                          int32_t count)
{
    const mcugen_dsp_output out = {p->rounding, p->out_offset, p->act_min, p->act_max};
    int32_t sums[2];
    mcugen_dsp_window_sums(p, values, taps, count, sums);
    for (int32_t n = 0; n < count; n++) {
        const int32_t sum = p->rounding == MCUGEN_DSP_EXACT ? sums[n] >> 1 : sums[n];
        output[n * p->out_step] =
            (int8_t)mcugen_dsp_requantize(out, mcugen_wrapping_add(sum, requant[0]), requant[1], requant[2]);
    }
}

/* One channel of a band. */
MCUGEN_KERNEL void mcugen_dsp_channel_any(const mcugen_dsp_depthwise_params *p, const int32_t *plane,
                                          const int16_t *taps, const int32_t *requant, int8_t *output,
                                          int32_t lines)
{
    for (int32_t line = 0; line < lines; line++) {
        const int16_t *values = (const int16_t *)plane + line * p->stride_lines * p->plane_n;
        int8_t *target = output + line * p->out_pitch;
        for (int32_t n = 0; n < p->out_n / 2; n++) {
            mcugen_dsp_outputs_any(p, values, taps, requant, target, 2);
            values += 2 * p->stride_n;
            target += 2 * p->out_step;
        }
        if (p->out_n % 2 > 0) {
            mcugen_dsp_outputs_any(p, values, taps, requant, target, 1);
        }
    }
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_dsp(const mcugen_dsp_depthwise_params *p, const int8_t *input,
                                                  const int16_t *weights, const int32_t *requant,
                                                  int8_t *output, void *scratch)
{
    const int32_t channel_taps = p->k_lines * ((p->k_n + 1) / 2 * 2);
    int32_t *const planes = scratch;
    for (int32_t first = 0; first < p->out_lines; first += p->band) {
        const int32_t lines = mcugen_min(p->band, p->out_lines - first);
        for (int32_t first_c = 0; first_c < p->channels; first_c += MCUGEN_DSP_DEPTHWISE_GROUP) {
            const int32_t count = mcugen_min(p->channels - first_c, MCUGEN_DSP_DEPTHWISE_GROUP);
            mcugen_dsp_spread_band(p, planes, input + first_c, first, lines, count);
            for (int32_t c = 0; c < count * p->multiplier; c++) {
                const int32_t out_c = first_c * p->multiplier + c;
                mcugen_dsp_channel_any(p, planes + c / p->multiplier * mcugen_dsp_plane_words(p),
                                       weights + channel_taps * out_c, requant + 3 * out_c,
                                       output + first * p->out_pitch + out_c, lines);
            }
        }
    }
}

#endif
