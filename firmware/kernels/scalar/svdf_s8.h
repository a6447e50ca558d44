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

/* The newest value of every filter's memory, after all have moved by one. */
MCUGEN_KERNEL void mcugen_svdf_s8_state8_scalar_update(const mcugen_svdf_s8_state8_params *p,
                                                       const int8_t *input, const int8_t *weights_feature,
                                                       int8_t *state)
{
    const int32_t filters = p->batch * p->filters;
    for (int32_t i = 0; i < filters * p->memory - 1; i++) {
        state[i] = state[i + 1];
    }
    for (int32_t f = 0; f < filters; f++) {
        const int32_t dot =
            mcugen_svdf_s8_scalar_dot(input + f / p->filters * p->in_n,
                                      weights_feature + f % p->filters * p->in_n, p->in_n, p->in_offset);
        const int32_t newest =
            mcugen_requantize(dot, p->state_multiplier, p->state_shift, 0, INT8_MIN, INT8_MAX);
        state[(f + 1) * p->memory - 1] = (int8_t)(newest + p->state_offset);
    }
}

MCUGEN_KERNEL void mcugen_svdf_s8_state8_scalar(const mcugen_svdf_s8_state8_params *p, const int8_t *input,
                                                const int8_t *weights_feature, const int8_t *weights_time,
                                                const int32_t *bias, int8_t *state, int8_t *output)
{
    mcugen_svdf_s8_state8_scalar_update(p, input, weights_feature, state);
    const int32_t units = p->filters / p->rank;
    const int32_t span = p->rank * p->memory;
    for (int32_t u = 0; u < p->batch * units; u++) {
        const int8_t *s = state + u * span;
        const int8_t *w = weights_time + u % units * span;
        int32_t acc = 0;
        for (int32_t i = 0; i < span; i++) {
            acc += (s[i] - p->state_offset) * w[i];
        }
        *output++ = (int8_t)mcugen_requantize(mcugen_wrapping_add(acc, bias[u % units]), p->out_multiplier,
                                              p->out_shift, p->out_offset, INT8_MIN, INT8_MAX);
    }
}

/* The newest value of every filter's memory, after all have moved by one. */
MCUGEN_KERNEL void mcugen_svdf_s8_state16_scalar_update(const mcugen_svdf_s8_state16_params *p,
                                                        const int8_t *input, const int8_t *weights_feature,
                                                        int16_t *state)
{
    const int32_t filters = p->batch * p->filters;
    for (int32_t i = 0; i < filters * p->memory - 1; i++) {
        state[i] = state[i + 1];
    }
    for (int32_t f = 0; f < filters; f++) {
        const int32_t dot =
            mcugen_svdf_s8_scalar_dot(input + f / p->filters * p->in_n,
                                      weights_feature + f % p->filters * p->in_n, p->in_n, p->in_offset);
        const int32_t newest =
            mcugen_requantize(dot, p->state_multiplier, p->state_shift, 0, INT16_MIN, INT16_MAX);
        state[(f + 1) * p->memory - 1] = (int16_t)(newest + p->state_offset);
    }
}

MCUGEN_KERNEL void mcugen_svdf_s8_state16_scalar(const mcugen_svdf_s8_state16_params *p, const int8_t *input,
                                                 const int8_t *weights_feature, const int16_t *weights_time,
                                                 const int32_t *bias, int16_t *state, int8_t *output)
{
    mcugen_svdf_s8_state16_scalar_update(p, input, weights_feature, state);
    const int32_t units = p->filters / p->rank;
    const int32_t span = p->rank * p->memory;
    for (int32_t u = 0; u < p->batch * units; u++) {
        const int16_t *s = state + u * span;
        const int16_t *w = weights_time + u % units * span;
        int32_t acc = 0;
        for (int32_t i = 0; i < span; i++) {
            acc += (s[i] - p->state_offset) * w[i];
        }
        *output++ = (int8_t)mcugen_requantize(mcugen_wrapping_add(acc, bias[u % units]), p->out_multiplier,
                                              p->out_shift, p->out_offset, INT8_MIN, INT8_MAX);
    }
}

#endif
