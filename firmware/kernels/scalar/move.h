/* Rows of a window move towards its start. */
#ifndef MCUGEN_SCALAR_MOVE_H
#define MCUGEN_SCALAR_MOVE_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/params.h"

/* Copies from the first byte to the last: output lies before input, and they may overlap. */
MCUGEN_KERNEL void mcugen_move_scalar(const mcugen_move_params *p, const void *input, void *output)
{
    const uint8_t *source = input;
    uint8_t *target = output;
    int32_t left = p->bytes;
    if (((uintptr_t)source & 3u) == 0 && ((uintptr_t)target & 3u) == 0) {
        const mcugen_any_u32 *words = input;
        mcugen_any_u32 *to = output;
        for (; left >= 16; left -= 16) {
            const uint32_t a = words[0], b = words[1], c = words[2], d = words[3];
            to[0] = a, to[1] = b, to[2] = c, to[3] = d;
            words += 4, to += 4;
        }
        source = (const uint8_t *)words;
        target = (uint8_t *)to;
    }
    for (; left > 0; left--) {
        *target++ = *source++;
    }
}

#endif
