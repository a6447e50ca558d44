/*
 * What the adapters to CMSIS-NN share.
 *
 * An adapter has the signature of a kernel, fills CMSIS-NN's structures and calls its public functions. Their
 * status is not looked at: a call that the library would refuse never gets this far, because
 * mcugen/lowering/cmsis_nn.py lets an adapter through only for shapes that the library computes exactly.
 */
#ifndef MCUGEN_CMSIS_NN_LIBRARY_H
#define MCUGEN_CMSIS_NN_LIBRARY_H

#include <stdint.h>

#include "arm_nnfunctions.h"

#include "../common/compiler.h"

#if defined(CMSIS_NN_USE_SINGLE_ROUNDING)
#error "mcugen needs CMSIS-NN's default double rounding: build without CMSIS_NN_USE_SINGLE_ROUNDING"
#endif

/* Working memory; the library asks for its size nowhere. */
MCUGEN_KERNEL cmsis_nn_context mcugen_cmsis_nn_context(void *buffer)
{
    const cmsis_nn_context context = {buffer, 0};
    return context;
}

/* The library reads tables through pointers that are not const. */
MCUGEN_KERNEL cmsis_nn_per_channel_quant_params mcugen_cmsis_nn_per_channel(const int32_t *multiplier,
                                                                            const int32_t *shift)
{
    const cmsis_nn_per_channel_quant_params quantization = {(int32_t *)multiplier, (int32_t *)shift};
    return quantization;
}

MCUGEN_KERNEL cmsis_nn_dims mcugen_cmsis_nn_dims(int32_t n, int32_t h, int32_t w, int32_t c)
{
    const cmsis_nn_dims dims = {n, h, w, c};
    return dims;
}

MCUGEN_KERNEL cmsis_nn_dims mcugen_cmsis_nn_dims4(const int32_t *dims)
{
    return mcugen_cmsis_nn_dims(dims[0], dims[1], dims[2], dims[3]);
}

#endif
