/*
 * Average pooling, four channels at a time: as unsigned bytes in 16-bit halves of two words.
 */
#ifndef MCUGEN_V7M_POOL_S8_H
#define MCUGEN_V7M_POOL_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"
#include "../scalar/pool_s8.h"

/* Sums of the four channels at which ``input`` starts, over at most 257 pixels. */
MCUGEN_KERNEL void mcugen_v7m_sum_4(const mcugen_average_pool_s8_params *p, const int8_t *input,
                                    mcugen_pool_window w, int32_t *sums)
{
    const uint32_t bytes = 0x00FF00FFU;
    const int32_t offset = 128 * (w.rows.end - w.rows.first) * (w.columns.end - w.columns.first);
    uint32_t even = 0;
    uint32_t odd = 0;
    for (int32_t ky = w.rows.first; ky < w.rows.end; ky++) {
        const int8_t *pixel = input + ((w.top + ky) * p->in_w + w.left + w.columns.first) * p->in_c;
        for (int32_t kx = w.columns.first; kx < w.columns.end; kx++) {
            const uint32_t word = mcugen_load_word(pixel) ^ 0x80808080U;
            even += word & bytes;
            odd += (word >> 8) & bytes;
            pixel += p->in_c;
        }
    }
    sums[0] = (int32_t)(even & 0xFFFFU) - offset;
    sums[1] = (int32_t)(odd & 0xFFFFU) - offset;
    sums[2] = (int32_t)(even >> 16) - offset;
    sums[3] = (int32_t)(odd >> 16) - offset;
}

MCUGEN_KERNEL void mcugen_average_pool_s8_v7m(const mcugen_average_pool_s8_params *p, const int8_t *input,
                                              int8_t *output)
{
    for (int32_t y = 0; y < p->out_h; y++) {
        for (int32_t x = 0; x < p->out_w; x++) {
            const mcugen_pool_window w = mcugen_pool_s8_scalar_window(p, y, x);
            const int32_t count = (w.rows.end - w.rows.first) * (w.columns.end - w.columns.first);
            for (int32_t c = 0; c < p->in_c; c += 4) {
                int32_t sums[4];
                mcugen_v7m_sum_4(p, input + c, w, sums);
                for (int32_t i = 0; i < 4; i++) {
                    const int32_t up = sums[i] > 0 ? sums[i] + count / 2 : sums[i] - count / 2;
                    *output++ = (int8_t)mcugen_clamp(up / count, p->act_min, p->act_max);
                }
            }
        }
    }
}

#endif
