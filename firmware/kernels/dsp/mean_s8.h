/*
 * Mean over all but the channels of a tensor on the DSP extension, four channels at a time.
 */
#ifndef MCUGEN_DSP_MEAN_S8_H
#define MCUGEN_DSP_MEAN_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"
#include "arith.h"
#include "pool_s8.h"

/* The channels are the inner kept run and lie next to each other; at most 256 elements are reduced. */
MCUGEN_KERNEL void mcugen_mean_s8_dsp(const mcugen_mean_s8_params *p, const int8_t *input, int8_t *output)
{
    const int32_t channels = p->kept[1];
    for (int32_t i = 0; i < p->kept[0]; i++) {
        const mcugen_dsp_patch patch = {
            .first = input + i * p->kept_strides[0],
            .lines = p->reduced[0],
            .pixels = p->reduced[1],
            .line_step = p->reduced_strides[0],
            .pixel_step = p->reduced_strides[1],
        };
        for (int32_t c = 0; c < channels; c += 4) {
            int32_t sums[4];
            if (c + 4 <= channels) {
                mcugen_dsp_sum_4(patch, c, sums);
            }
            for (int32_t k = 0; k < mcugen_min(4, channels - c); k++) {
                const int32_t sum = c + 4 <= channels ? sums[k] : mcugen_dsp_sum_1(patch, c + k);
                *output++ =
                    (int8_t)mcugen_requantize(mcugen_wrapping_add(sum, p->sum_offset), p->out_multiplier,
                                              p->out_shift, p->out_offset, INT8_MIN, INT8_MAX);
            }
        }
    }
}

#endif
