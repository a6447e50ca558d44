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
MCUGEN_KERNEL mcugen_lanes mcugen_lanes_multiply_add(mcugen_lanes lanes, int32_t weight, const uint32_t *values)
{
    lanes.first += (uint32_t)weight * values[0];
    lanes.second += (uint32_t)weight * values[1];
    return lanes;
}

/* Values of three pixels, each in ``runs`` pieces of ``run`` bytes, ``pitch`` bytes apart, to words
 * to[0], to[1], to[step], to[step + 1], ... Returns their sums, in lanes. */
MCUGEN_KERNEL mcugen_lanes mcugen_lanes_fill(uint32_t *to, int32_t step, const int8_t *const *pixels,
                                             int32_t pitch, int32_t runs, int32_t run)
{
    mcugen_lanes sums = {0, 0};
    const int8_t *a = pixels[0];
    const int8_t *b = pixels[1];
    const int8_t *c = pixels[2];
    for (int32_t i = 0; i < runs; i++) {
#pragma GCC unroll 4
        for (int32_t j = 0; j < run; j++) {
            const mcugen_lanes lanes = mcugen_lanes_pack(a[j], b[j], c[j]);
            to[0] = lanes.first;
            to[1] = lanes.second;
            to += step;
            sums.first += lanes.first;
            sums.second += lanes.second;
        }
        a += pitch;
        b += pitch;
        c += pitch;
    }
    return sums;
}

#endif
