/*
 * Planes of depthwise convolutions in lanes: one channel of the input, three bands of rows at a time.
 *
 * The bands start at three output rows and have the same number of rows, ``rows``; where the output ends, the
 * last ones move up and compute some rows once more. A plane has ``plane_w`` columns of two words, with the zero
 * point in the padding.
 */
#ifndef MCUGEN_V6M_DEPTHWISE_LANES_H
#define MCUGEN_V6M_DEPTHWISE_LANES_H

#include <stdint.h>
#include <string.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "lanes.h"

/* rows: at most out_h; plane_w: (out_w - 1) * stride_w + k_w; scaling and rounding: of the class's
 * requantization. */
typedef struct {
    int32_t channels;
    int32_t in_h, in_w;
    int32_t out_h, out_w;
    int32_t k_h, k_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t zero_point;
    int32_t rows, plane_w;
    int32_t scaling, rounding;
    int32_t out_offset, act_min, act_max;
} mcugen_lanes_depthwise_params;

/* The first output rows of the three bands. */
typedef struct {
    int32_t start[MCUGEN_LANES];
} mcugen_bands;

MCUGEN_KERNEL mcugen_bands mcugen_bands_from(const mcugen_lanes_depthwise_params *p, int32_t first)
{
    mcugen_bands bands;
    for (int32_t i = 0; i < MCUGEN_LANES; i++) {
        bands.start[i] = mcugen_min(first + i * p->rows, p->out_h - p->rows);
    }
    return bands;
}

/* ``count`` columns of padding. */
MCUGEN_KERNEL uint32_t *mcugen_plane_pad(uint32_t *to, int32_t count, int32_t zero_point)
{
    const mcugen_lanes lanes = mcugen_lanes_pack(zero_point, zero_point, zero_point);
    for (int32_t i = 0; i < count; i++) {
        *to++ = lanes.first;
        *to++ = lanes.second;
    }
    return to;
}

/* The plane of one channel, at which ``input`` starts. outside: a row of zero points, of in_w * channels bytes. */
MCUGEN_KERNEL void mcugen_plane_fill(const mcugen_lanes_depthwise_params *p, uint32_t *plane, const int8_t *input,
                                     const int8_t *outside, mcugen_bands bands)
{
    const int32_t inside = mcugen_min(p->in_w, p->plane_w - p->pad_left);
    const int32_t lines = (p->rows - 1) * p->stride_h + p->k_h;
    for (int32_t line = 0; line < lines; line++) {
        const int8_t *pixels[MCUGEN_LANES];
        for (int32_t i = 0; i < MCUGEN_LANES; i++) {
            const int32_t row = bands.start[i] * p->stride_h - p->pad_top + line;
            pixels[i] = (row >= 0 && row < p->in_h) ? input + row * p->in_w * p->channels : outside;
        }
        plane = mcugen_plane_pad(plane, mcugen_min(p->pad_left, p->plane_w), p->zero_point);
        if (inside > 0) {
            mcugen_lanes_fill(plane, 2, pixels, p->channels, inside, 1);
            plane += 2 * inside;
        }
        plane = mcugen_plane_pad(plane, p->plane_w - p->pad_left - mcugen_max(inside, 0), p->zero_point);
    }
}

/* Where outputs of the three bands go. */
typedef struct {
    int8_t *to[MCUGEN_LANES];
} mcugen_outputs;

/* The first pixels of row number ``row`` of the bands, in the channel at which ``output`` starts. */
MCUGEN_KERNEL mcugen_outputs mcugen_outputs_of(const mcugen_lanes_depthwise_params *p, int8_t *output,
                                               mcugen_bands bands, int32_t row)
{
    mcugen_outputs outputs;
    for (int32_t i = 0; i < MCUGEN_LANES; i++) {
        outputs.to[i] = output + (bands.start[i] + row) * p->out_w * p->channels;
    }
    return outputs;
}

/* The sums of one output pixel per band; x: where its windows start in the plane. */
MCUGEN_KERNEL void mcugen_depthwise_sums(const mcugen_lanes_depthwise_params *p, int32_t *sums, const uint32_t *x,
                                         const int8_t *weights)
{
    mcugen_lanes lanes = {0, 0};
    for (int32_t ky = 0; ky < p->k_h; ky++) {
#pragma GCC unroll 4
        for (int32_t kx = 0; kx < p->k_w; kx++) {
            lanes = mcugen_lanes_multiply_add(lanes, *weights++, x + 2 * kx);
        }
        x += 2 * p->plane_w;
    }
    mcugen_lanes_add_to(sums, lanes);
}

#endif
