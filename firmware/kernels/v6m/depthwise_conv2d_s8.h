/*
 * Depthwise 2D convolution without dilation, one channel after the other, three pixels in lanes.
 *
 * Constants: weights int8 [channels][k_lines][k_n]; requant int32 [channels][scaling + 3], see requantize.h.
 * Scratch: a plane (see depthwise_lanes.h), then the weights of a channel as words.
 */
#ifndef MCUGEN_V6M_DEPTHWISE_CONV2D_S8_H
#define MCUGEN_V6M_DEPTHWISE_CONV2D_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "depthwise_lanes.h"
#include "requantize.h"

/* One tap of three bands: 7 instructions for 3 products. */
#define MCUGEN_V6M_LINE_TAP                                                                                  \
    "ldmia %[w]!, {%[u]}     \n"                                                                             \
    "ldmia %[x]!, {r4, r5}   \n"                                                                             \
    "muls  r4, %[u], r4      \n"                                                                             \
    "muls  r5, %[u], r5      \n"                                                                             \
    "adds  %[a], %[a], r4    \n"                                                                             \
    "adds  %[b], %[b], r5    \n"

/* One line of a window of three, added to s. */
MCUGEN_KERNEL void mcugen_v6m_line_of_3(mcugen_lanes *s, const uint32_t *x, const uint32_t *w)
{
#ifdef __thumb__
    uint32_t u;
    __asm volatile(".syntax unified \n" MCUGEN_V6M_LINE_TAP MCUGEN_V6M_LINE_TAP MCUGEN_V6M_LINE_TAP
                   : [x] "+l"(x), [w] "+l"(w), [u] "=&l"(u), [a] "+l"(s->first), [b] "+l"(s->second)
                   :
                   : "r4", "r5", "cc", "memory");
#else
    for (int32_t i = 0; i < 3; i++) {
        s->first += w[i] * x[2 * i];
        s->second += w[i] * x[2 * i + 1];
    }
#endif
}

/* The sums of one output per band; x: where its windows start in the plane. */
MCUGEN_KERNEL void mcugen_v6m_window(const mcugen_lanes_depthwise_params *p, int32_t *sums, const uint32_t *x,
                                     const uint32_t *weights)
{
    mcugen_lanes s = {0, 0};
#pragma GCC unroll 3
    for (int32_t line = 0; line < p->k_lines; line++) {
        if (p->k_n == 3) {
            mcugen_v6m_line_of_3(&s, x, weights);
        } else {
            for (int32_t i = 0; i < p->k_n; i++) {
                s.first += weights[i] * x[2 * i];
                s.second += weights[i] * x[2 * i + 1];
            }
        }
        weights += p->k_n;
        x += 2 * p->plane_n;
    }
    mcugen_lanes_add_to(sums, s);
}

/* One line of outputs in each band; x: the first of its lines in the plane. */
MCUGEN_KERNEL void mcugen_v6m_depthwise_line(const mcugen_lanes_depthwise_params *p, const uint32_t *x,
                                             const uint32_t *weights, const int32_t *row,
                                             mcugen_outputs outputs)
{
    const mcugen_v6m_output out = {p->scaling, p->rounding, p->out_offset, p->act_min, p->act_max};
    for (int32_t i = 0; i < p->out_n; i++) {
        int32_t sums[MCUGEN_LANES] = {0};
        mcugen_v6m_window(p, sums, x, weights);
        x += 2 * p->stride_n;
#pragma GCC unroll 3
        for (int32_t lane = 0; lane < MCUGEN_LANES; lane++) {
            *outputs.to[lane] = mcugen_v6m_requantize(out, sums[lane], row[0], row + 1);
            outputs.to[lane] += p->out_step;
        }
    }
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_v6m(const mcugen_lanes_depthwise_params *p, const int8_t *input,
                                                  const int8_t *weights, const int32_t *requant,
                                                  int8_t *output, void *scratch)
{
    const int32_t taps = p->k_lines * p->k_n;
    uint32_t *const plane = scratch;
    uint32_t *const wide = plane + 2 * p->plane_n * mcugen_plane_lines(p);
    for (int32_t first = 0; first < p->out_lines; first += MCUGEN_LANES * p->band) {
        const mcugen_bands bands = mcugen_bands_from(p, first);
        for (int32_t c = 0; c < p->channels; c++) {
            const int32_t *const row = requant + (1 + mcugen_v6m_scale_words(p->scaling)) * c;
            mcugen_outputs outputs = mcugen_outputs_of(p, output + c, bands);
            const uint32_t *x = plane;
            for (int32_t i = 0; i < taps; i++) {
                wide[i] = (uint32_t)weights[c * taps + i];
            }
            mcugen_plane_fill(p, plane, input + c, bands);
            for (int32_t line = 0; line < p->band; line++) {
                mcugen_v6m_depthwise_line(p, x, wide, row, outputs);
                x += 2 * p->stride_lines * p->plane_n;
                outputs.to[0] += p->out_pitch;
                outputs.to[1] += p->out_pitch;
                outputs.to[2] += p->out_pitch;
            }
        }
    }
}

#endif
