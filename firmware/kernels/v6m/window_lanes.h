/*
 * Columns of convolutions in lanes: what the windows of three output pixels see, tap by tap.
 *
 * Windows that lie inside the input are read where they are; of three that do not all, copies are made, with
 * the zero point outside. Behind the last tap, columns are filled up with zeros to whole chunks.
 */
#ifndef MCUGEN_V6M_WINDOW_LANES_H
#define MCUGEN_V6M_WINDOW_LANES_H

#include <stdint.h>
#include <string.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/window.h"
#include "lanes.h"

/* taps: of a filled-up column, a multiple of chunk; chunk: taps that are summed up in lanes, a multiple of 4;
 * scaling and rounding: of the class's requantization. */
typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t k_h, k_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t dilation_h, dilation_w;
    int32_t zero_point;
    int32_t taps, chunk;
    int32_t scaling, rounding;
    int32_t out_offset, act_min, act_max;
} mcugen_lanes_conv_params;

/* Where a window starts in the input, negative in the padding. */
typedef struct {
    int32_t top, left;
} mcugen_corner;

/* The window of output pixel number ``pixel``. */
MCUGEN_KERNEL mcugen_corner mcugen_corner_of(const mcugen_lanes_conv_params *p, int32_t pixel)
{
    const mcugen_corner corner = {
        .top = pixel / p->out_w * p->stride_h - p->pad_top,
        .left = pixel % p->out_w * p->stride_w - p->pad_left,
    };
    return corner;
}

/* The window of the next output pixel. */
MCUGEN_KERNEL mcugen_corner mcugen_corner_after(const mcugen_lanes_conv_params *p, mcugen_corner corner)
{
    corner.left += p->stride_w;
    if (corner.left == p->out_w * p->stride_w - p->pad_left) {
        corner.left = -p->pad_left;
        corner.top += p->stride_h;
    }
    return corner;
}

/* Whether a window from ``corner`` to the one of ``last`` is inside the input. */
MCUGEN_KERNEL int mcugen_corners_inside(const mcugen_lanes_conv_params *p, mcugen_corner corner,
                                        mcugen_corner last)
{
    return corner.top >= 0 && corner.left >= 0 && last.top + (p->k_h - 1) * p->dilation_h < p->in_h &&
           last.left + (p->k_w - 1) * p->dilation_w < p->in_w;
}

/* Whether no window leaves the input. */
MCUGEN_KERNEL int mcugen_has_no_border(const mcugen_lanes_conv_params *p)
{
    const mcugen_corner first = {-p->pad_top, -p->pad_left};
    const mcugen_corner last = {
        (p->out_h - 1) * p->stride_h - p->pad_top,
        (p->out_w - 1) * p->stride_w - p->pad_left,
    };
    return mcugen_corners_inside(p, first, last);
}

/* The values of a window as contiguous bytes. */
MCUGEN_KERNEL void mcugen_copy_window(const mcugen_lanes_conv_params *p, int8_t *target, const int8_t *input,
                                      mcugen_corner corner)
{
    const mcugen_taps rows = mcugen_taps_inside(corner.top, p->in_h, p->k_h, p->dilation_h);
    const mcugen_taps columns = mcugen_taps_inside(corner.left, p->in_w, p->k_w, p->dilation_w);
    memset(target, p->zero_point, (size_t)(p->k_h * p->k_w * p->in_c));
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int8_t *const row = input + (corner.top + ky * p->dilation_h) * p->in_w * p->in_c;
        for (int32_t kx = columns.first; kx < columns.end; kx++) {
            const int8_t *const from = row + (corner.left + kx * p->dilation_w) * p->in_c;
            int8_t *const to = target + (ky * p->k_w + kx) * p->in_c;
            for (int32_t c = 0; c < p->in_c; c++) {
                to[c] = from[c];
            }
        }
    }
}

/* The column of three windows. copies: bytes for three windows. Returns the sums of all values, in lanes. */
MCUGEN_KERNEL mcugen_lanes mcugen_lanes_column(const mcugen_lanes_conv_params *p, uint32_t *to, int32_t step,
                                               const int8_t *input, const mcugen_corner *corners,
                                               int8_t *copies)
{
    const int32_t run = p->k_w * p->in_c;
    const int8_t *pixels[MCUGEN_LANES];
    int32_t direct = p->dilation_w == 1;
    for (int32_t i = 0; i < MCUGEN_LANES && !mcugen_has_no_border(p); i++) {
        direct = direct && mcugen_corners_inside(p, corners[i], corners[i]);
    }
    for (int32_t i = 0; i < MCUGEN_LANES; i++) {
        pixels[i] = input + (corners[i].top * p->in_w + corners[i].left) * p->in_c;
    }
    if (!direct) {
        for (int32_t i = 0; i < MCUGEN_LANES; i++) {
            pixels[i] = copies + i * p->k_h * run;
            mcugen_copy_window(p, copies + i * p->k_h * run, input, corners[i]);
        }
    }
    const int32_t pitch = direct ? p->dilation_h * p->in_w * p->in_c : run;
    mcugen_lanes sums = {0, 0};
    for (int32_t ky = 0; ky < p->k_h; ky++) {
        sums = mcugen_lanes_fill(to + ky * run * step, step, pixels[0] + ky * pitch, pixels[1] + ky * pitch,
                                 pixels[2] + ky * pitch, 1, run, sums);
    }
    for (int32_t i = p->k_h * run; i < p->taps; i++) {
        to[i * step] = 0;
        to[i * step + 1] = 0;
    }
    return sums;
}

/* The windows of ``count`` output pixels from number ``first`` on, of which there may be fewer: then those
 * behind the last are the last. Moves ``next`` behind them. */
MCUGEN_KERNEL void mcugen_take_corners(const mcugen_lanes_conv_params *p, mcugen_corner *corners,
                                       int32_t count, int32_t first, mcugen_corner *next)
{
    const int32_t pixels = p->out_h * p->out_w;
    for (int32_t i = 0; i < count; i++) {
        corners[i] = *next;
        if (pixels >= count || first + i + 1 < pixels) {
            *next = mcugen_corner_after(p, *next);
        }
    }
}

#endif
