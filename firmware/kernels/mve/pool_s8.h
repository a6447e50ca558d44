/* Pooling and means on MVE, channels in vectors: contracts average_pool_s8, max_pool_s8, mean_s8. */
#ifndef MCUGEN_MVE_POOL_S8_H
#define MCUGEN_MVE_POOL_S8_H

#include "../common/fixedpoint.h"
#include "../common/params.h"
#include "../common/window.h"
#include "arith.h"

/* The elements of a window that lie in the input, from the first on. */
typedef struct {
    const int8_t *first;
    int32_t rows, columns;
    int32_t row_pitch, column_pitch; /* bytes */
} mcugen_mve_area;

MCUGEN_KERNEL mcugen_mve_area mcugen_mve_pool_area(const mcugen_average_pool_s8_params *p,
                                                   const int8_t *input, int32_t y, int32_t x)
{
    const mcugen_taps rows = mcugen_taps_inside(y, p->in_h, p->k_h, 1);
    const mcugen_taps columns = mcugen_taps_inside(x, p->in_w, p->k_w, 1);
    const mcugen_mve_area area = {
        .first = input + ((y + rows.first) * p->in_w + x + columns.first) * p->in_c,
        .rows = rows.end - rows.first,
        .columns = columns.end - columns.first,
        .row_pitch = p->in_w * p->in_c,
        .column_pitch = p->in_c,
    };
    return area;
}

MCUGEN_KERNEL int8x16_t mcugen_mve_area_max(const mcugen_mve_area *area, int32_t c, mve_pred16_t lanes)
{
    int8x16_t best = vdupq_n_s8(INT8_MIN);
    for (int32_t i = 0; i < area->rows; i++) {
        const int8_t *from = area->first + i * area->row_pitch + c;
        for (int32_t j = 0; j < area->columns; j++) {
            best = vmaxq_s8(best, vldrbq_z_s8(from, lanes));
            from += area->column_pitch;
        }
    }
    return best;
}

MCUGEN_KERNEL void mcugen_max_pool_s8_mve(const mcugen_max_pool_s8_params *p, const int8_t *input,
                                          int8_t *output)
{
    const int8x16_t low = vdupq_n_s8((int8_t)p->act_min);
    const int8x16_t high = vdupq_n_s8((int8_t)p->act_max);
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t x = 0; x < p->out_w; x++) {
            const mcugen_mve_area area =
                mcugen_mve_pool_area(p, input, y * p->stride_h - p->pad_top, x * p->stride_w - p->pad_left);
            for (int32_t c = 0; c < p->out_c; c += 16) {
                const mve_pred16_t lanes = vctp8q((uint32_t)(p->out_c - c));
                const int8x16_t best = mcugen_mve_area_max(&area, c, lanes);
                vstrbq_p_s8(output + c, vminq_s8(vmaxq_s8(best, low), high), lanes);
            }
            output += p->out_c;
        }
    }
}

/* Sums of eight channels: of the even ones and of the odd ones. */
typedef struct {
    int32x4_t even, odd;
} mcugen_mve_pool_sums;

/* Columns are added in 16 bits, so at most 255 at a time. */
MCUGEN_KERNEL mcugen_mve_pool_sums mcugen_mve_area_sums(const mcugen_mve_area *area, int32_t c,
                                                        mve_pred16_t lanes)
{
    mcugen_mve_pool_sums sums = {vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int32_t i = 0; i < area->rows; i++) {
        const int8_t *from = area->first + i * area->row_pitch + c;
        for (int32_t left = area->columns; left > 0; left -= 255) {
            int16x8_t part = vdupq_n_s16(0);
            for (int32_t j = mcugen_min(left, 255); j > 0; j--) {
                part = vaddq_s16(part, vldrbq_z_s16(from, lanes));
                from += area->column_pitch;
            }
            sums.even = vaddq_s32(sums.even, vmovlbq_s16(part));
            sums.odd = vaddq_s32(sums.odd, vmovltq_s16(part));
        }
    }
    return sums;
}

/*
 * sum / count, rounded to nearest, ties away from zero; reciprocal = floor(2^31 / count) + 1. The product of
 * twice the rounded magnitude m and the reciprocal has the quotient in its high word as long as m * count <
 * 2^31, and m is at most 128.5 * count: counts up to 4,087.
 */
MCUGEN_KERNEL int32x4_t mcugen_mve_divide(int32x4_t sum, int32_t count, uint32_t reciprocal)
{
    const uint32x4_t magnitude = vaddq_n_u32(vreinterpretq_u32_s32(vabsq_s32(sum)), (uint32_t)count / 2U);
    const uint32x4_t high = vmulhq_u32(vshlq_n_u32(magnitude, 1), vdupq_n_u32(reciprocal));
    const int32x4_t quotient = vreinterpretq_s32_u32(high);
    return vnegq_m_s32(quotient, quotient, vcmpltq_n_s32(sum, 0));
}

/* Writes up to eight values that fit 16 bits, clamped. */
MCUGEN_KERNEL void mcugen_mve_store_8(int8_t *output, int32x4_t even, int32x4_t odd, int32_t low,
                                      int32_t high, mve_pred16_t lanes)
{
    const int16x8_t y = vmovntq_s32(vmovnbq_s32(vreinterpretq_s16_s32(even), even), odd);
    const int16x8_t clamped = vminq_s16(vmaxq_s16(y, vdupq_n_s16((int16_t)low)), vdupq_n_s16((int16_t)high));
    vstrbq_p_s16(output, clamped, lanes);
}

/* Windows of at most 4,087 elements. */
MCUGEN_KERNEL void mcugen_average_pool_s8_mve(const mcugen_average_pool_s8_params *p, const int8_t *input,
                                              int8_t *output)
{
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t x = 0; x < p->out_w; x++) {
            const mcugen_mve_area area =
                mcugen_mve_pool_area(p, input, y * p->stride_h - p->pad_top, x * p->stride_w - p->pad_left);
            const int32_t count = area.rows * area.columns;
            const uint32_t reciprocal = 0x80000000U / (uint32_t)count + 1U;
            for (int32_t c = 0; c < p->out_c; c += 8) {
                const mve_pred16_t lanes = vctp16q((uint32_t)(p->out_c - c));
                const mcugen_mve_pool_sums sums = mcugen_mve_area_sums(&area, c, lanes);
                const int32x4_t even = mcugen_mve_divide(sums.even, count, reciprocal);
                const int32x4_t odd = mcugen_mve_divide(sums.odd, count, reciprocal);
                mcugen_mve_store_8(output + c, even, odd, p->act_min, p->act_max, lanes);
            }
            output += p->out_c;
        }
    }
}

MCUGEN_KERNEL int32x4_t mcugen_mve_mean(const mcugen_mean_s8_params *p, int32x4_t sum)
{
    const int32x4_t centred = vaddq_n_s32(sum, p->sum_offset);
    const int32x4_t y = mcugen_mve_rescale_any(centred, p->out_multiplier, p->out_shift);
    return vqaddq_n_s32(y, p->out_offset);
}

/* The innermost kept axis is the innermost of all. */
MCUGEN_KERNEL void mcugen_mean_s8_mve(const mcugen_mean_s8_params *p, const int8_t *input, int8_t *output)
{
    for (int32_t i = 0; i < p->kept[0]; i++) {
        const mcugen_mve_area area = {
            .first = input + i * p->kept_strides[0],
            .rows = p->reduced[0],
            .columns = p->reduced[1],
            .row_pitch = p->reduced_strides[0],
            .column_pitch = p->reduced_strides[1],
        };
        for (int32_t c = 0; c < p->kept[1]; c += 8) {
            const mve_pred16_t lanes = vctp16q((uint32_t)(p->kept[1] - c));
            const mcugen_mve_pool_sums sums = mcugen_mve_area_sums(&area, c, lanes);
            const int32x4_t even = mcugen_mve_mean(p, sums.even);
            const int32x4_t odd = mcugen_mve_mean(p, sums.odd);
            const int16x8_t y = vqmovntq_s32(vqmovnbq_s32(vreinterpretq_s16_s32(even), even), odd);
            const int16x8_t clamped = vminq_s16(vmaxq_s16(y, vdupq_n_s16(INT8_MIN)), vdupq_n_s16(INT8_MAX));
            vstrbq_p_s16(output + c, clamped, lanes);
        }
        output += p->kept[1];
    }
}

#endif
