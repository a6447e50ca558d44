/*
 * Products of int16 columns with packed int8 weights: the core of convolutions.
 *
 * A column is what one output pixel sees, K values padded to whole blocks of four. Three columns stand
 * interleaved in scratch memory, 24 bytes a block:
 *     (x0,x2) of column 0, 1, 2, then (x1,x3) of column 0, 1, 2, as int16 pairs.
 *
 * Weights of two output channels a and b share int16 lanes, a + 256 b, so that one SMLAD gives the sum
 * S = A + 256 B; the low bytes, sign-extended, give A, and B = (S - A) / 256 if |B| < 2^23. A block is 8 bytes:
 *     lanes for (x0,x2), lanes for (x1,x3).
 * All blocks of a pair of channels follow each other, then the next pair.
 */
#ifndef MCUGEN_DSP_MATMUL_H
#define MCUGEN_DSP_MATMUL_H

#include <stdint.h>

#include "../common/compiler.h"
#include "arith.h"

enum { MCUGEN_DSP_COLUMNS = 3, MCUGEN_DSP_BLOCK_BYTES = 24, MCUGEN_DSP_ODD_BYTES = 12 };

/* What three columns are multiplied with.
 * blocks:  of four values in a column.
 * pairs:   number of channel pairs.
 * singles: channels after them whose partner has no output: one channel for an odd rest, all channels if their
 *          weights cannot share lanes.
 * requant: three words per channel, partners included, see the rounding. */
typedef struct {
    const int8_t *weights;
    const int32_t *requant;
    int32_t blocks, pairs, singles;
} mcugen_dsp_filter;

/* One block: 17 instructions for 24 products. */
#define MCUGEN_DSP_BLOCK                                                                                     \
    "ldrd  %[w0], %[w1], [%[w]], #8 \n"                                                                      \
    "ldm   %[x]!, {r4, r5, r6}      \n"                                                                      \
    "smlad %[s0], %[w0], r4, %[s0]  \n"                                                                      \
    "smlad %[s1], %[w0], r5, %[s1]  \n"                                                                      \
    "smlad %[s2], %[w0], r6, %[s2]  \n"                                                                      \
    "sxtb16 %[w0], %[w0]            \n"                                                                      \
    "smlad %[a0], %[w0], r4, %[a0]  \n"                                                                      \
    "smlad %[a1], %[w0], r5, %[a1]  \n"                                                                      \
    "smlad %[a2], %[w0], r6, %[a2]  \n"                                                                      \
    "ldm   %[x]!, {r4, r5, r6}      \n"                                                                      \
    "smlad %[s0], %[w1], r4, %[s0]  \n"                                                                      \
    "smlad %[s1], %[w1], r5, %[s1]  \n"                                                                      \
    "smlad %[s2], %[w1], r6, %[s2]  \n"                                                                      \
    "sxtb16 %[w1], %[w1]            \n"                                                                      \
    "smlad %[a0], %[w1], r4, %[a0]  \n"                                                                      \
    "smlad %[a1], %[w1], r5, %[a1]  \n"                                                                      \
    "smlad %[a2], %[w1], r6, %[a2]  \n"

typedef struct {
    int32_t a[MCUGEN_DSP_COLUMNS], s[MCUGEN_DSP_COLUMNS];
} mcugen_dsp_sums;

/* The sums A and S of three columns and one pair of channels.
 * Registers: 6 sums, r4-r6 values, 2 weights, 2 pointers, 1 counter: all 14. */
MCUGEN_KERNEL mcugen_dsp_sums mcugen_dsp_dot_3x2(const int32_t *x, const int8_t *w, int32_t blocks)
{
    int32_t a0 = 0, a1 = 0, a2 = 0, s0 = 0, s1 = 0, s2 = 0, w0, w1;
    int32_t n = blocks >> 2;
    if (n > 0) {
        __asm volatile("1: \n" MCUGEN_DSP_BLOCK MCUGEN_DSP_BLOCK MCUGEN_DSP_BLOCK MCUGEN_DSP_BLOCK
                       "subs %[n], %[n], #1 \n"
                       "bne 1b \n"
                       : [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [s0] "+r"(s0), [s1] "+r"(s1),
                         [s2] "+r"(s2), [w0] "=&r"(w0), [w1] "=&r"(w1), [x] "+r"(x), [w] "+r"(w), [n] "+r"(n)
                       :
                       : "r4", "r5", "r6", "cc", "memory");
    }
    n = blocks & 3;
    if (n > 0) {
        __asm volatile("1: \n" MCUGEN_DSP_BLOCK "subs %[n], %[n], #1 \n"
                       "bne 1b \n"
                       : [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [s0] "+r"(s0), [s1] "+r"(s1),
                         [s2] "+r"(s2), [w0] "=&r"(w0), [w1] "=&r"(w1), [x] "+r"(x), [w] "+r"(w), [n] "+r"(n)
                       :
                       : "r4", "r5", "r6", "cc", "memory");
    }
    return (mcugen_dsp_sums){{a0, a1, a2}, {s0, s1, s2}};
}

/* The accumulator that requantization takes, from A. */
MCUGEN_KERNEL int32_t mcugen_dsp_total_a(mcugen_dsp_output o, int32_t a, int32_t bias)
{
    return o.rounding == MCUGEN_DSP_EXACT ? mcugen_wrapping_add(a, bias) : bias + a * 2;
}

/* The accumulator that requantization takes, from A and S. */
MCUGEN_KERNEL int32_t mcugen_dsp_total_b(mcugen_dsp_output o, int32_t a, int32_t s, int32_t bias)
{
    const int32_t b256 = (int32_t)((uint32_t)s - (uint32_t)a);
    return o.rounding == MCUGEN_DSP_EXACT ? mcugen_wrapping_add(b256 >> 8, bias) : bias + (b256 >> 7);
}

/* All outputs of three columns; the second and third pixel lie out1 and out2 bytes after the first. Columns
 * without a pixel of their own are given an earlier one's place, which is written later. */
MCUGEN_KERNEL void mcugen_dsp_multiply(mcugen_dsp_filter f, mcugen_dsp_output o, const int32_t *x, int8_t *out,
                                       int32_t out1, int32_t out2)
{
    const int32_t *r = f.requant;
    const int8_t *w = f.weights;
    int32_t tiles = f.pairs;
    int32_t b_place = 1;
    for (;;) {
        for (; tiles > 0; tiles--) {
            const mcugen_dsp_sums sum = mcugen_dsp_dot_3x2(x, w, f.blocks);
            int8_t *const place[MCUGEN_DSP_COLUMNS] = {out, out + out1, out + out2};
            for (int32_t i = MCUGEN_DSP_COLUMNS - 1; i >= 0; i--) {
                const int32_t a = mcugen_dsp_total_a(o, sum.a[i], r[0]);
                const int32_t b = mcugen_dsp_total_b(o, sum.a[i], sum.s[i], r[3]);
                place[i][b_place] = (int8_t)mcugen_dsp_requantize(o, b, r[4], r[5]);
                place[i][0] = (int8_t)mcugen_dsp_requantize(o, a, r[1], r[2]);
            }
            w += 8 * f.blocks;
            r += 6;
            out += 1 + b_place;
        }
        if (b_place == 0 || f.singles == 0) {
            return;
        }
        tiles = f.singles;
        b_place = 0;
    }
}

/* The instances of mcugen_dsp_multiply, shared by all layers of a model. */
#define MCUGEN_DSP_SHARED static inline __attribute__((noinline))

MCUGEN_DSP_SHARED void mcugen_dsp_multiply_up(const mcugen_dsp_filter *f, int32_t out_offset, const int32_t *x,
                                              int8_t *out, int32_t out1, int32_t out2)
{
    const mcugen_dsp_output o = {MCUGEN_DSP_UP, out_offset, INT8_MIN, INT8_MAX};
    mcugen_dsp_multiply(*f, o, x, out, out1, out2);
}

MCUGEN_DSP_SHARED void mcugen_dsp_multiply_away(const mcugen_dsp_filter *f, int32_t out_offset, const int32_t *x,
                                                int8_t *out, int32_t out1, int32_t out2)
{
    const mcugen_dsp_output o = {MCUGEN_DSP_AWAY, out_offset, INT8_MIN, INT8_MAX};
    mcugen_dsp_multiply(*f, o, x, out, out1, out2);
}

MCUGEN_DSP_SHARED void mcugen_dsp_multiply_clamp(const mcugen_dsp_filter *f, const mcugen_dsp_output *o,
                                                 const int32_t *x, int8_t *out, int32_t out1, int32_t out2)
{
    const mcugen_dsp_output away = {MCUGEN_DSP_AWAY, o->out_offset, o->act_min, o->act_max};
    mcugen_dsp_multiply(*f, away, x, out, out1, out2);
}

MCUGEN_DSP_SHARED void mcugen_dsp_multiply_exact(const mcugen_dsp_filter *f, const mcugen_dsp_output *o,
                                                 const int32_t *x, int8_t *out, int32_t out1, int32_t out2)
{
    const mcugen_dsp_output exact = {MCUGEN_DSP_EXACT, o->out_offset, o->act_min, o->act_max};
    mcugen_dsp_multiply(*f, exact, x, out, out1, out2);
}

/* The outputs of up to three columns; pixels lie pitch bytes apart. The instance is chosen by literals. */
MCUGEN_KERNEL void mcugen_dsp_multiply_columns(const mcugen_dsp_filter *f, const mcugen_dsp_output *o,
                                               const int32_t *x, int8_t *out, int32_t pitch, int32_t columns)
{
    const int32_t out1 = columns > 1 ? pitch : 0;
    const int32_t out2 = columns > 2 ? 2 * pitch : 0;
    const int32_t whole_range = o->act_min == INT8_MIN && o->act_max == INT8_MAX;
    if (o->rounding == MCUGEN_DSP_EXACT) {
        mcugen_dsp_multiply_exact(f, o, x, out, out1, out2);
    } else if (!whole_range) {
        mcugen_dsp_multiply_clamp(f, o, x, out, out1, out2);
    } else if (o->rounding == MCUGEN_DSP_UP) {
        mcugen_dsp_multiply_up(f, o->out_offset, x, out, out1, out2);
    } else {
        mcugen_dsp_multiply_away(f, o->out_offset, x, out, out1, out2);
    }
}

#endif
