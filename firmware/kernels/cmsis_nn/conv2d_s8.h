/* Convolution by CMSIS-NN: arm_convolve_wrapper_s8, which chooses among its functions, or arm_convolve_s8. */
#ifndef MCUGEN_CMSIS_NN_CONV2D_S8_H
#define MCUGEN_CMSIS_NN_CONV2D_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"
#include "library.h"

MCUGEN_KERNEL cmsis_nn_conv_params mcugen_conv2d_s8_cmsis_nn_params(const mcugen_conv2d_s8_params *p)
{
    const cmsis_nn_conv_params params = {
        .input_offset = p->in_offset,
        .output_offset = p->out_offset,
        .stride = {.w = p->stride_w, .h = p->stride_h},
        .padding = {.w = p->pad_left, .h = p->pad_top},
        .dilation = {.w = p->dilation_w, .h = p->dilation_h},
        .activation = {.min = p->act_min, .max = p->act_max},
    };
    return params;
}

MCUGEN_KERNEL void mcugen_conv2d_s8_cmsis_nn(const mcugen_conv2d_s8_params *p, const int8_t *input,
                                             const int8_t *weights, const int32_t *bias,
                                             const int32_t *multiplier, const int32_t *shift, int8_t *output,
                                             void *scratch)
{
    const cmsis_nn_context context = mcugen_cmsis_nn_context(scratch);
    const cmsis_nn_conv_params params = mcugen_conv2d_s8_cmsis_nn_params(p);
    const cmsis_nn_per_channel_quant_params quantization = mcugen_cmsis_nn_per_channel(multiplier, shift);
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims(1, p->in_h, p->in_w, p->in_c);
    const cmsis_nn_dims filter_dims = mcugen_cmsis_nn_dims(p->out_c, p->k_h, p->k_w, p->in_c / p->groups);
    const cmsis_nn_dims bias_dims = mcugen_cmsis_nn_dims(1, 1, 1, p->out_c);
    const cmsis_nn_dims out_dims = mcugen_cmsis_nn_dims(1, p->out_h, p->out_w, p->out_c);
    (void)arm_convolve_wrapper_s8(&context, &params, &quantization, &in_dims, input, &filter_dims, weights,
                                  &bias_dims, bias, &out_dims, output);
}

MCUGEN_KERNEL void mcugen_conv2d_s8_cmsis_nn_basic(const mcugen_conv2d_s8_params *p, const int8_t *input,
                                                   const int8_t *weights, const int32_t *bias,
                                                   const int32_t *multiplier, const int32_t *shift,
                                                   int8_t *output, void *scratch)
{
    const cmsis_nn_context context = mcugen_cmsis_nn_context(scratch);
    const cmsis_nn_conv_params params = mcugen_conv2d_s8_cmsis_nn_params(p);
    const cmsis_nn_per_channel_quant_params quantization = mcugen_cmsis_nn_per_channel(multiplier, shift);
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims(1, p->in_h, p->in_w, p->in_c);
    const cmsis_nn_dims filter_dims = mcugen_cmsis_nn_dims(p->out_c, p->k_h, p->k_w, p->in_c / p->groups);
    const cmsis_nn_dims bias_dims = mcugen_cmsis_nn_dims(1, 1, 1, p->out_c);
    const cmsis_nn_dims out_dims = mcugen_cmsis_nn_dims(1, p->out_h, p->out_w, p->out_c);
    (void)arm_convolve_s8(&context, &params, &quantization, &in_dims, input, &filter_dims, weights,
                          &bias_dims, bias, NULL, &out_dims, output);
}

#endif
