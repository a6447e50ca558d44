/*
 * Products of int16 columns with packed int8 weights: the core of convolutions.
 *
 * A column is what one output pixel sees, K values padded to whole blocks of four. Three columns stand
 * interleaved in scratch memory, 24 bytes a block:
 *     (x0,x2) of column 0, 1, 2, then (x1,x3) of column 0, 1, 2, as int16 pairs.
 *
 * Weights of two output channels a and b share int16 lanes, a + 256 b, so that one SMLAD gives the sum
 * S = A + 256 B; the low bytes, sign-extended, give A, and B = (S - A) / 256 if |B| < 2^23. A block is 8
 * bytes, the lanes for (x0,x2) and those for (x1,x3). All blocks of a pair of channels follow each other,
 * then the next pair.
 */
#ifndef MCUGEN_DSP_MATMUL_H
#define MCUGEN_DSP_MATMUL_H

#include <stdint.h>

#include "../common/compiler.h"
#include "arith.h"

enum { MCUGEN_DSP_COLUMNS = 3, MCUGEN_DSP_BLOCK_BYTES = 24, MCUGEN_DSP_ODD_BYTES = 12 };

/* Whether loads are placed among multiplications, for a core that issues two instructions a cycle, which
 * costs one more for four blocks. Armv7E-M with double precision is the Cortex-M7; one without can be named.
 */
#ifndef MCUGEN_DSP_DUAL_ISSUE
#if defined(__ARM_ARCH_7EM__) && defined(__ARM_FP) && (__ARM_FP & 8)
#define MCUGEN_DSP_DUAL_ISSUE 1
#else
#define MCUGEN_DSP_DUAL_ISSUE 0
#endif
#endif

/* What columns are multiplied with; the assembly below knows the order of the fields.
 * requant:     three words per channel, see the rounding.
 * pairs_end:   where the table's rows of channel pairs end. Channels after it stand alone, as the first of a
 *              pair whose second has no output: an odd rest, or all channels if they cannot share lanes.
 * singles_end: the end of the table.
 * blocks:      of a column. The first is done apart, the others by ``loops`` rounds of four; the first round
 *              is entered at block number ``entry`` (4: there is none). With dual issue ``loops`` is the
 * bytes of all blocks of the columns. */
typedef struct {
    const int8_t *weights;
    const int32_t *requant, *pairs_end, *singles_end;
    int32_t out_offset;
    int32_t loops, entry;
    int32_t blocks;
    int32_t act_min, act_max;
} mcugen_dsp_filter;

MCUGEN_KERNEL mcugen_dsp_filter mcugen_dsp_make_filter(const int8_t *weights, const int32_t *requant,
                                                       int32_t blocks, int32_t pairs, int32_t singles,
                                                       mcugen_dsp_output out)
{
    const mcugen_dsp_filter filter = {
        .weights = weights,
        .requant = requant,
        .pairs_end = requant + 6 * pairs,
        .singles_end = requant + 6 * (pairs + singles),
        .out_offset = out.out_offset,
        .loops = MCUGEN_DSP_DUAL_ISSUE ? MCUGEN_DSP_BLOCK_BYTES * blocks : (blocks + 2) / 4,
        .entry = blocks == 1 ? 4 : (4 - (blocks - 1) % 4) % 4,
        .blocks = blocks,
        .act_min = out.act_min,
        .act_max = out.act_max,
    };
    return filter;
}

/* clang-format off */

#if MCUGEN_DSP_DUAL_ISSUE

/* One block: 17 instructions for 24 products. r0 columns, r1-r3 r7 values, r4 r5 lanes, r6 weights, r8-r10 the
 * sums A of three columns, r11 r12 lr their sums S. The second load of values goes along with a multiplication, and has
 * one more to arrive; so do the SXTB16, and the load of the next lanes. */
#define MCUGEN_DSP_BLOCK_OF(start, add_a, add_b, add_c, add_d, add_e, add_f, late)                           \
    "ldrd   r4, r5, [r6], #8      \n"                                                                        \
    "ldm    r0!, {r1, r2, r3, r7} \n" start "r11, r4, r1" add_a start "r12, r4, r2" add_b start              \
    "lr, r4, r3" add_c "sxtb16 r4, r4                \n" start "r8, r4, r1" add_d start "r9, r4, r2" add_e   \
    start "r10, r4, r3" add_f                                                                                \
    "ldrd   r1, r2, [r0], #8      \n"                                                                        \
    "smlad  r11, r5, r7, r11      \n"                                                                        \
    "smlad  r12, r5, r1, r12      \n"                                                                        \
    "smlad  lr, r5, r2, lr        \n"                                                                        \
    "sxtb16 r5, r5                \n"                                                                        \
    "smlad  r8, r5, r7, r8        \n" late "smlad  r9, r5, r1, r9        \n"                                 \
    "smlad  r10, r5, r2, r10      \n"

#define MCUGEN_DSP_LATER_BLOCK(late)                                                                         \
    MCUGEN_DSP_BLOCK_OF("smlad ", ", r11 \n", ", r12 \n", ", lr \n", ", r8 \n", ", r9 \n", ", r10 \n", late)
#define MCUGEN_DSP_BLOCK MCUGEN_DSP_LATER_BLOCK("")

/* The first block of a column starts the sums. */
#define MCUGEN_DSP_FIRST_BLOCK MCUGEN_DSP_BLOCK_OF("smuad ", "\n", "\n", "\n", "\n", "\n", "\n", "")

/* The last block of a round, and whether it is the last of the column: r0 is at its end. */
#define MCUGEN_DSP_START_ROUNDS ""
#define MCUGEN_DSP_END_ROUND                                                                                 \
    MCUGEN_DSP_LATER_BLOCK("ldr    r7, [sp, #24]         \n") "cmp    r0, r7           \n"
#define MCUGEN_DSP_END_OF_COLUMNS "add    r11, r1              \n"

#else

/* One block: 17 instructions for 24 products. r0 columns, r1-r3 values, r4 r5 lanes, r6 weights, r8-r10 the
 * sums A of three columns, r11 r12 lr their sums S. */
#define MCUGEN_DSP_BLOCK                                                                                     \
    "ldrd   r4, r5, [r6], #8  \n"                                                                            \
    "ldm    r0!, {r1, r2, r3} \n"                                                                            \
    "smlad  r11, r4, r1, r11  \n"                                                                            \
    "smlad  r12, r4, r2, r12  \n"                                                                            \
    "smlad  lr, r4, r3, lr    \n"                                                                            \
    "sxtb16 r4, r4            \n"                                                                            \
    "smlad  r8, r4, r1, r8    \n"                                                                            \
    "smlad  r9, r4, r2, r9    \n"                                                                            \
    "smlad  r10, r4, r3, r10  \n" MCUGEN_DSP_HALF_BLOCK

/* The second half, values 1 and 3. */
#define MCUGEN_DSP_HALF_BLOCK                                                                                \
    "ldm    r0!, {r1, r2, r3} \n"                                                                            \
    "smlad  r11, r5, r1, r11  \n"                                                                            \
    "smlad  r12, r5, r2, r12  \n"                                                                            \
    "smlad  lr, r5, r3, lr    \n"                                                                            \
    "sxtb16 r5, r5            \n"                                                                            \
    "smlad  r8, r5, r1, r8    \n"                                                                            \
    "smlad  r9, r5, r2, r9    \n"                                                                            \
    "smlad  r10, r5, r3, r10  \n"

/* The first block of a column starts the sums. */
#define MCUGEN_DSP_FIRST_BLOCK                                                                               \
    "ldrd   r4, r5, [r6], #8  \n"                                                                            \
    "ldm    r0!, {r1, r2, r3} \n"                                                                            \
    "smuad  r11, r4, r1       \n"                                                                            \
    "smuad  r12, r4, r2       \n"                                                                            \
    "smuad  lr, r4, r3        \n"                                                                            \
    "sxtb16 r4, r4            \n"                                                                            \
    "smuad  r8, r4, r1        \n"                                                                            \
    "smuad  r9, r4, r2        \n"                                                                            \
    "smuad  r10, r4, r3       \n" MCUGEN_DSP_HALF_BLOCK

#define MCUGEN_DSP_START_ROUNDS "ldr    r7, [sp, #24]        \n"
#define MCUGEN_DSP_END_ROUND MCUGEN_DSP_BLOCK "subs   r7, #1               \n"
#define MCUGEN_DSP_END_OF_COLUMNS ""

#endif

/* Ties of negative values away from zero: x + (x >> 31) before rounding up. */
#define MCUGEN_DSP_TIES_UP ""
#define MCUGEN_DSP_TIES_AWAY                                                                                 \
    "add    r8, r8, r8, asr #31    \n"                                                                       \
    "add    r9, r9, r9, asr #31    \n"                                                                       \
    "add    r10, r10, r10, asr #31 \n"                                                                       \
    "add    r11, r11, r11, asr #31 \n"                                                                       \
    "add    r12, r12, r12, asr #31 \n"                                                                       \
    "add    lr, lr, lr, asr #31    \n"

/*
 * The body of void f(filter, x, out, out1, out2): all outputs of three columns. The second and third pixel
 * lie out1 and out2 bytes after the first; columns without a pixel of their own are given an earlier one's
 * place, which is written later.
 *
 * A pair of channels takes 17 instructions a block, 2 for four blocks, and 45 (51 with ties away).
 * Stack: 0 out_offset, 4 8 12 the three outputs, 16 requant, 20 x, 24 loops, 28 where the loop is entered,
 *        32 pairs_end, 36 singles_end. With dual issue 24 holds the end of the columns.
 */
#define MCUGEN_DSP_MULTIPLY(ties)                                                                            \
    "push   {r4-r11, lr}                 \n"                                                                 \
    "ldr    r12, [sp, #36]               \n"                                                                 \
    "sub    sp, #44                      \n"                                                                 \
    "ldm    r0, {r6-r11, lr}             \n" /* the filter, to entry */                                      \
    "add    r3, r2                       \n"                                                                 \
    "add    r12, r2                      \n"                                                                 \
    "adr    r4, 7f                       \n"                                                                 \
    "ldrh   r5, [r4, lr, lsl #1]         \n"                                                                 \
    "sub    r4, r5                       \n"                                                                 \
    "orr    r4, #1                       \n"                                                                 \
    "str    r10, [sp]                    \n"                                                                 \
    "strd   r2, r3, [sp, #4]             \n"                                                                 \
    "strd   r12, r7, [sp, #12]           \n"                                                                 \
    MCUGEN_DSP_END_OF_COLUMNS                                                                                \
    "strd   r1, r11, [sp, #20]           \n"                                                                 \
    "strd   r4, r8, [sp, #28]            \n"                                                                 \
    "str    r9, [sp, #36]                \n"                                                                 \
    "1:                                  \n"                                                                 \
    "ldr    r0, [sp, #20]                \n" MCUGEN_DSP_FIRST_BLOCK MCUGEN_DSP_START_ROUNDS                  \
    "ldr    pc, [sp, #28]                \n"                                                                 \
    "2:                                  \n" MCUGEN_DSP_BLOCK                                                \
    "3:                                  \n" MCUGEN_DSP_BLOCK                                                \
    "4:                                  \n" MCUGEN_DSP_BLOCK                                                \
    "5:                                  \n" MCUGEN_DSP_END_ROUND                                            \
    "bne    2b                           \n"                                                                 \
    "6:                                  \n"                                                                 \
    "ldr    r0, [sp, #16]                \n"                                                                 \
    "ldm    r0!, {r1, r2, r3, r4, r5, r7} \n" /* bias, multiplier, shift of a and b */                       \
    "str    r0, [sp, #16]                \n"                                                                 \
    "sub    r11, r11, r8                 \n"                                                                 \
    "sub    r12, r12, r9                 \n"                                                                 \
    "sub    lr, lr, r10                  \n"                                                                 \
    "add    r11, r4, r11, asr #7         \n" /* 2 bias + 2 B */                                              \
    "add    r12, r4, r12, asr #7         \n"                                                                 \
    "add    lr, r4, lr, asr #7           \n"                                                                 \
    "ldr    r4, [sp, #32]                \n"                                                                 \
    "cmp    r0, r4                       \n" /* the flags stay as they are from here to the stores */        \
    "add    r8, r1, r8, lsl #1           \n"                                                                 \
    "add    r9, r1, r9, lsl #1           \n"                                                                 \
    "add    r10, r1, r10, lsl #1         \n"                                                                 \
    "smmulr r8, r8, r2                   \n"                                                                 \
    "smmulr r9, r9, r2                   \n"                                                                 \
    "smmulr r10, r10, r2                 \n"                                                                 \
    "smmulr r11, r11, r5                 \n"                                                                 \
    "smmulr r12, r12, r5                 \n"                                                                 \
    "smmulr lr, lr, r5                   \n" ties                                                            \
    "ldm    sp, {r0, r1, r2, r4}         \n"                                                                 \
    "smmlsr r8, r8, r3, r0               \n"                                                                 \
    "smmlsr r9, r9, r3, r0               \n"                                                                 \
    "smmlsr r10, r10, r3, r0             \n"                                                                 \
    "smmlsr r11, r11, r7, r0             \n"                                                                 \
    "smmlsr r12, r12, r7, r0             \n"                                                                 \
    "smmlsr lr, lr, r7, r0               \n"                                                                 \
    "ssat   r8, #8, r8                   \n"                                                                 \
    "ssat   r9, #8, r9                   \n"                                                                 \
    "ssat   r10, #8, r10                 \n"                                                                 \
    "ssat   r11, #8, r11                 \n"                                                                 \
    "ssat   r12, #8, r12                 \n"                                                                 \
    "ssat   lr, #8, lr                   \n"                                                                 \
    "bhi    8f                           \n"                                                                 \
    "strb   lr, [r4, #1]                 \n"                                                                 \
    "strb   r10, [r4], #2                \n"                                                                 \
    "strb   r12, [r2, #1]                \n"                                                                 \
    "strb   r9, [r2], #2                 \n"                                                                 \
    "strb   r11, [r1, #1]                \n"                                                                 \
    "strb   r8, [r1], #2                 \n"                                                                 \
    "stm    sp, {r0, r1, r2, r4}         \n"                                                                 \
    "blo    1b                           \n"                                                                 \
    "b      9f                           \n"                                                                 \
    "8:                                  \n" /* a channel that stands alone */                               \
    "strb   r10, [r4], #1                \n"                                                                 \
    "strb   r9, [r2], #1                 \n"                                                                 \
    "strb   r8, [r1], #1                 \n"                                                                 \
    "stm    sp, {r0, r1, r2, r4}         \n"                                                                 \
    "9:                                  \n"                                                                 \
    "ldr    r0, [sp, #16]                \n"                                                                 \
    "ldr    r1, [sp, #36]                \n"                                                                 \
    "cmp    r0, r1                       \n"                                                                 \
    "blo    1b                           \n"                                                                 \
    "add    sp, #44                      \n"                                                                 \
    "pop    {r4-r11, pc}                 \n"                                                                 \
    ".align 2                            \n"                                                                 \
    "7:                                  \n"                                                                 \
    ".hword 7b - 2b, 7b - 3b, 7b - 4b, 7b - 5b, 7b - 6b \n"

/* clang-format on */

MCUGEN_DSP_SHARED __attribute__((naked)) void
mcugen_dsp_multiply_up(MCUGEN_DSP_PARAM const mcugen_dsp_filter *filter, MCUGEN_DSP_PARAM const int32_t *x,
                       MCUGEN_DSP_PARAM int8_t *out, MCUGEN_DSP_PARAM int32_t out1,
                       MCUGEN_DSP_PARAM int32_t out2)
{
    __asm volatile(MCUGEN_DSP_MULTIPLY(MCUGEN_DSP_TIES_UP));
}

MCUGEN_DSP_SHARED __attribute__((naked)) void
mcugen_dsp_multiply_away(MCUGEN_DSP_PARAM const mcugen_dsp_filter *filter, MCUGEN_DSP_PARAM const int32_t *x,
                         MCUGEN_DSP_PARAM int8_t *out, MCUGEN_DSP_PARAM int32_t out1,
                         MCUGEN_DSP_PARAM int32_t out2)
{
    __asm volatile(MCUGEN_DSP_MULTIPLY(MCUGEN_DSP_TIES_AWAY));
}

/* The sums A and S of one column and one pair of channels, for what the assembly does not do. */
MCUGEN_KERNEL void mcugen_dsp_dot(const mcugen_dsp_filter *f, const int32_t *x, const int8_t *weights,
                                  int32_t *a, int32_t *s)
{
    *a = 0;
    *s = 0;
    for (int32_t half = 0; half < 2 * f->blocks; half++) {
        const uint32_t lanes = mcugen_load_word(weights + 4 * half);
        *s = __smlad((int16x2_t)lanes, x[MCUGEN_DSP_COLUMNS * half], *s);
        *a = __smlad(mcugen_dsp_even(lanes), x[MCUGEN_DSP_COLUMNS * half], *a);
    }
}

/* The same as the assembly for rows of any kind: exact is 1 for rows (bias, multiplier, shift). */
MCUGEN_DSP_SHARED void mcugen_dsp_multiply_any(const mcugen_dsp_filter *f, const int32_t *x, int8_t *out,
                                               int32_t out1, int32_t out2, int32_t exact)
{
    const mcugen_dsp_output o = {exact ? MCUGEN_DSP_EXACT : MCUGEN_DSP_AWAY, f->out_offset, f->act_min,
                                 f->act_max};
    const int32_t doubling = exact ? 0 : 1;
    const int8_t *weights = f->weights;
    int8_t *place[MCUGEN_DSP_COLUMNS] = {out, out + out1, out + out2};
    for (const int32_t *r = f->requant; r < f->singles_end; r += 6) {
        const int32_t alone = r >= f->pairs_end;
        for (int32_t i = MCUGEN_DSP_COLUMNS - 1; i >= 0; i--) {
            int32_t a;
            int32_t s;
            mcugen_dsp_dot(f, x + i, weights, &a, &s);
            const int32_t b = (int32_t)((uint32_t)s - (uint32_t)a) >> (8 - doubling);
            a = mcugen_wrapping_shift_left(a, doubling);
            if (!alone) {
                place[i][1] = (int8_t)mcugen_dsp_requantize(o, mcugen_wrapping_add(b, r[3]), r[4], r[5]);
            }
            place[i][0] = (int8_t)mcugen_dsp_requantize(o, mcugen_wrapping_add(a, r[0]), r[1], r[2]);
            place[i] += alone ? 1 : 2;
        }
        weights += 8 * f->blocks;
    }
}

/* The outputs of up to three columns; pixels lie pitch bytes apart. The rounding and the clamp are literals.
 */
MCUGEN_KERNEL void mcugen_dsp_multiply_columns(const mcugen_dsp_filter *f, mcugen_dsp_output o,
                                               const int32_t *x, int8_t *out, int32_t pitch, int32_t columns)
{
    const int32_t out1 = columns > 1 ? pitch : 0;
    const int32_t out2 = columns > 2 ? 2 * pitch : 0;
    if (o.rounding == MCUGEN_DSP_EXACT) {
        mcugen_dsp_multiply_any(f, x, out, out1, out2, 1);
    } else if (o.act_min != INT8_MIN || o.act_max != INT8_MAX) {
        mcugen_dsp_multiply_any(f, x, out, out1, out2, 0);
    } else if (o.rounding == MCUGEN_DSP_UP) {
        mcugen_dsp_multiply_up(f, x, out, out1, out2);
    } else {
        mcugen_dsp_multiply_away(f, x, out, out1, out2);
    }
}

#endif
