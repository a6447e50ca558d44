/* Kernels that move bytes, by CMSIS-NN: arm_pad_s8, arm_transpose_s8 and arm_concatenation_s8_x. */
#ifndef MCUGEN_CMSIS_NN_MOVEMENT_H
#define MCUGEN_CMSIS_NN_MOVEMENT_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"
#include "library.h"

/* All in bytes; before and after: what is added to each dimension, filled with value. */
typedef struct {
    int32_t in_dims[4], before[4], after[4];
    int32_t value;
} mcugen_pad_cmsis_nn_params;

MCUGEN_KERNEL void mcugen_pad_cmsis_nn(const mcugen_pad_cmsis_nn_params *p, const void *input, void *output)
{
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims4(p->in_dims);
    const cmsis_nn_dims before = mcugen_cmsis_nn_dims4(p->before);
    const cmsis_nn_dims after = mcugen_cmsis_nn_dims4(p->after);
    (void)arm_pad_s8(input, output, (int8_t)p->value, &in_dims, &before, &after);
}

/* A transposition of bytes: dimension i of the output is dimension permutation[i] of the input. The first
 * ``rank`` entries count, the others of the dimensions are 1. */
typedef struct {
    int32_t rank;
    int32_t in_dims[4], out_dims[4], permutation[4];
} mcugen_gather_cmsis_nn_params;

MCUGEN_KERNEL void mcugen_gather_cmsis_nn(const mcugen_gather_cmsis_nn_params *p, const void *input,
                                          void *output)
{
    const cmsis_nn_dims in_dims = mcugen_cmsis_nn_dims4(p->in_dims);
    const cmsis_nn_dims out_dims = mcugen_cmsis_nn_dims4(p->out_dims);
    const uint32_t permutation[4] = {(uint32_t)p->permutation[0], (uint32_t)p->permutation[1],
                                     (uint32_t)p->permutation[2], (uint32_t)p->permutation[3]};
    const cmsis_nn_transpose_params params = {p->rank, permutation};
    (void)arm_transpose_s8(input, output, &in_dims, &out_dims, &params);
}

/* Of a dense input: one part of a concatenation. */
MCUGEN_KERNEL void mcugen_copy_rows_cmsis_nn(const mcugen_copy_rows_params *p, const void *input,
                                             void *output)
{
    arm_concatenation_s8_x(input, (uint16_t)p->row_bytes, (uint16_t)p->rows, 1, 1, output,
                           (uint16_t)p->out_stride, (uint32_t)p->out_offset);
}

#endif
