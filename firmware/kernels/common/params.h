/*
 * Parameters of the kernels: one structure per contract, fields in the order of the operator's kernel call.
 *
 * Every member is 32 bits wide, so there is no padding. Sizes and strides count elements unless they say
 * bytes. Activations are NHWC with batch 1; an offset is minus the zero point on the input side and the zero
 * point on the output side; act_min and act_max are quantized bounds of the fused activation.
 */
#ifndef MCUGEN_PARAMS_H
#define MCUGEN_PARAMS_H

#include <stdint.h>

/* Constants: weights int8 [out_c][k_h][k_w][in_c / groups]; bias, multiplier, shift int32 [out_c]. */
typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t k_h, k_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t dilation_h, dilation_w;
    int32_t in_offset, out_offset;
    int32_t act_min, act_max;
    int32_t groups;
} mcugen_conv2d_s8_params;

/* Constants: weights int8 [k_h][k_w][out_c]; bias, multiplier, shift int32 [out_c]. Output channel
 * c * multiplier + k reads input channel c. */
typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t k_h, k_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t dilation_h, dilation_w;
    int32_t in_offset, out_offset;
    int32_t act_min, act_max;
    int32_t multiplier;
} mcugen_depthwise_conv2d_s8_params;

/* Constants: weights int8 [out_n][in_n]; bias int32 [out_n]; multiplier, shift int32 [out_n] if per_channel
 * is 1, else of one element. */
typedef struct {
    int32_t rows, in_n, out_n;
    int32_t in_offset, out_offset;
    int32_t act_min, act_max;
    int32_t per_channel;
} mcugen_fully_connected_s8_params;

/* dims: of the output, outermost first; strides: of the inputs per dimension, 0 where an input repeats. */
typedef struct {
    int32_t dims[4], a_strides[4], b_strides[4];
    int32_t a_offset, b_offset, out_offset;
    int32_t a_multiplier, a_shift;
    int32_t b_multiplier, b_shift;
    int32_t out_multiplier, out_shift;
    int32_t act_min, act_max;
} mcugen_add_s8_params;

typedef mcugen_add_s8_params mcugen_sub_s8_params;

/* bytes: of the rows that move. */
typedef struct {
    int32_t bytes;
} mcugen_move_params;

/* Dimensions as for add. */
typedef struct {
    int32_t dims[4], a_strides[4], b_strides[4];
    int32_t a_offset, b_offset, out_offset;
    int32_t out_multiplier, out_shift;
    int32_t act_min, act_max;
} mcugen_mul_s8_params;

/* out_c equals in_c. */
typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t k_h, k_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t act_min, act_max;
} mcugen_average_pool_s8_params;

typedef mcugen_average_pool_s8_params mcugen_max_pool_s8_params;

/* kept, reduced: two runs of axes each, outermost first; sum_offset is the input offset times the number of
 * elements in one mean, by which out_multiplier divides. */
typedef struct {
    int32_t kept[2], kept_strides[2];
    int32_t reduced[2], reduced_strides[2];
    int32_t sum_offset, out_offset;
    int32_t out_multiplier, out_shift;
} mcugen_mean_s8_params;

/* Constants: exp_table int32 [256], exp of minus the index times the input scale in Q0.31. The table holds
 * what follows from the last three fields: the multiplier from differences to Q5.26, and the least difference
 * whose exp does not vanish. */
typedef struct {
    int32_t rows, depth;
    int32_t in_multiplier, in_shift;
    int32_t diff_min;
} mcugen_softmax_s8_params;

typedef mcugen_softmax_s8_params mcugen_softmax_s8_s16_params;

/* Constants: table uint8 [256]. */
typedef struct {
    int32_t n;
} mcugen_table_8_params;

typedef struct {
    int32_t n;
    int32_t in_offset, out_offset;
    int32_t out_multiplier, out_shift;
} mcugen_requantize_s16_s8_params;

typedef mcugen_requantize_s16_s8_params mcugen_requantize_s8_s16_params;
typedef mcugen_requantize_s16_s8_params mcugen_requantize_s8_s32_params;
typedef mcugen_requantize_s16_s8_params mcugen_requantize_s16_s32_params;

typedef struct {
    int32_t n;
    float scale;
    int32_t zero_point;
} mcugen_quantize_f32_s8_params;

typedef mcugen_quantize_f32_s8_params mcugen_quantize_f32_u8_params;
typedef mcugen_quantize_f32_s8_params mcugen_quantize_f32_s16_params;
typedef mcugen_quantize_f32_s8_params mcugen_dequantize_s8_f32_params;
typedef mcugen_quantize_f32_s8_params mcugen_dequantize_u8_f32_params;
typedef mcugen_quantize_f32_s8_params mcugen_dequantize_s16_f32_params;

/* value: bit pattern of the element around the input; element_size: 1, 2 or 4 bytes. */
typedef struct {
    int32_t in_dims[5], before[5], out_dims[5];
    int32_t element_size;
    int32_t value;
} mcugen_pad_params;

/* All in bytes, except rows. */
typedef struct {
    int32_t rows, row_bytes;
    int32_t in_stride, in_offset;
    int32_t out_stride, out_offset;
} mcugen_copy_rows_params;

/* dims: of the output; strides: steps in the input (may be negative or 0) per dimension; first: where the
 * first element is; element_size: 1, 2 or 4 bytes. */
typedef struct {
    int32_t dims[5], strides[5];
    int32_t first;
    int32_t element_size;
} mcugen_gather_params;

/* Constants: weights_feature int8 [filters][in_n]; weights_time of the state's type [filters][memory];
 * bias int32 [filters / rank]. State: [batch][filters][memory]. */
typedef struct {
    int32_t batch, in_n, filters, memory, rank;
    int32_t in_offset, state_offset, out_offset;
    int32_t state_multiplier, state_shift;
    int32_t out_multiplier, out_shift;
} mcugen_svdf_s8_state8_params;

typedef mcugen_svdf_s8_state8_params mcugen_svdf_s8_state16_params;

#endif
