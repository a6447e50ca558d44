/*
 * Any function of one 8-bit value: each byte is replaced by the table's entry for its bit pattern.
 */
#ifndef MCUGEN_SCALAR_TABLE_8_H
#define MCUGEN_SCALAR_TABLE_8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"

MCUGEN_KERNEL void mcugen_table_8_scalar(const mcugen_table_8_params *p, const void *input,
                                         const uint8_t *table, void *output)
{
    const uint8_t *x = (const uint8_t *)input;
    uint8_t *y = (uint8_t *)output;
    for (int32_t i = 0; i < p->n; i++) {
        y[i] = table[x[i]];
    }
}

#endif
