/*
 * Fully connected layer on the DSP extension, for one or two rows (more are columns of matmul.h).
 *
 * A row is expanded to int16 once, (x0,x2) (x1,x3) for each block of four values, or, which takes no memory,
 * each time it is read. Weights are packed as in matmul.h, but for two pairs of channels at a time; a block
 * of such a quad is 16 bytes: the lanes for (x0,x2) and (x1,x3) of the first pair, then of the second.
 */
#ifndef MCUGEN_DSP_FULLY_CONNECTED_S8_H
#define MCUGEN_DSP_FULLY_CONNECTED_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"
#include "arith.h"

/* in_n values are ``blocks`` blocks of four. alone: 1 if weights cannot share lanes: then a pair of channels
 * has only its first, and a quad two instead of four. */
typedef struct {
    int32_t rows, in_n, out_n;
    int32_t blocks, alone;
    int32_t rounding, out_offset;
    int32_t act_min, act_max;
} mcugen_dsp_fully_connected_params;

/* Some quads of a row; the assembly knows the order of the fields and moves weights, requant, out and
 * quads on.
 * loops, entry: rounds of four blocks after the first block, and the block at which the first round is
 * entered (4: no rounds). place:        where the outputs of a quad go, from its first; a later one is
 * written earlier. step:         from a quad's outputs to the next one's. address:      the assembly's own.
 */
typedef struct {
    const void *row;
    const int8_t *weights;
    const int32_t *requant;
    int8_t *out;
    int32_t loops, entry;
    int32_t out_offset;
    int32_t quads;
    int32_t place[3];
    int32_t step;
    int32_t address;
    int32_t blocks;
} mcugen_dsp_quads;

/* clang-format off */

/* The values of a block, from an expanded row or from the input itself. */
#define MCUGEN_DSP_QUAD_EXPANDED                                                                             \
    "ldrd   r1, r2, [r0], #8      \n"
#define MCUGEN_DSP_QUAD_DIRECT                                                                               \
    "ldr    r2, [r0], #4          \n"                                                                        \
    "sxtb16 r1, r2                \n"                                                                        \
    "sxtb16 r2, r2, ror #8        \n"

/* One block: 14 instructions for 16 products, 16 with values directly from the input. r0 values, r1 r2 four
 * of them, r3 r4 r5 r7 lanes, r6 weights, r8 r10 the sums A of two pairs, r9 r11 their sums S. */
#define MCUGEN_DSP_QUAD_BLOCK(load)                                                                          \
    "ldm    r6!, {r3, r4, r5, r7} \n" load                                                                   \
    "smlad  r9, r3, r1, r9        \n"                                                                        \
    "sxtb16 r3, r3                \n"                                                                        \
    "smlad  r11, r5, r1, r11      \n"                                                                        \
    "sxtb16 r5, r5                \n"                                                                        \
    "smlad  r8, r3, r1, r8        \n"                                                                        \
    "smlad  r10, r5, r1, r10      \n" MCUGEN_DSP_QUAD_HALF_BLOCK

#define MCUGEN_DSP_QUAD_HALF_BLOCK                                                                           \
    "smlad  r9, r4, r2, r9        \n"                                                                        \
    "sxtb16 r4, r4                \n"                                                                        \
    "smlad  r11, r7, r2, r11      \n"                                                                        \
    "sxtb16 r7, r7                \n"                                                                        \
    "smlad  r8, r4, r2, r8        \n"                                                                        \
    "smlad  r10, r7, r2, r10      \n"

#define MCUGEN_DSP_QUAD_FIRST_BLOCK(load)                                                                    \
    "ldm    r6!, {r3, r4, r5, r7} \n" load                                                                   \
    "smuad  r9, r3, r1            \n"                                                                        \
    "sxtb16 r3, r3                \n"                                                                        \
    "smuad  r11, r5, r1           \n"                                                                        \
    "sxtb16 r5, r5                \n"                                                                        \
    "smuad  r8, r3, r1            \n"                                                                        \
    "smuad  r10, r5, r1           \n" MCUGEN_DSP_QUAD_HALF_BLOCK

/* One output from twice its sum without the bias: r1 2 bias, r2 multiplier, r3 shift. */
#define MCUGEN_DSP_QUAD_OUTPUT(sum, shifted, ties)                                                           \
    "ldm    r0!, {r1, r2, r3}           \n"                                                                  \
    "add    " sum ", r1, " sum ", " shifted " \n"                                                            \
    "smmulr " sum ", " sum ", r2        \n" ties(sum)                                                        \
    "smmlsr " sum ", " sum ", r3, r7    \n"                                                                  \
    "ssat   " sum ", #8, " sum "        \n"

#define MCUGEN_DSP_QUAD_UP(sum) ""
#define MCUGEN_DSP_QUAD_AWAY(sum) "add " sum ", " sum ", " sum ", asr #31 \n"

/* The body of void f(mcugen_dsp_quads *q). A quad takes 14 instructions a block, 2 for four blocks, and
 * 44 (48 with ties away). lr holds q, r12 counts. */
#define MCUGEN_DSP_QUADS(load, ties)                                                                         \
    "push   {r4-r11, lr}     \n"                                                                             \
    "mov    lr, r0           \n"                                                                             \
    "adr    r1, 7f           \n"                                                                             \
    "ldr    r2, [lr, #20]    \n"                                                                             \
    "ldrh   r3, [r1, r2, lsl #1] \n"                                                                         \
    "sub    r1, r3           \n"                                                                             \
    "orr    r1, #1           \n"                                                                             \
    "str    r1, [lr, #48]    \n"                                                                             \
    "ldr    r6, [lr, #4]     \n"                                                                             \
    "1:                      \n"                                                                             \
    "ldr    r0, [lr]         \n" MCUGEN_DSP_QUAD_FIRST_BLOCK(load)                                           \
    "ldr    r12, [lr, #16]   \n"                                                                             \
    "ldr    r1, [lr, #48]    \n"                                                                             \
    "bx     r1               \n"                                                                             \
    "2:                      \n" MCUGEN_DSP_QUAD_BLOCK(load)                                                 \
    "3:                      \n" MCUGEN_DSP_QUAD_BLOCK(load)                                                 \
    "4:                      \n" MCUGEN_DSP_QUAD_BLOCK(load)                                                 \
    "5:                      \n" MCUGEN_DSP_QUAD_BLOCK(load)                                                 \
    "subs   r12, #1          \n"                                                                             \
    "bne    2b               \n"                                                                             \
    "6:                      \n"                                                                             \
    "ldr    r0, [lr, #8]     \n"                                                                             \
    "ldr    r7, [lr, #24]    \n"                                                                             \
    "sub    r9, r9, r8       \n"                                                                             \
    "sub    r11, r11, r10    \n" MCUGEN_DSP_QUAD_OUTPUT("r8", "lsl #1", ties)                                \
        MCUGEN_DSP_QUAD_OUTPUT("r9", "asr #7", ties) MCUGEN_DSP_QUAD_OUTPUT("r10", "lsl #1", ties)           \
            MCUGEN_DSP_QUAD_OUTPUT("r11", "asr #7", ties)                                                    \
    "ldr    r1, [lr, #12]    \n"                                                                             \
    "str    r0, [lr, #8]     \n"                                                                             \
    "ldrd   r0, r2, [lr, #28] \n"                                                                            \
    "ldrd   r3, r4, [lr, #36] \n"                                                                            \
    "strb   r11, [r1, r4]    \n"                                                                             \
    "strb   r10, [r1, r3]    \n"                                                                             \
    "strb   r9, [r1, r2]     \n"                                                                             \
    "strb   r8, [r1]         \n"                                                                             \
    "ldr    r2, [lr, #44]    \n"                                                                             \
    "add    r1, r2           \n"                                                                             \
    "str    r1, [lr, #12]    \n"                                                                             \
    "subs   r0, #1           \n"                                                                             \
    "str    r0, [lr, #28]    \n"                                                                             \
    "bne    1b               \n"                                                                             \
    "str    r6, [lr, #4]     \n"                                                                             \
    "pop    {r4-r11, pc}     \n"                                                                             \
    ".align 2                \n"                                                                             \
    "7:                      \n"                                                                             \
    ".hword 7b - 2b, 7b - 3b, 7b - 4b, 7b - 5b, 7b - 6b \n"

/* clang-format on */

MCUGEN_DSP_SHARED __attribute__((naked)) void mcugen_dsp_quads_up(MCUGEN_DSP_PARAM mcugen_dsp_quads *q)
{
    __asm volatile(MCUGEN_DSP_QUADS(MCUGEN_DSP_QUAD_EXPANDED, MCUGEN_DSP_QUAD_UP));
}

MCUGEN_DSP_SHARED __attribute__((naked)) void mcugen_dsp_quads_away(MCUGEN_DSP_PARAM mcugen_dsp_quads *q)
{
    __asm volatile(MCUGEN_DSP_QUADS(MCUGEN_DSP_QUAD_EXPANDED, MCUGEN_DSP_QUAD_AWAY));
}

MCUGEN_DSP_SHARED __attribute__((naked)) void mcugen_dsp_quads_direct_up(MCUGEN_DSP_PARAM mcugen_dsp_quads *q)
{
    __asm volatile(MCUGEN_DSP_QUADS(MCUGEN_DSP_QUAD_DIRECT, MCUGEN_DSP_QUAD_UP));
}

MCUGEN_DSP_SHARED __attribute__((naked)) void
mcugen_dsp_quads_direct_away(MCUGEN_DSP_PARAM mcugen_dsp_quads *q)
{
    __asm volatile(MCUGEN_DSP_QUADS(MCUGEN_DSP_QUAD_DIRECT, MCUGEN_DSP_QUAD_AWAY));
}

/* The sums A and S of two pairs of channels, for what the assembly does not do. */
MCUGEN_KERNEL void mcugen_dsp_quad_sums(const mcugen_dsp_quads *q, int32_t direct, int32_t *sums)
{
    for (int32_t block = 0; block < q->blocks; block++) {
        int32_t x[2];
        if (direct) {
            const uint32_t word = mcugen_load_word((const int8_t *)q->row + 4 * block);
            x[0] = mcugen_dsp_even(word);
            x[1] = mcugen_dsp_odd(word);
        } else {
            x[0] = ((const int32_t *)q->row)[2 * block];
            x[1] = ((const int32_t *)q->row)[2 * block + 1];
        }
        for (int32_t i = 0; i < 4; i++) {
            const uint32_t lanes = mcugen_load_word(q->weights + 16 * block + 4 * i);
            int32_t *const pair = sums + (i & ~1);
            pair[0] = __smlad(mcugen_dsp_even(lanes), x[i & 1], pair[0]);
            pair[1] = __smlad((int16x2_t)lanes, x[i & 1], pair[1]);
        }
    }
}

/* The same as the assembly for any rounding and clamp. */
MCUGEN_DSP_SHARED void mcugen_dsp_quads_any(mcugen_dsp_quads *q, int32_t direct, const mcugen_dsp_output *o)
{
    const int32_t doubling = o->rounding == MCUGEN_DSP_EXACT ? 0 : 1;
    for (; q->quads > 0; q->quads--) {
        int32_t sums[4] = {0, 0, 0, 0};
        mcugen_dsp_quad_sums(q, direct, sums);
        for (int32_t i = 3; i >= 0; i--) {
            const int32_t *const r = q->requant + 3 * i;
            int32_t sum = sums[i];
            if (i % 2 == 1) {
                sum = (int32_t)((uint32_t)sum - (uint32_t)sums[i - 1]) >> 8;
            }
            sum = mcugen_wrapping_add(mcugen_wrapping_shift_left(sum, doubling), r[0]);
            q->out[i == 0 ? 0 : q->place[i - 1]] = (int8_t)mcugen_dsp_requantize(*o, sum, r[1], r[2]);
        }
        q->weights += 16 * q->blocks;
        q->requant += 12;
        q->out += q->step;
    }
}

/* ``quads`` quads with ``outputs`` channels each. */
MCUGEN_KERNEL void mcugen_dsp_run_quads(const mcugen_dsp_fully_connected_params *p, mcugen_dsp_quads *q,
                                        int32_t quads, int32_t outputs, int32_t direct)
{
    const mcugen_dsp_output out = {p->rounding, p->out_offset, p->act_min, p->act_max};
    if (quads == 0) {
        return;
    }
    q->quads = quads;
    q->step = outputs;
    for (int32_t i = 1; i < 4; i++) {
        q->place[i - 1] = mcugen_min(p->alone ? i / 2 : i, outputs - 1);
    }
    if (out.rounding == MCUGEN_DSP_EXACT || out.act_min != INT8_MIN || out.act_max != INT8_MAX) {
        mcugen_dsp_quads_any(q, direct, &out);
    } else if (out.rounding == MCUGEN_DSP_UP) {
        (direct ? mcugen_dsp_quads_direct_up : mcugen_dsp_quads_up)(q);
    } else {
        (direct ? mcugen_dsp_quads_direct_away : mcugen_dsp_quads_away)(q);
    }
}

/* One row, expanded or as it is. */
MCUGEN_KERNEL void mcugen_dsp_one_row(const mcugen_dsp_fully_connected_params *p, const void *row,
                                      const int8_t *weights, const int32_t *requant, int8_t *output,
                                      int32_t direct)
{
    const int32_t per_quad = p->alone ? 2 : 4;
    mcugen_dsp_quads quads = {
        .row = row,
        .weights = weights,
        .requant = requant,
        .out = output,
        .loops = (p->blocks + 2) / 4,
        .entry = p->blocks == 1 ? 4 : (4 - (p->blocks - 1) % 4) % 4,
        .out_offset = p->out_offset,
        .blocks = p->blocks,
    };
    mcugen_dsp_run_quads(p, &quads, p->out_n / per_quad, per_quad, direct);
    mcugen_dsp_run_quads(p, &quads, p->out_n % per_quad > 0, p->out_n % per_quad, direct);
}

/* The values of a row; beyond its end they do not matter, the weights are zero there. */
MCUGEN_KERNEL void mcugen_dsp_expand_row(int32_t *row, const int8_t *input, int32_t n)
{
    for (int32_t i = 0; i < n / 4; i++) {
        const uint32_t word = mcugen_load_word(input + 4 * i);
        row[2 * i] = mcugen_dsp_even(word);
        row[2 * i + 1] = mcugen_dsp_odd(word);
    }
    int16_t *const rest = (int16_t *)(row + n / 4 * 2);
    for (int32_t i = 0; i < n % 4; i++) {
        rest[2 * (i & 1) + (i >> 1)] = input[(n & ~3) + i];
    }
}

MCUGEN_KERNEL void mcugen_fully_connected_s8_dsp(const mcugen_dsp_fully_connected_params *p,
                                                 const int8_t *input, const int8_t *weights,
                                                 const int32_t *requant, int8_t *output, void *scratch)
{
    for (int32_t row = 0; row < p->rows; row++) {
        mcugen_dsp_expand_row(scratch, input + row * p->in_n, p->in_n);
        mcugen_dsp_one_row(p, scratch, weights, requant, output + row * p->out_n, 0);
    }
}

/* A pointwise convolution of one or two pixels. */
MCUGEN_KERNEL void mcugen_conv2d_s8_dsp_few_pixels(const mcugen_dsp_fully_connected_params *p,
                                                   const int8_t *input, const int8_t *weights,
                                                   const int32_t *requant, int8_t *output, void *scratch)
{
    mcugen_fully_connected_s8_dsp(p, input, weights, requant, output, scratch);
}

/* in_n is a multiple of four. */
MCUGEN_KERNEL void mcugen_fully_connected_s8_dsp_direct(const mcugen_dsp_fully_connected_params *p,
                                                        const int8_t *input, const int8_t *weights,
                                                        const int32_t *requant, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        mcugen_dsp_one_row(p, input + row * p->in_n, weights, requant, output + row * p->out_n, 1);
    }
}

#endif
