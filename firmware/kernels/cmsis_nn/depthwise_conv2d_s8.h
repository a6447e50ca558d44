/*
 * Depthwise convolution by CMSIS-NN: arm_depthwise_conv_wrapper_s8, which chooses among its functions, or
 * arm_depthwise_conv_s8; with one input channel also as a convolution.
 */
#ifndef MCUGEN_CMSIS_NN_DEPTHWISE_CONV2D_S8_H
#define MCUGEN_CMSIS_NN_DEPTHWISE_CONV2D_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"
#include "conv2d_s8.h"
#include "library.h"

MCUGEN_KERNEL cmsis_nn_dw_conv_params
mcugen_depthwise_conv2d_s8_cmsis_nn_params(const mcugen_depthwise_conv2d_s8_params *p)
{
    const cmsis_nn_dw_conv_params params = {
        .input_offset = p->in_offset,
        .output_offset = p->out_offset,
        .ch_mult = p->multiplier,
        .stride = {.w = p->stride_w, .h = p->stride_h},
        .padding = {.w = p->pad_left, .h = p->pad_top},
        .dilation = {.w = p->dilation_w, .h = p->dilation_h},
        .activation = {.min = p->act_min, .max = p->act_max},
    };
    return params;
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_cmsis_nn(const mcugen_depthwise_conv2d_s8_params *p,
                                                       const int8_t *input, const int8_t *weights,
                                                       const int32_t *bias, const int32_t *multiplier,
                                                       const int32_t *shift, int8_t *output, void *scratch)
{
    const cmsis_nn_context context = mcugen_cmsis_nn_context(scratch);
    const cmsis_nn_dw_conv_params params = mcugen_depthwise_conv2d_s8_cmsis_nn_params(p);
    const cmsis_nn_per_channel_quant_params quantization = mcugen_cmsis_nn_per_channel(multiplier, shift);
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims(1, p->in_h, p->in_w, p->in_c);
    const cmsis_nn_dims filter_dims = mcugen_cmsis_nn_dims(1, p->k_h, p->k_w, p->out_c);
    const cmsis_nn_dims bias_dims = mcugen_cmsis_nn_dims(1, 1, 1, p->out_c);
    const cmsis_nn_dims out_dims = mcugen_cmsis_nn_dims(1, p->out_h, p->out_w, p->out_c);
    (void)arm_depthwise_conv_wrapper_s8(&context, &params, &quantization, &in_dims, input, &filter_dims,
                                        weights, &bias_dims, bias, &out_dims, output);
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_cmsis_nn_basic(const mcugen_depthwise_conv2d_s8_params *p,
                                                             const int8_t *input, const int8_t *weights,
                                                             const int32_t *bias, const int32_t *multiplier,
                                                             const int32_t *shift, int8_t *output)
{
    const cmsis_nn_context context = mcugen_cmsis_nn_context(NULL);
    const cmsis_nn_dw_conv_params params = mcugen_depthwise_conv2d_s8_cmsis_nn_params(p);
    const cmsis_nn_per_channel_quant_params quantization = mcugen_cmsis_nn_per_channel(multiplier, shift);
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims(1, p->in_h, p->in_w, p->in_c);
    const cmsis_nn_dims filter_dims = mcugen_cmsis_nn_dims(1, p->k_h, p->k_w, p->out_c);
    const cmsis_nn_dims bias_dims = mcugen_cmsis_nn_dims(1, 1, 1, p->out_c);
    const cmsis_nn_dims out_dims = mcugen_cmsis_nn_dims(1, p->out_h, p->out_w, p->out_c);
    (void)arm_depthwise_conv_s8(&context, &params, &quantization, &in_dims, input, &filter_dims, weights,
                                &bias_dims, bias, &out_dims, output);
}

/* Of one input channel; weights are int8 [out_c][k_h][k_w]. */
MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_cmsis_nn_conv(const mcugen_depthwise_conv2d_s8_params *p,
                                                            const int8_t *input, const int8_t *weights,
                                                            const int32_t *bias, const int32_t *multiplier,
                                                            const int32_t *shift, int8_t *output,
                                                            void *scratch)
{
    const mcugen_conv2d_s8_params conv = {
        .in_h = p->in_h,
        .in_w = p->in_w,
        .in_c = 1,
        .out_h = p->out_h,
        .out_w = p->out_w,
        .out_c = p->out_c,
        .k_h = p->k_h,
        .k_w = p->k_w,
        .stride_h = p->stride_h,
        .stride_w = p->stride_w,
        .pad_top = p->pad_top,
        .pad_left = p->pad_left,
        .dilation_h = p->dilation_h,
        .dilation_w = p->dilation_w,
        .in_offset = p->in_offset,
        .out_offset = p->out_offset,
        .act_min = p->act_min,
        .act_max = p->act_max,
        .groups = 1,
    };
    mcugen_conv2d_s8_cmsis_nn(&conv, input, weights, bias, multiplier, shift, output, scratch);
}

#endif
