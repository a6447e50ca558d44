/*
 * Planes of depthwise convolutions in lanes: one channel of the input, three bands of lines at a time.
 *
 * Lines are the rows of the image, or its columns. The bands start at three output lines and have the same
 * number of lines; where the output ends, the last ones move up and compute some lines once more. A plane has
 * two words per element, with the zero point in the padding.
 */
#ifndef MCUGEN_V6M_DEPTHWISE_LANES_H
#define MCUGEN_V6M_DEPTHWISE_LANES_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "lanes.h"

/* _lines: across lines, _n: along a line; pitch: bytes from line to line, step: from element to element;
 * band: output lines of a band, at most out_lines; plane_n: (out_n - 1) * stride_n + k_n; scaling and
 * rounding: of the class's requantization. */
typedef struct {
    int32_t channels;
    int32_t in_lines, in_n, in_pitch, in_step;
    int32_t out_lines, out_n, out_pitch, out_step;
    int32_t k_lines, k_n;
    int32_t stride_lines, stride_n;
    int32_t pad_lines, pad_n;
    int32_t zero_point;
    int32_t band, plane_n;
    int32_t scaling, rounding;
    int32_t out_offset, act_min, act_max;
} mcugen_lanes_depthwise_params;

/* The first output lines of the three bands. */
typedef struct {
    int32_t start[MCUGEN_LANES];
} mcugen_bands;

MCUGEN_KERNEL mcugen_bands mcugen_bands_from(const mcugen_lanes_depthwise_params *p, int32_t first)
{
    mcugen_bands bands;
    for (int32_t i = 0; i < MCUGEN_LANES; i++) {
        bands.start[i] = mcugen_min(first + i * p->band, p->out_lines - p->band);
    }
    return bands;
}

/* Lines of a plane. */
MCUGEN_KERNEL int32_t mcugen_plane_lines(const mcugen_lanes_depthwise_params *p)
{
    return (p->band - 1) * p->stride_lines + p->k_lines;
}

/* ``count`` elements of padding. */
MCUGEN_KERNEL void mcugen_plane_pad(uint32_t *to, int32_t count, int32_t zero_point)
{
    const mcugen_lanes lanes = mcugen_lanes_pack(zero_point, zero_point, zero_point);
    for (int32_t i = 0; i < count; i++) {
        to[2 * i] = lanes.first;
        to[2 * i + 1] = lanes.second;
    }
}

/* ``count`` elements of three lines, the first of which are number ``lines`` of the input. */
MCUGEN_KERNEL void mcugen_plane_line(const mcugen_lanes_depthwise_params *p, uint32_t *to,
                                     const int8_t *input, const int32_t *lines, int32_t count)
{
    const mcugen_lanes none = {0, 0};
    const int8_t outside = (int8_t)p->zero_point;
    const int8_t *from[MCUGEN_LANES];
    int32_t steps[MCUGEN_LANES];
    int32_t inside = 0;
    for (int32_t i = 0; i < MCUGEN_LANES; i++) {
        const int32_t is_inside = lines[i] >= 0 && lines[i] < p->in_lines;
        from[i] = is_inside ? input + lines[i] * p->in_pitch : &outside;
        steps[i] = is_inside ? p->in_step : 0;
        inside += is_inside;
    }
    if (inside == MCUGEN_LANES) {
        mcugen_lanes_fill(to, 2, from[0], from[1], from[2], p->in_step, count, none);
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        const mcugen_lanes lanes = mcugen_lanes_pack(*from[0], *from[1], *from[2]);
        to[2 * i] = lanes.first;
        to[2 * i + 1] = lanes.second;
        from[0] += steps[0];
        from[1] += steps[1];
        from[2] += steps[2];
    }
}

/* The plane of one channel, at which ``input`` starts. */
MCUGEN_KERNEL void mcugen_plane_fill(const mcugen_lanes_depthwise_params *p, uint32_t *plane,
                                     const int8_t *input, mcugen_bands bands)
{
    const int32_t before = mcugen_min(p->pad_n, p->plane_n);
    const int32_t inside = mcugen_min(p->in_n, p->plane_n - before);
    int32_t lines[MCUGEN_LANES];
    for (int32_t i = 0; i < MCUGEN_LANES; i++) {
        lines[i] = bands.start[i] * p->stride_lines - p->pad_lines;
    }
    for (int32_t line = 0; line < mcugen_plane_lines(p); line++) {
        mcugen_plane_pad(plane, before, p->zero_point);
        mcugen_plane_line(p, plane + 2 * before, input, lines, inside);
        mcugen_plane_pad(plane + 2 * (before + inside), p->plane_n - before - inside, p->zero_point);
        plane += 2 * p->plane_n;
        lines[0]++;
        lines[1]++;
        lines[2]++;
    }
}

/* Where outputs of the three bands go. */
typedef struct {
    int8_t *to[MCUGEN_LANES];
} mcugen_outputs;

/* The first outputs of the bands, in the channel at which ``output`` starts. */
MCUGEN_KERNEL mcugen_outputs mcugen_outputs_of(const mcugen_lanes_depthwise_params *p, int8_t *output,
                                               mcugen_bands bands)
{
    mcugen_outputs outputs;
    for (int32_t i = 0; i < MCUGEN_LANES; i++) {
        outputs.to[i] = output + bands.start[i] * p->out_pitch;
    }
    return outputs;
}

#endif
