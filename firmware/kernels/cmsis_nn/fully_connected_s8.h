/* Fully connected layers by CMSIS-NN: arm_fully_connected_wrapper_s8. */
#ifndef MCUGEN_CMSIS_NN_FULLY_CONNECTED_S8_H
#define MCUGEN_CMSIS_NN_FULLY_CONNECTED_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"
#include "library.h"

/* bias: NULL if it is in the kernel sums. kernel_sums: NULL where the library computes without them. */
MCUGEN_KERNEL void mcugen_fully_connected_s8_cmsis_nn_call(const mcugen_fully_connected_s8_params *p,
                                                           const int8_t *input, const int8_t *weights,
                                                           const int32_t *bias, const int32_t *kernel_sums,
                                                           const int32_t *multiplier, const int32_t *shift,
                                                           int8_t *output)
{
    const cmsis_nn_context context = mcugen_cmsis_nn_context((void *)kernel_sums);
    const cmsis_nn_fc_params params = {
        .input_offset = p->in_offset,
        .filter_offset = 0,
        .output_offset = p->out_offset,
        .activation = {.min = p->act_min, .max = p->act_max},
    };
    const cmsis_nn_quant_params quantization = {(int32_t *)multiplier, (int32_t *)shift, p->per_channel};
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims(p->rows, 1, 1, p->in_n);
    const cmsis_nn_dims filter_dims = mcugen_cmsis_nn_dims(p->in_n, 1, 1, p->out_n);
    const cmsis_nn_dims bias_dims = mcugen_cmsis_nn_dims(1, 1, 1, p->out_n);
    const cmsis_nn_dims out_dims = mcugen_cmsis_nn_dims(p->rows, 1, 1, p->out_n);
    (void)arm_fully_connected_wrapper_s8(&context, &params, &quantization, &in_dims, input, &filter_dims,
                                         weights, &bias_dims, bias, &out_dims, output);
}

MCUGEN_KERNEL void mcugen_fully_connected_s8_cmsis_nn(const mcugen_fully_connected_s8_params *p,
                                                      const int8_t *input, const int8_t *weights,
                                                      const int32_t *bias, const int32_t *multiplier,
                                                      const int32_t *shift, int8_t *output)
{
    mcugen_fully_connected_s8_cmsis_nn_call(p, input, weights, bias, NULL, multiplier, shift, output);
}

/* For MVE, where the library wants bias + in_offset * sum of the weights of each output, made in advance. It
 * only reads them, so they can stand in flash. */
MCUGEN_KERNEL void mcugen_fully_connected_s8_cmsis_nn_sums(const mcugen_fully_connected_s8_params *p,
                                                           const int8_t *input, const int8_t *weights,
                                                           const int32_t *kernel_sums,
                                                           const int32_t *multiplier, const int32_t *shift,
                                                           int8_t *output)
{
    mcugen_fully_connected_s8_cmsis_nn_call(p, input, weights, NULL, kernel_sums, multiplier, shift, output);
}

#endif
