/* Softmax by CMSIS-NN, which computes the exponentials itself: no table. */
#ifndef MCUGEN_CMSIS_NN_SOFTMAX_S8_H
#define MCUGEN_CMSIS_NN_SOFTMAX_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"
#include "library.h"

MCUGEN_KERNEL void mcugen_softmax_s8_cmsis_nn(const mcugen_softmax_s8_params *p, const int8_t *input,
                                              int8_t *output)
{
    arm_softmax_s8(input, p->rows, p->depth, p->in_multiplier, p->in_shift, p->diff_min, output);
}

MCUGEN_KERNEL void mcugen_softmax_s8_s16_cmsis_nn(const mcugen_softmax_s8_params *p, const int8_t *input,
                                                  int16_t *output)
{
    arm_softmax_s8_s16(input, p->rows, p->depth, p->in_multiplier, p->in_shift, p->diff_min, output);
}

#endif
