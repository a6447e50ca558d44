/*
 * SVDF by CMSIS-NN: arm_svdf_s8 and arm_svdf_state_s16_s8.
 *
 * The library's input_offset is the zero point itself, unlike that of its other functions. Scratch: int32
 * [batch][filters], then int32 [batch][filters / rank].
 */
#ifndef MCUGEN_CMSIS_NN_SVDF_S8_H
#define MCUGEN_CMSIS_NN_SVDF_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"
#include "library.h"

MCUGEN_KERNEL cmsis_nn_svdf_params mcugen_svdf_s8_cmsis_nn_params(const mcugen_svdf_s8_state8_params *p,
                                                                  int32_t state_min, int32_t state_max)
{
    const cmsis_nn_svdf_params params = {
        .rank = p->rank,
        .input_offset = -p->in_offset,
        .output_offset = p->out_offset,
        .input_activation = {.min = state_min, .max = state_max},
        .output_activation = {.min = INT8_MIN, .max = INT8_MAX},
    };
    return params;
}

/* For MVE, where the library wants in_offset * sum of the feature weights of each filter, made in advance;
 * NULL elsewhere. It only reads them, so they can stand in flash. */
MCUGEN_KERNEL void mcugen_svdf_s8_state8_cmsis_nn_sums(const mcugen_svdf_s8_state8_params *p,
                                                       const int8_t *input, const int8_t *weights_feature,
                                                       const int8_t *weights_time, const int32_t *bias,
                                                       const int32_t *kernel_sums, int8_t *state,
                                                       int8_t *output, void *scratch)
{
    const int32_t units = p->filters / p->rank;
    const cmsis_nn_context context = mcugen_cmsis_nn_context((void *)kernel_sums);
    const cmsis_nn_context in_context = mcugen_cmsis_nn_context(scratch);
    const cmsis_nn_context out_context = mcugen_cmsis_nn_context((int32_t *)scratch + p->batch * p->filters);
    const cmsis_nn_svdf_params params = mcugen_svdf_s8_cmsis_nn_params(p, INT8_MIN, INT8_MAX);
    const cmsis_nn_per_tensor_quant_params into_state = {p->state_multiplier, p->state_shift};
    const cmsis_nn_per_tensor_quant_params into_output = {p->out_multiplier, p->out_shift};
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims(p->batch, p->in_n, 1, 1);
    const cmsis_nn_dims state_dims = mcugen_cmsis_nn_dims(p->batch, 1, 1, p->filters * p->memory);
    const cmsis_nn_dims feature_dims = mcugen_cmsis_nn_dims(p->filters, p->in_n, 1, 1);
    const cmsis_nn_dims time_dims = mcugen_cmsis_nn_dims(p->filters, p->memory, 1, 1);
    const cmsis_nn_dims bias_dims = mcugen_cmsis_nn_dims(units, 1, 1, 1);
    const cmsis_nn_dims out_dims = mcugen_cmsis_nn_dims(p->batch, units, 1, 1);
    (void)arm_svdf_s8(&context, &in_context, &out_context, &params, &into_state, &into_output, &in_dims,
                      input, &state_dims, state, &feature_dims, weights_feature, &time_dims, weights_time,
                      &bias_dims, bias, &out_dims, output);
}

MCUGEN_KERNEL void mcugen_svdf_s8_state8_cmsis_nn(const mcugen_svdf_s8_state8_params *p, const int8_t *input,
                                                  const int8_t *weights_feature, const int8_t *weights_time,
                                                  const int32_t *bias, int8_t *state, int8_t *output,
                                                  void *scratch)
{
    mcugen_svdf_s8_state8_cmsis_nn_sums(p, input, weights_feature, weights_time, bias, NULL, state, output,
                                        scratch);
}

MCUGEN_KERNEL void mcugen_svdf_s8_state16_cmsis_nn(const mcugen_svdf_s8_state16_params *p,
                                                   const int8_t *input, const int8_t *weights_feature,
                                                   const int16_t *weights_time, const int32_t *bias,
                                                   int16_t *state, int8_t *output, void *scratch)
{
    const int32_t units = p->filters / p->rank;
    const cmsis_nn_context in_context = mcugen_cmsis_nn_context(scratch);
    const cmsis_nn_context out_context = mcugen_cmsis_nn_context((int32_t *)scratch + p->batch * p->filters);
    const cmsis_nn_svdf_params params = mcugen_svdf_s8_cmsis_nn_params(p, INT16_MIN, INT16_MAX);
    const cmsis_nn_per_tensor_quant_params into_state = {p->state_multiplier, p->state_shift};
    const cmsis_nn_per_tensor_quant_params into_output = {p->out_multiplier, p->out_shift};
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims(p->batch, p->in_n, 1, 1);
    const cmsis_nn_dims state_dims = mcugen_cmsis_nn_dims(p->batch, 1, 1, p->filters * p->memory);
    const cmsis_nn_dims feature_dims = mcugen_cmsis_nn_dims(p->filters, p->in_n, 1, 1);
    const cmsis_nn_dims time_dims = mcugen_cmsis_nn_dims(p->filters, p->memory, 1, 1);
    const cmsis_nn_dims bias_dims = mcugen_cmsis_nn_dims(units, 1, 1, 1);
    const cmsis_nn_dims out_dims = mcugen_cmsis_nn_dims(p->batch, units, 1, 1);
    (void)arm_svdf_state_s16_s8(&in_context, &out_context, &params, &into_state, &into_output, &in_dims,
                                input, &state_dims, state, &feature_dims, weights_feature, &time_dims,
                                weights_time, &bias_dims, bias, &out_dims, output);
}

#endif
