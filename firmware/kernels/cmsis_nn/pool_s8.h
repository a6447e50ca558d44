/* Pooling by CMSIS-NN: arm_avgpool_s8 and arm_max_pool_s8. */
#ifndef MCUGEN_CMSIS_NN_POOL_S8_H
#define MCUGEN_CMSIS_NN_POOL_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"
#include "library.h"

MCUGEN_KERNEL cmsis_nn_pool_params
mcugen_average_pool_s8_cmsis_nn_params(const mcugen_average_pool_s8_params *p)
{
    const cmsis_nn_pool_params params = {
        .stride = {.w = p->stride_w, .h = p->stride_h},
        .padding = {.w = p->pad_left, .h = p->pad_top},
        .activation = {.min = p->act_min, .max = p->act_max},
    };
    return params;
}

MCUGEN_KERNEL void mcugen_average_pool_s8_cmsis_nn(const mcugen_average_pool_s8_params *p,
                                                   const int8_t *input, int8_t *output, void *scratch)
{
    const cmsis_nn_context context = mcugen_cmsis_nn_context(scratch);
    const cmsis_nn_pool_params params = mcugen_average_pool_s8_cmsis_nn_params(p);
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims(1, p->in_h, p->in_w, p->in_c);
    const cmsis_nn_dims filter_dims = mcugen_cmsis_nn_dims(1, p->k_h, p->k_w, 1);
    const cmsis_nn_dims out_dims = mcugen_cmsis_nn_dims(1, p->out_h, p->out_w, p->out_c);
    (void)arm_avgpool_s8(&context, &params, &in_dims, input, &filter_dims, &out_dims, output);
}

MCUGEN_KERNEL void mcugen_max_pool_s8_cmsis_nn(const mcugen_max_pool_s8_params *p, const int8_t *input,
                                               int8_t *output)
{
    const cmsis_nn_context context = mcugen_cmsis_nn_context(NULL);
    const cmsis_nn_pool_params params = mcugen_average_pool_s8_cmsis_nn_params(p);
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims(1, p->in_h, p->in_w, p->in_c);
    const cmsis_nn_dims filter_dims = mcugen_cmsis_nn_dims(1, p->k_h, p->k_w, 1);
    const cmsis_nn_dims out_dims = mcugen_cmsis_nn_dims(1, p->out_h, p->out_w, p->out_c);
    (void)arm_max_pool_s8(&context, &params, &in_dims, input, &filter_dims, &out_dims, output);
}

#endif
