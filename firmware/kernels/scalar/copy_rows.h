/*
 * Copies runs of bytes at a constant distance: one part of a concatenation or of a split.
 *
 * Input and output do not overlap.
 */
#ifndef MCUGEN_SCALAR_COPY_ROWS_H
#define MCUGEN_SCALAR_COPY_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../common/compiler.h"
#include "../common/params.h"

MCUGEN_KERNEL void mcugen_copy_rows_scalar(const mcugen_copy_rows_params *p, const void *input, void *output)
{
    const uint8_t *source = (const uint8_t *)input + p->in_offset;
    uint8_t *target = (uint8_t *)output + p->out_offset;
    for (int32_t row = 0; row < p->rows; row++) {
        memcpy(target + row * p->out_stride, source + row * p->in_stride, (size_t)p->row_bytes);
    }
}

#endif
