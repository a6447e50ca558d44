/*
 * 2D convolution with one group: three output pixels at a time, in lanes, two output channels after two.
 *
 * Constants: weights uint8 [pairs of channels][taps][2], the weights plus 128, taps in the order of the
 * window; requant int32 [out_c][scaling + 3], see requantize.h. Scratch: 8 bytes per chunk for -128 times the
 * sums of its values, which take the 128 back; the columns, 8 bytes a tap; then copies of three windows if
 * some leave the input.
 */
#ifndef MCUGEN_V6M_CONV2D_S8_H
#define MCUGEN_V6M_CONV2D_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "requantize.h"
#include "window_lanes.h"

enum { MCUGEN_V6M_CHANNELS = 2 };

/* One tap of three pixels and two channels: 13 instructions for 6 products. */
#define MCUGEN_V6M_TAP(first, second)                                                                        \
    "ldmia %[x]!, {r4, r5}          \n"                                                                      \
    "ldrb  %[u], [%[w], #" first "]  \n"                                                                     \
    "movs  %[v], %[u]               \n"                                                                      \
    "muls  %[u], r4, %[u]           \n"                                                                      \
    "muls  %[v], r5, %[v]           \n"                                                                      \
    "add   %[a], %[u]               \n"                                                                      \
    "add   %[b], %[v]               \n"                                                                      \
    "ldrb  %[u], [%[w], #" second "] \n"                                                                     \
    "muls  r4, %[u], r4             \n"                                                                      \
    "muls  r5, %[u], r5             \n"                                                                      \
    "add   %[c], r4                 \n"                                                                      \
    "add   %[d], r5                 \n"

#define MCUGEN_V6M_TAPS(taps, bytes)                                                                         \
    __asm volatile(".syntax unified       \n"                                                                \
                   "1:                    \n" taps "adds %[w], #" bytes " \n"                                \
                   "cmp   %[x], %[end]    \n"                                                                \
                   "bne   1b              \n"                                                                \
                   : [x] "+l"(x), [w] "+l"(w), [u] "=&l"(u), [v] "=&l"(v), [a] "+h"(a), [b] "+h"(b),         \
                     [c] "+h"(c), [d] "+h"(d)                                                                \
                   : [end] "h"(end)                                                                          \
                   : "r4", "r5", "cc", "memory")

#define MCUGEN_V6M_FOUR_TAPS                                                                                 \
    MCUGEN_V6M_TAP("0", "1") MCUGEN_V6M_TAP("2", "3") MCUGEN_V6M_TAP("4", "5") MCUGEN_V6M_TAP("6", "7")
#define MCUGEN_V6M_FOUR_MORE                                                                                 \
    MCUGEN_V6M_TAP("8", "9")                                                                                 \
    MCUGEN_V6M_TAP("10", "11")                                                                               \
    MCUGEN_V6M_TAP("12", "13")                                                                               \
    MCUGEN_V6M_TAP("14", "1"                                                                                 \
                         "5")

/* Sums of a chunk for two channels, added to s; x: its columns, w: its weights. */
MCUGEN_KERNEL void mcugen_v6m_dot(mcugen_lanes *s, const uint32_t *x, const uint8_t *w, int32_t chunk)
{
    const uint32_t *const end = x + 2 * chunk;
#ifdef MCUGEN_V6M_HAS_HIGH_REGISTERS
    uint32_t u;
    uint32_t v;
    register uint32_t a __asm("r8") = s[0].first;
    register uint32_t b __asm("r9") = s[0].second;
    register uint32_t c __asm("r10") = s[1].first;
    register uint32_t d __asm("r11") = s[1].second;
    if (chunk % 8 == 0) {
        MCUGEN_V6M_TAPS(MCUGEN_V6M_FOUR_TAPS MCUGEN_V6M_FOUR_MORE, "16");
    } else {
        MCUGEN_V6M_TAPS(MCUGEN_V6M_FOUR_TAPS, "8");
    }
    s[0].first = a;
    s[0].second = b;
    s[1].first = c;
    s[1].second = d;
#else
    for (; x < end; x += 2) {
        s[0] = mcugen_lanes_multiply_add(s[0], w[0], x);
        s[1] = mcugen_lanes_multiply_add(s[1], w[1], x);
        w += MCUGEN_V6M_CHANNELS;
    }
#endif
}

/* What sums over a column start with, from the sum of its values. */
MCUGEN_KERNEL void mcugen_v6m_set_start(uint32_t *start, mcugen_lanes sums)
{
    start[0] = 0U - (sums.first << 7);
    start[1] = 0U - (sums.second << 7);
}

/* The same for columns of several chunks. */
MCUGEN_KERNEL void mcugen_v6m_start_chunks(const mcugen_lanes_conv_params *p, uint32_t *starts,
                                           const uint32_t *column)
{
    for (int32_t tap = 0; tap < p->taps; tap += p->chunk) {
        mcugen_lanes sums = {0, 0};
        for (int32_t i = 0; i < p->chunk; i++) {
            sums.first += *column++;
            sums.second += *column++;
        }
        mcugen_v6m_set_start(starts, sums);
        starts += 2;
    }
}

/* The outputs of three pixels in one channel. */
MCUGEN_KERNEL void mcugen_v6m_put(const mcugen_lanes_conv_params *p, const int32_t *sums, const int32_t *row,
                                  int8_t *output)
{
    const mcugen_v6m_output out = {p->scaling, p->rounding, p->out_offset, p->act_min, p->act_max};
    const int32_t pixels = p->out_h * p->out_w;
#pragma GCC unroll 3
    for (int32_t i = 0; i < MCUGEN_LANES; i++) {
        output[mcugen_min(i, pixels - 1) * p->out_c] = mcugen_v6m_requantize(out, sums[i], row[0], row + 1);
    }
}

/* All outputs of three pixels. */
MCUGEN_KERNEL void mcugen_v6m_multiply(const mcugen_lanes_conv_params *p, const uint32_t *starts,
                                       const uint32_t *column, const uint8_t *weights, const int32_t *requant,
                                       int8_t *output)
{
    const int32_t row_words = 1 + mcugen_v6m_scale_words(p->scaling);
    for (int32_t channel = 0; channel < p->out_c; channel += MCUGEN_V6M_CHANNELS) {
        int32_t sums[MCUGEN_V6M_CHANNELS][MCUGEN_LANES] = {{0}};
        const uint32_t *start = starts;
        for (int32_t tap = 0; tap < p->taps; tap += p->chunk) {
            mcugen_lanes s[MCUGEN_V6M_CHANNELS] = {{start[0], start[1]}, {start[0], start[1]}};
            mcugen_v6m_dot(s, column + 2 * tap, weights, p->chunk);
            mcugen_lanes_add_to(sums[0], s[0]);
            mcugen_lanes_add_to(sums[1], s[1]);
            weights += MCUGEN_V6M_CHANNELS * p->chunk;
            start += 2;
        }
        mcugen_v6m_put(p, sums[0], requant, output);
        if (channel + 1 < p->out_c) {
            mcugen_v6m_put(p, sums[1], requant + row_words, output + 1);
        }
        requant += MCUGEN_V6M_CHANNELS * row_words;
        output += MCUGEN_V6M_CHANNELS;
    }
}

MCUGEN_KERNEL void mcugen_conv2d_s8_v6m(const mcugen_lanes_conv_params *p, const int8_t *input,
                                        const int8_t *weights, const int32_t *requant, int8_t *output,
                                        void *scratch)
{
    uint32_t *const starts = scratch;
    uint32_t *const column = starts + 2 * (p->taps / p->chunk);
    int8_t *const copies = (int8_t *)(column + 2 * p->taps);
    const int32_t pixels = p->out_h * p->out_w;
    mcugen_corner corners[MCUGEN_LANES];
    mcugen_corner next = mcugen_corner_of(p, 0);
    for (int32_t first = 0; first < pixels; first += MCUGEN_LANES) {
        if (pixels >= MCUGEN_LANES && first > pixels - MCUGEN_LANES) {
            first = pixels - MCUGEN_LANES; /* some once more */
            next = mcugen_corner_of(p, first);
        }
        mcugen_take_corners(p, corners, MCUGEN_LANES, first, &next);
        const mcugen_lanes sums = mcugen_lanes_column(p, column, 2, input, corners, copies);
        if (p->chunk == p->taps) {
            mcugen_v6m_set_start(starts, sums);
        } else {
            mcugen_v6m_start_chunks(p, starts, column);
        }
        mcugen_v6m_multiply(p, starts, column, (const uint8_t *)weights, requant, output + first * p->out_c);
    }
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_v6m_one_channel(const mcugen_lanes_conv_params *p,
                                                              const int8_t *input, const int8_t *weights,
                                                              const int32_t *requant, int8_t *output,
                                                              void *scratch)
{
    mcugen_conv2d_s8_v6m(p, input, weights, requant, output, scratch);
}

/* Rows as pixels. */
MCUGEN_KERNEL void mcugen_fully_connected_s8_v6m_rows(const mcugen_lanes_conv_params *p, const int8_t *input,
                                                      const int8_t *weights, const int32_t *requant,
                                                      int8_t *output, void *scratch)
{
    mcugen_conv2d_s8_v6m(p, input, weights, requant, output, scratch);
}

#endif
