/*
 * SVDF: each filter keeps a memory of its last dot products with the input; an output is the weighted sum of
 * the memories of ``rank`` neighbouring filters.
 *
 * Preconditions: filters is a multiple of rank; the sums of products fit 32 bits. A new state value is
 * clamped before its zero point is added and then wraps, as in TFLM.
 */
#ifndef MCUGEN_SCALAR_SVDF_S8_H
#define MCUGEN_SCALAR_SVDF_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "../common/params.h"

MCUGEN_KERNEL int32_t mcugen_svdf_s8_scalar_dot(const int8_t *x, const int8_t *w, int32_t n, int32_t offset)
{
    int32_t dot = 0;
    for (int32_t i = 0; i < n; i++) {
        dot += (x[i] + offset) * w[i];
    }
    return dot;
}

/* Elements of states and of their weights: int16 if wide, else int8. */
MCUGEN_KERNEL int32_t mcugen_svdf_s8_scalar_load(const void *values, int32_t index, int32_t wide)
{
    return wide ? ((const int16_t *)values)[index] : ((const int8_t *)values)[index];
}

MCUGEN_KERNEL void mcugen_svdf_s8_scalar_store(void *values, int32_t index, int32_t value, int32_t wide)
{
    if (wide) {
        ((int16_t *)values)[index] = (int16_t)value;
    } else {
        ((int8_t *)values)[index] = (int8_t)value;
    }
}

/* The newest value of every filter's memory, after all have moved by one. */
MCUGEN_KERNEL void mcugen_svdf_s8_scalar_update(const mcugen_svdf_s8_state8_params *p, const int8_t *input,
                                                const int8_t *weights_feature, void *state, int32_t wide)
{
    const int32_t filters = p->batch * p->filters;
    const int32_t low = wide ? INT16_MIN : INT8_MIN;
    const int32_t high = wide ? INT16_MAX : INT8_MAX;
    for (int32_t i = 0; i < filters * p->memory - 1; i++) {
        mcugen_svdf_s8_scalar_store(state, i, mcugen_svdf_s8_scalar_load(state, i + 1, wide), wide);
    }
    for (int32_t f = 0; f < filters; f++) {
        const int32_t dot =
            mcugen_svdf_s8_scalar_dot(input + f / p->filters * p->in_n,
                                      weights_feature + f % p->filters * p->in_n, p->in_n, p->in_offset);
        const int32_t newest = mcugen_requantize(dot, p->state_multiplier, p->state_shift, 0, low, high);
        mcugen_svdf_s8_scalar_store(state, (f + 1) * p->memory - 1, newest + p->state_offset, wide);
    }
}

/* Both contracts: wide is a literal. */
MCUGEN_KERNEL void mcugen_svdf_s8_scalar_run(const mcugen_svdf_s8_state8_params *p, const int8_t *input,
                                             const int8_t *weights_feature, const void *weights_time,
                                             const int32_t *bias, void *state, int8_t *output, int32_t wide)
{
    const int32_t units = p->filters / p->rank;
    const int32_t span = p->rank * p->memory;
    mcugen_svdf_s8_scalar_update(p, input, weights_feature, state, wide);
    for (int32_t u = 0; u < p->batch * units; u++) {
        int32_t acc = 0;
        for (int32_t i = 0; i < span; i++) {
            acc += (mcugen_svdf_s8_scalar_load(state, u * span + i, wide) - p->state_offset) *
                   mcugen_svdf_s8_scalar_load(weights_time, u % units * span + i, wide);
        }
        *output++ = (int8_t)mcugen_requantize(mcugen_wrapping_add(acc, bias[u % units]), p->out_multiplier,
                                              p->out_shift, p->out_offset, INT8_MIN, INT8_MAX);
    }
}

MCUGEN_KERNEL void mcugen_svdf_s8_state8_scalar(const mcugen_svdf_s8_state8_params *p, const int8_t *input,
                                                const int8_t *weights_feature, const int8_t *weights_time,
                                                const int32_t *bias, int8_t *state, int8_t *output)
{
    mcugen_svdf_s8_scalar_run(p, input, weights_feature, weights_time, bias, state, output, 0);
}

MCUGEN_KERNEL void mcugen_svdf_s8_state16_scalar(const mcugen_svdf_s8_state16_params *p, const int8_t *input,
                                                 const int8_t *weights_feature, const int16_t *weights_time,
                                                 const int32_t *bias, int16_t *state, int8_t *output)
{
    mcugen_svdf_s8_scalar_run(p, input, weights_feature, weights_time, bias, state, output, 1);
}

#endif
