/* Fully connected layers on MVE: contract fully_connected_s8. Filters are laid out as matmul.h says. */
#ifndef MCUGEN_MVE_FULLY_CONNECTED_S8_H
#define MCUGEN_MVE_FULLY_CONNECTED_S8_H

#include "matmul.h"

/* As mcugen_fully_connected_s8_params; blocks and exact: see mcugen_mve_filters. */
typedef struct {
    int32_t rows, in_n, out_n;
    int32_t in_offset, out_offset;
    int32_t act_min, act_max;
    int32_t per_channel;
    int32_t blocks, exact;
} mcugen_fully_connected_s8_mve_params;

/* Scratch: 16 * blocks + 16 bytes. */
MCUGEN_KERNEL void mcugen_fully_connected_s8_mve(const mcugen_fully_connected_s8_mve_params *p,
                                                 const int8_t *input, const int8_t *filters,
                                                 const int32_t *rescale, int8_t *output, void *scratch)
{
    const mcugen_mve_filters f = {
        .filters = filters,
        .rescale = rescale,
        .blocks = p->blocks,
        .out_c = p->out_n,
        .out_offset = p->out_offset,
        .act_min = p->act_min,
        .act_max = p->act_max,
        .exact = p->exact,
    };
    mcugen_mve_matmul_dense(&f, input, p->in_n, p->rows, output, scratch);
}

#endif
