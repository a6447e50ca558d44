/* Where a sliding window meets the edges of its input. */
#ifndef MCUGEN_WINDOW_H
#define MCUGEN_WINDOW_H

#include <stdint.h>

#include "compiler.h"
#include "fixedpoint.h"

/* Taps k with first <= k < end read the input at origin + k * dilation, inside [0, size); end may be below
 * first. */
typedef struct {
    int32_t first, end;
} mcugen_taps;

/* origin: where the first tap is, negative in the padding; taps: the length of the window. */
MCUGEN_KERNEL mcugen_taps mcugen_taps_inside(int32_t origin, int32_t size, int32_t taps, int32_t dilation)
{
    const mcugen_taps inside = {
        .first = mcugen_max(0, dilation - 1 - origin) / dilation,
        .end = mcugen_min(taps, (size - origin + dilation - 1) / dilation),
    };
    return inside;
}

#endif
