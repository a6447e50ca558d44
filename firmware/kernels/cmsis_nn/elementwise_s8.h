/*
 * Addition and multiplication by CMSIS-NN, which knows no broadcasting: it is called for each run of elements
 * that are neighbours in both inputs (the last dimension), and all other dimensions are loops here.
 */
#ifndef MCUGEN_CMSIS_NN_ELEMENTWISE_S8_H
#define MCUGEN_CMSIS_NN_ELEMENTWISE_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"
#include "library.h"

/* Fixed by the contract: inputs of an addition are scaled with 20 fraction bits. */
#define MCUGEN_CMSIS_NN_ADD_LEFT_SHIFT 20

/* The position in an input of run i, counted row by row over the outer three dimensions. */
MCUGEN_KERNEL int32_t mcugen_cmsis_nn_run_start(const int32_t *dims, const int32_t *strides, int32_t i)
{
    const int32_t outer = i / (dims[1] * dims[2]);
    const int32_t middle = i / dims[2] % dims[1];
    const int32_t inner = i % dims[2];
    return outer * strides[0] + middle * strides[1] + inner * strides[2];
}

MCUGEN_KERNEL void mcugen_add_s8_cmsis_nn(const mcugen_add_s8_params *p, const int8_t *a, const int8_t *b,
                                          int8_t *output)
{
    const int32_t runs = p->dims[0] * p->dims[1] * p->dims[2];
    for (int32_t i = 0; i < runs; i++) {
        (void)arm_elementwise_add_s8(a + mcugen_cmsis_nn_run_start(p->dims, p->a_strides, i),
                                     b + mcugen_cmsis_nn_run_start(p->dims, p->b_strides, i), p->a_offset,
                                     p->a_multiplier, p->a_shift, p->b_offset, p->b_multiplier, p->b_shift,
                                     MCUGEN_CMSIS_NN_ADD_LEFT_SHIFT, output + i * p->dims[3], p->out_offset,
                                     p->out_multiplier, p->out_shift, p->act_min, p->act_max, p->dims[3]);
    }
}

MCUGEN_KERNEL void mcugen_mul_s8_cmsis_nn(const mcugen_mul_s8_params *p, const int8_t *a, const int8_t *b,
                                          int8_t *output)
{
    const int32_t runs = p->dims[0] * p->dims[1] * p->dims[2];
    for (int32_t i = 0; i < runs; i++) {
        (void)arm_elementwise_mul_s8(a + mcugen_cmsis_nn_run_start(p->dims, p->a_strides, i),
                                     b + mcugen_cmsis_nn_run_start(p->dims, p->b_strides, i), p->a_offset,
                                     p->b_offset, output + i * p->dims[3], p->out_offset, p->out_multiplier,
                                     p->out_shift, p->act_min, p->act_max, p->dims[3]);
    }
}

#endif
