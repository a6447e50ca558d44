/*
 * Depthwise 2D convolution without dilation, one channel after the other, three pixels in lanes.
 *
 * Constants: weights int8 [channels][k_lines][k_n]; requant int32 [channels][4], see requantize.h. Scratch: a
 * plane (see ../v6m/depthwise_lanes.h).
 */
#ifndef MCUGEN_V7M_DEPTHWISE_CONV2D_S8_H
#define MCUGEN_V7M_DEPTHWISE_CONV2D_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../v6m/depthwise_lanes.h"
#include "requantize.h"

/* One line of windows of three, for two neighbouring outputs in three bands: 18 products.
 * r4 r5, r6 r8: two elements of the plane. */
#ifdef __thumb2__
#define MCUGEN_V7M_LINE_ASM(text)                                                                            \
    __asm volatile(text                                                                                      \
                   : [x] "+r"(x), [u] "=&r"(u), [v] "=&r"(v), [a] "+r"(s[0].first), [b] "+r"(s[0].second),   \
                     [c] "+r"(s[1].first), [d] "+r"(s[1].second)                                             \
                   : [w] "r"(w)                                                                              \
                   : "r4", "r5", "r6", "r8", "memory")
#endif

/* Stride 1: 17 instructions. */
MCUGEN_KERNEL void mcugen_v7m_line_of_3_stride_1(mcugen_lanes *s, const uint32_t *x, const int8_t *w)
{
#ifdef __thumb2__
    int32_t u;
    int32_t v;
    MCUGEN_V7M_LINE_ASM("ldm   %[x]!, {r4, r5, r6, r8} \n"
                        "ldrsb %[u], [%[w]]         \n"
                        "ldrsb %[v], [%[w], #1]     \n"
                        "mla   %[a], %[u], r4, %[a] \n"
                        "mla   %[b], %[u], r5, %[b] \n"
                        "mla   %[c], %[u], r6, %[c] \n"
                        "mla   %[d], %[u], r8, %[d] \n"
                        "mla   %[a], %[v], r6, %[a] \n"
                        "mla   %[b], %[v], r8, %[b] \n"
                        "ldm   %[x], {r4, r5, r6, r8} \n"
                        "ldrsb %[u], [%[w], #2]     \n"
                        "mla   %[c], %[v], r4, %[c] \n"
                        "mla   %[d], %[v], r5, %[d] \n"
                        "mla   %[a], %[u], r4, %[a] \n"
                        "mla   %[b], %[u], r5, %[b] \n"
                        "mla   %[c], %[u], r6, %[c] \n"
                        "mla   %[d], %[u], r8, %[d] \n");
#else
    for (int32_t i = 0; i < 3; i++) {
        s[0] = mcugen_lanes_multiply_add(s[0], w[i], x + 2 * i);
        s[1] = mcugen_lanes_multiply_add(s[1], w[i], x + 2 * i + 2);
    }
#endif
}

/* Stride 2: 20 instructions. */
MCUGEN_KERNEL void mcugen_v7m_line_of_3_stride_2(mcugen_lanes *s, const uint32_t *x, const int8_t *w)
{
#ifdef __thumb2__
    int32_t u;
    int32_t v;
    MCUGEN_V7M_LINE_ASM("ldm   %[x]!, {r4, r5, r6, r8} \n"
                        "ldrsb %[u], [%[w]]         \n"
                        "ldrsb %[v], [%[w], #1]     \n"
                        "mla   %[a], %[u], r4, %[a] \n"
                        "mla   %[b], %[u], r5, %[b] \n"
                        "mla   %[a], %[v], r6, %[a] \n"
                        "mla   %[b], %[v], r8, %[b] \n"
                        "ldm   %[x]!, {r4, r5, r6, r8} \n"
                        "mla   %[c], %[u], r4, %[c] \n"
                        "mla   %[d], %[u], r5, %[d] \n"
                        "mla   %[c], %[v], r6, %[c] \n"
                        "mla   %[d], %[v], r8, %[d] \n"
                        "ldrsb %[u], [%[w], #2]     \n"
                        "mla   %[a], %[u], r4, %[a] \n"
                        "mla   %[b], %[u], r5, %[b] \n"
                        "ldm   %[x], {r4, r5}       \n"
                        "mla   %[c], %[u], r4, %[c] \n"
                        "mla   %[d], %[u], r5, %[d] \n");
#else
    for (int32_t i = 0; i < 3; i++) {
        s[0] = mcugen_lanes_multiply_add(s[0], w[i], x + 2 * i);
        s[1] = mcugen_lanes_multiply_add(s[1], w[i], x + 2 * i + 4);
    }
#endif
}

/* The sums of two neighbouring outputs per band, for windows three wide; x: where they start in the plane. */
MCUGEN_KERNEL void mcugen_v7m_two_windows(const mcugen_lanes_depthwise_params *p, int32_t *sums,
                                          const uint32_t *x, const int8_t *weights)
{
    mcugen_lanes s[2] = {{0, 0}, {0, 0}};
#pragma GCC unroll 3
    for (int32_t line = 0; line < p->k_lines; line++) {
        if (p->stride_n == 1) {
            mcugen_v7m_line_of_3_stride_1(s, x, weights);
        } else {
            mcugen_v7m_line_of_3_stride_2(s, x, weights);
        }
        weights += 3;
        x += 2 * p->plane_n;
    }
    mcugen_lanes_add_to(sums, s[0]);
    mcugen_lanes_add_to(sums + MCUGEN_LANES, s[1]);
}

/* The sums of one output per band, for any window. */
MCUGEN_KERNEL void mcugen_v7m_one_window(const mcugen_lanes_depthwise_params *p, int32_t *sums,
                                         const uint32_t *x, const int8_t *weights)
{
    mcugen_lanes lanes = {0, 0};
    for (int32_t line = 0; line < p->k_lines; line++) {
#pragma GCC unroll 4
        for (int32_t i = 0; i < p->k_n; i++) {
            lanes = mcugen_lanes_multiply_add(lanes, *weights++, x + 2 * i);
        }
        x += 2 * p->plane_n;
    }
    mcugen_lanes_add_to(sums, lanes);
}

/* One line of outputs in each band; x: the first of its lines in the plane. */
MCUGEN_KERNEL void mcugen_v7m_depthwise_line(const mcugen_lanes_depthwise_params *p, const uint32_t *x,
                                             const int8_t *weights, mcugen_v7m_row row,
                                             mcugen_outputs outputs)
{
    const mcugen_v7m_output out = {p->rounding, p->out_offset, p->act_min, p->act_max};
    const int32_t together = p->k_n == 3 && p->stride_n <= 2 && p->out_n >= 2 ? 2 : 1;
    for (int32_t first = 0; first < p->out_n; first += together) {
        int32_t sums[2 * MCUGEN_LANES] = {0};
        first = mcugen_min(first, p->out_n - together);
        if (together == 2) {
            mcugen_v7m_two_windows(p, sums, x + 2 * first * p->stride_n, weights);
        } else {
            mcugen_v7m_one_window(p, sums, x + 2 * first * p->stride_n, weights);
        }
#pragma GCC unroll 6
        for (int32_t i = 0; i < together * MCUGEN_LANES; i++) {
            int8_t *const to = outputs.to[i % MCUGEN_LANES] + (first + i / MCUGEN_LANES) * p->out_step;
            *to = mcugen_v7m_requantize(out, sums[i], row);
        }
    }
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_v7m(const mcugen_lanes_depthwise_params *p, const int8_t *input,
                                                  const int8_t *weights, const int32_t *requant,
                                                  int8_t *output, void *scratch)
{
    for (int32_t first = 0; first < p->out_lines; first += MCUGEN_LANES * p->band) {
        const mcugen_bands bands = mcugen_bands_from(p, first);
        for (int32_t c = 0; c < p->channels; c++) {
            const int32_t *const words = requant + MCUGEN_V7M_ROW_WORDS * c;
            const mcugen_v7m_row row = mcugen_v7m_load_row(words[0], words + 1);
            mcugen_outputs outputs = mcugen_outputs_of(p, output + c, bands);
            const uint32_t *x = scratch;
            mcugen_plane_fill(p, scratch, input + c, bands);
            for (int32_t line = 0; line < p->band; line++) {
                mcugen_v7m_depthwise_line(p, x, weights + c * p->k_lines * p->k_n, row, outputs);
                x += 2 * p->stride_lines * p->plane_n;
                outputs.to[0] += p->out_pitch;
                outputs.to[1] += p->out_pitch;
                outputs.to[2] += p->out_pitch;
            }
        }
    }
}

#endif
