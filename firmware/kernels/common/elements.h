/* Moving elements of 1, 2 or 4 bytes without looking at them; pointers are aligned to the element. */
#ifndef MCUGEN_ELEMENTS_H
#define MCUGEN_ELEMENTS_H

#include <stdint.h>

#include "compiler.h"

/* target[to] = source[from], indices in elements. */
MCUGEN_KERNEL void mcugen_copy_element(void *target, int32_t to, const void *source, int32_t from,
                                       int32_t element_size)
{
    switch (element_size) {
    case 1:
        ((uint8_t *)target)[to] = ((const uint8_t *)source)[from];
        break;
    case 2:
        ((mcugen_any_u16 *)target)[to] = ((const mcugen_any_u16 *)source)[from];
        break;
    default:
        ((mcugen_any_u32 *)target)[to] = ((const mcugen_any_u32 *)source)[from];
        break;
    }
}

/* target[to] ... target[to + count - 1] = the low bytes of value. */
MCUGEN_KERNEL void mcugen_fill_elements(void *target, int32_t to, int32_t count, int32_t value,
                                        int32_t element_size)
{
    for (int32_t i = to; i < to + count; i++) {
        switch (element_size) {
        case 1:
            ((uint8_t *)target)[i] = (uint8_t)value;
            break;
        case 2:
            ((mcugen_any_u16 *)target)[i] = (mcugen_any_u16)value;
            break;
        default:
            ((mcugen_any_u32 *)target)[i] = (mcugen_any_u32)value;
            break;
        }
    }
}

#endif
