/*
 * Reads elements in steps along five dimensions and writes them densely: transposes and strided slices.
 *
 * Input and output do not overlap and are aligned to their elements.
 */
#ifndef MCUGEN_SCALAR_GATHER_H
#define MCUGEN_SCALAR_GATHER_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/elements.h"
#include "../common/params.h"

MCUGEN_KERNEL void mcugen_gather_scalar(const mcugen_gather_params *p, const void *input, void *output)
{
    int32_t to = 0;
    for (int32_t i = 0; i < p->dims[0]; i++) {
        for (int32_t j = 0; j < p->dims[1]; j++) {
            for (int32_t k = 0; k < p->dims[2]; k++) {
                for (int32_t l = 0; l < p->dims[3]; l++) {
                    int32_t from = p->first + i * p->strides[0] + j * p->strides[1] + k * p->strides[2] +
                                   l * p->strides[3];
                    for (int32_t m = 0; m < p->dims[4]; m++) {
                        mcugen_copy_element(output, to++, input, from, p->element_size);
                        from += p->strides[4];
                    }
                }
            }
        }
    }
}

#endif
