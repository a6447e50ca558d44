/*
 * The input in five dimensions with a constant around it.
 *
 * Input and output do not overlap and are aligned to their elements.
 */
#ifndef MCUGEN_SCALAR_PAD_H
#define MCUGEN_SCALAR_PAD_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/elements.h"
#include "../common/params.h"

/* Whether row (i, j, k, l) of the output holds input. */
MCUGEN_KERNEL int mcugen_pad_scalar_inside(const mcugen_pad_params *p, const int32_t index[4])
{
    for (int32_t d = 0; d < 4; d++) {
        const int32_t from = index[d] - p->before[d];
        if (from < 0 || from >= p->in_dims[d]) {
            return 0;
        }
    }
    return 1;
}

/* One row of the output, from element ``to`` on; the input's row starts at element ``from``. */
MCUGEN_KERNEL void mcugen_pad_scalar_row(const mcugen_pad_params *p, const void *input, int32_t from,
                                         void *output, int32_t to)
{
    const int32_t end = p->before[4] + p->in_dims[4];
    mcugen_fill_elements(output, to, p->before[4], p->value, p->element_size);
    for (int32_t m = p->before[4]; m < end; m++) {
        mcugen_copy_element(output, to + m, input, from++, p->element_size);
    }
    mcugen_fill_elements(output, to + end, p->out_dims[4] - end, p->value, p->element_size);
}

MCUGEN_KERNEL void mcugen_pad_scalar(const mcugen_pad_params *p, const void *input, void *output)
{
    int32_t from = 0;
    int32_t to = 0;
    for (int32_t i = 0; i < p->out_dims[0]; i++) {
        for (int32_t j = 0; j < p->out_dims[1]; j++) {
            for (int32_t k = 0; k < p->out_dims[2]; k++) {
                for (int32_t l = 0; l < p->out_dims[3]; l++) {
                    if (mcugen_pad_scalar_inside(p, (const int32_t[4]){i, j, k, l})) {
                        mcugen_pad_scalar_row(p, input, from, output, to);
                        from += p->in_dims[4];
                    } else {
                        mcugen_fill_elements(output, to, p->out_dims[4], p->value, p->element_size);
                    }
                    to += p->out_dims[4];
                }
            }
        }
    }
}

#endif
