/*
 * Three sums of products in two words: the core of the kernels for processors without SIMD.
 *
 * Pixels a, b and c share two words, a + 2^21 c and b + 2^10 c. Multiplied by the same weights and summed up,
 * modulo 2^32, they give A + 2^21 C and B + 2^10 C, from which A, B and C follow exactly if all are in
 * [-2^20, 2^20): two multiplications and two additions for three products. Longer sums are done in chunks of
 * taps, whose lengths follow from the weights when the tables are made.
 */
#ifndef MCUGEN_V6M_LANES_H
#define MCUGEN_V6M_LANES_H

#include <stdint.h>

#include "../common/compiler.h"

/* GCC keeps r8 to r11 from functions for Armv6-M that are optimised for size, so there the parts in assembly
 * are plain C. */
#if defined(__thumb__) && (defined(__thumb2__) || !defined(__OPTIMIZE_SIZE__))
#define MCUGEN_V6M_HAS_HIGH_REGISTERS
#endif

enum { MCUGEN_LANES = 3, MCUGEN_LANE_BITS = 21, MCUGEN_LANE_REST = 10 };

typedef struct {
    uint32_t first, second;
} mcugen_lanes;

/* Three values, or three sums, in lanes. */
MCUGEN_KERNEL mcugen_lanes mcugen_lanes_pack(int32_t a, int32_t b, int32_t c)
{
    const mcugen_lanes lanes = {
        .first = (uint32_t)a + ((uint32_t)c << MCUGEN_LANE_BITS),
        .second = (uint32_t)b + ((uint32_t)c << MCUGEN_LANE_REST),
    };
    return lanes;
}

/* The low 21 bits, sign-extended. */
MCUGEN_KERNEL int32_t mcugen_lanes_low(uint32_t word)
{
    return (int32_t)(word << (32 - MCUGEN_LANE_BITS)) >> (32 - MCUGEN_LANE_BITS);
}

/* Adds the three sums to sums[0], sums[1] and sums[2]. The first word has the low 11 bits of C, the second
 * the others. */
MCUGEN_KERNEL void mcugen_lanes_add_to(int32_t *sums, mcugen_lanes lanes)
{
    const int32_t a = mcugen_lanes_low(lanes.first);
    const uint32_t low_c = lanes.first - (uint32_t)a;
    const uint32_t rest = lanes.second - (low_c >> (MCUGEN_LANE_BITS - MCUGEN_LANE_REST));
    const int32_t b = mcugen_lanes_low(rest);
    const int32_t high_c = (int32_t)(rest - (uint32_t)b) >> MCUGEN_LANE_REST;
    sums[0] += a;
    sums[1] += b;
    sums[2] += high_c + (int32_t)(low_c >> MCUGEN_LANE_BITS);
}

/* lanes + weight * values */
MCUGEN_KERNEL mcugen_lanes mcugen_lanes_multiply_add(mcugen_lanes lanes, int32_t weight,
                                                     const uint32_t *values)
{
    lanes.first += (uint32_t)weight * values[0];
    lanes.second += (uint32_t)weight * values[1];
    return lanes;
}

#if defined(MCUGEN_V6M_HAS_HIGH_REGISTERS) && !defined(__thumb2__)
/* One value of three pixels, to words next to each other: 12 instructions with the sums. */
#define MCUGEN_LANES_FILL_ONE                                                                                \
    "ldrb  r4, [%[a]]            \n"                                                                         \
    "ldrsb r5, [%[a], %[b]]      \n"                                                                         \
    "ldrsb %[v], [%[a], %[c]]    \n"                                                                         \
    "sxtb  r4, r4                \n"                                                                         \
    "lsls  %[v], %[v], #10       \n"                                                                         \
    "adds  r5, r5, %[v]          \n"                                                                         \
    "lsls  %[v], %[v], #11       \n"                                                                         \
    "adds  r4, r4, %[v]          \n"                                                                         \
    "stmia %[to]!, {r4, r5}      \n"                                                                         \
    "add   %[first], r4          \n"                                                                         \
    "add   %[second], r5         \n"                                                                         \
    "add   %[a], %[spacing]      \n"

/* See mcugen_lanes_fill; count is more than 0. */
MCUGEN_KERNEL mcugen_lanes mcugen_lanes_fill_pairs(uint32_t *to, const int8_t *a, const int8_t *b,
                                                   const int8_t *c, int32_t spacing, int32_t count,
                                                   mcugen_lanes sums)
{
    const uint32_t *const end = to + 2 * count;
    uint32_t v;
    __asm volatile(
        ".syntax unified      \n"
        "1:                   \n" MCUGEN_LANES_FILL_ONE "cmp %[to], %[end] \n"
        "bne   1b             \n"
        : [to] "+l"(to), [a] "+l"(a), [v] "=&l"(v), [first] "+h"(sums.first), [second] "+h"(sums.second)
        : [b] "l"(b - a), [c] "l"(c - a), [spacing] "h"(spacing), [end] "h"(end)
        : "r4", "r5", "cc", "memory");
    return sums;
}
#endif

/* ``count`` values of three pixels, ``spacing`` bytes apart, to words to[0], to[1], to[step], to[step + 1],
 * ... Returns their sums, in lanes, added to ``sums``. */
MCUGEN_KERNEL mcugen_lanes mcugen_lanes_fill(uint32_t *to, int32_t step, const int8_t *a, const int8_t *b,
                                             const int8_t *c, int32_t spacing, int32_t count,
                                             mcugen_lanes sums)
{
#if defined(MCUGEN_V6M_HAS_HIGH_REGISTERS) && !defined(__thumb2__)
    if (step == 2 && count > 0) {
        return mcugen_lanes_fill_pairs(to, a, b, c, spacing, count, sums);
    }
#endif
#pragma GCC unroll 4
    for (int32_t i = 0; i < count; i++) {
        const mcugen_lanes lanes = mcugen_lanes_pack(a[i * spacing], b[i * spacing], c[i * spacing]);
        to[i * step] = lanes.first;
        to[i * step + 1] = lanes.second;
        sums.first += lanes.first;
        sums.second += lanes.second;
    }
    return sums;
}

#endif
