/*
 * Depthwise 2D convolution without dilation, one channel after the other, three pixels in lanes.
 *
 * Constants: weights int8 [channels][k_h][k_w]; requant int32 [channels][scaling + 3], see requantize.h. Scratch:
 * a plane, then a row of zero points (see depthwise_lanes.h).
 */
#ifndef MCUGEN_V6M_DEPTHWISE_CONV2D_S8_H
#define MCUGEN_V6M_DEPTHWISE_CONV2D_S8_H

#include <stdint.h>
#include <string.h>

#include "../common/compiler.h"
#include "depthwise_lanes.h"
#include "requantize.h"

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_v6m(const mcugen_lanes_depthwise_params *p, const int8_t *input,
                                                  const int8_t *weights, const int32_t *requant, int8_t *output,
                                                  void *scratch)
{
    const mcugen_v6m_output out = {p->scaling, p->rounding, p->out_offset, p->act_min, p->act_max};
    uint32_t *const plane = scratch;
    int8_t *const outside = (int8_t *)(plane + 2 * p->plane_w * ((p->rows - 1) * p->stride_h + p->k_h));
    memset(outside, p->zero_point, (size_t)(p->in_w * p->channels));
    for (int32_t first = 0; first < p->out_h; first += MCUGEN_LANES * p->rows) {
        const mcugen_bands bands = mcugen_bands_from(p, first);
        for (int32_t c = 0; c < p->channels; c++) {
            const int32_t *const row = requant + (1 + mcugen_v6m_scale_words(p->scaling)) * c;
            mcugen_plane_fill(p, plane, input + c, outside, bands);
            for (int32_t i = 0; i < p->rows; i++) {
                const uint32_t *x = plane + 2 * i * p->stride_h * p->plane_w;
                mcugen_outputs outputs = mcugen_outputs_of(p, output + c, bands, i);
                for (int32_t column = 0; column < p->out_w; column++) {
                    int32_t sums[MCUGEN_LANES] = {0};
                    mcugen_depthwise_sums(p, sums, x, weights + c * p->k_h * p->k_w);
                    x += 2 * p->stride_w;
                    for (int32_t lane = 0; lane < MCUGEN_LANES; lane++) {
                        outputs.to[lane][column * p->channels] = mcugen_v6m_requantize(out, sums[lane], row[0], row + 1);
                    }
                }
            }
        }
    }
}

#endif
