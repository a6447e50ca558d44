/*
 * 2D convolution with one group: six output pixels at a time, in lanes, one output channel after the other.
 *
 * Constants: weights int8 [out_c][taps], taps in the order of the window, zeros behind them; requant int32
 * [out_c][4], see requantize.h. Scratch: the columns, 16 bytes a tap, then copies of three windows if some
 * leave the input.
 */
#ifndef MCUGEN_V7M_CONV2D_S8_H
#define MCUGEN_V7M_CONV2D_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../v6m/window_lanes.h"
#include "requantize.h"

enum { MCUGEN_V7M_GROUPS = 2, MCUGEN_V7M_PIXELS = 6, MCUGEN_V7M_WORDS = 4 };

/* One tap of six pixels: 6 instructions for 6 products. */
#define MCUGEN_V7M_TAP                                                                                       \
    "ldm   %[x]!, {r4, r5, r6, r8} \n"                                                                       \
    "ldrsb %[v], [%[w]], #1        \n"                                                                       \
    "mla   %[a], %[v], r4, %[a]    \n"                                                                       \
    "mla   %[b], %[v], r5, %[b]    \n"                                                                       \
    "mla   %[c], %[v], r6, %[c]    \n"                                                                       \
    "mla   %[d], %[v], r8, %[d]    \n"

#define MCUGEN_V7M_TAPS(taps)                                                                                \
    __asm volatile("1:              \n" taps "cmp %[x], %[end] \n"                                           \
                   "bne 1b          \n"                                                                      \
                   : [x] "+r"(x), [w] "+r"(w), [v] "=&r"(value), [a] "+r"(s[0].first),                       \
                     [b] "+r"(s[0].second), [c] "+r"(s[1].first), [d] "+r"(s[1].second)                      \
                   : [end] "r"(end)                                                                          \
                   : "r4", "r5", "r6", "r8", "cc", "memory")

/* Sums of a chunk, added to s; x: its columns, w: its weights. */
MCUGEN_KERNEL void mcugen_v7m_dot(mcugen_lanes *s, const uint32_t *x, const int8_t *w, int32_t chunk)
{
    const uint32_t *const end = x + MCUGEN_V7M_WORDS * chunk;
#ifdef __thumb2__
    int32_t value;
    if (chunk % 8 == 0) {
        MCUGEN_V7M_TAPS(MCUGEN_V7M_TAP MCUGEN_V7M_TAP MCUGEN_V7M_TAP MCUGEN_V7M_TAP MCUGEN_V7M_TAP
                            MCUGEN_V7M_TAP MCUGEN_V7M_TAP MCUGEN_V7M_TAP);
    } else {
        MCUGEN_V7M_TAPS(MCUGEN_V7M_TAP MCUGEN_V7M_TAP MCUGEN_V7M_TAP MCUGEN_V7M_TAP);
    }
#else
    for (; x < end; x += MCUGEN_V7M_WORDS) {
        s[0] = mcugen_lanes_multiply_add(s[0], *w, x);
        s[1] = mcugen_lanes_multiply_add(s[1], *w, x + 2);
        w++;
    }
#endif
}

/* All outputs of six pixels. */
MCUGEN_KERNEL void mcugen_v7m_multiply(const mcugen_lanes_conv_params *p, const uint32_t *columns,
                                       const int8_t *weights, const int32_t *requant, int8_t *output)
{
    const mcugen_v7m_output out = {p->rounding, p->out_offset, p->act_min, p->act_max};
    const int32_t pixels = p->out_h * p->out_w;
    for (int32_t channel = 0; channel < p->out_c; channel++) {
        int32_t sums[MCUGEN_V7M_PIXELS] = {0};
        for (int32_t tap = 0; tap < p->taps; tap += p->chunk) {
            mcugen_lanes s[MCUGEN_V7M_GROUPS] = {{0, 0}, {0, 0}};
            mcugen_v7m_dot(s, columns + MCUGEN_V7M_WORDS * tap, weights, p->chunk);
            weights += p->chunk;
            mcugen_lanes_add_to(sums, s[0]);
            mcugen_lanes_add_to(sums + MCUGEN_LANES, s[1]);
        }
        const mcugen_v7m_row row = mcugen_v7m_load_row(requant[0], requant + 1);
#pragma GCC unroll 6
        for (int32_t i = 0; i < MCUGEN_V7M_PIXELS; i++) {
            output[mcugen_min(i, pixels - 1) * p->out_c] = mcugen_v7m_requantize(out, sums[i], row);
        }
        requant += MCUGEN_V7M_ROW_WORDS;
        output++;
    }
}

MCUGEN_KERNEL void mcugen_conv2d_s8_v7m(const mcugen_lanes_conv_params *p, const int8_t *input,
                                        const int8_t *weights, const int32_t *requant, int8_t *output,
                                        void *scratch)
{
    uint32_t *const columns = scratch;
    int8_t *const copies = (int8_t *)(columns + MCUGEN_V7M_WORDS * p->taps);
    const int32_t pixels = p->out_h * p->out_w;
    mcugen_corner corners[MCUGEN_V7M_PIXELS];
    mcugen_corner next = mcugen_corner_of(p, 0);
    for (int32_t first = 0; first < pixels; first += MCUGEN_V7M_PIXELS) {
        if (pixels >= MCUGEN_V7M_PIXELS && first > pixels - MCUGEN_V7M_PIXELS) {
            first = pixels - MCUGEN_V7M_PIXELS; /* some once more */
            next = mcugen_corner_of(p, first);
        }
        mcugen_take_corners(p, corners, MCUGEN_V7M_PIXELS, first, &next);
        for (int32_t group = 0; group < MCUGEN_V7M_GROUPS; group++) {
            mcugen_lanes_column(p, columns + 2 * group, MCUGEN_V7M_WORDS, input,
                                corners + MCUGEN_LANES * group, copies);
        }
        mcugen_v7m_multiply(p, columns, weights, requant, output + first * p->out_c);
    }
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_v7m_one_channel(const mcugen_lanes_conv_params *p,
                                                              const int8_t *input, const int8_t *weights,
                                                              const int32_t *requant, int8_t *output,
                                                              void *scratch)
{
    mcugen_conv2d_s8_v7m(p, input, weights, requant, output, scratch);
}

/* Rows as pixels. */
MCUGEN_KERNEL void mcugen_fully_connected_s8_v7m_rows(const mcugen_lanes_conv_params *p, const int8_t *input,
                                                      const int8_t *weights, const int32_t *requant,
                                                      int8_t *output, void *scratch)
{
    mcugen_conv2d_s8_v7m(p, input, weights, requant, output, scratch);
}

#endif
