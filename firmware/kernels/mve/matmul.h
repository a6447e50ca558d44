/*
 * Products of a matrix of int8 pixels with a matrix of int8 filters, requantized: the core of convolutions
 * and fully connected layers on MVE.
 *
 * Filters are streamed in groups of four, each as four int32 biases (the input offset folded in) and then,
 * per block of 16 values of a pixel, 16 bytes of each filter; the last block is padded with zeros. Two groups
 * make one step of eight channels: the first holds channels 0, 2, 4, 6, the second 1, 3, 5, 7, so that
 * interleaving narrowed vectors gives the order of memory. When at most four channels are left, the first
 * group holds channels 0, 1, 2, 3 and there is no second. `rescale` holds multipliers[4], shifts[4] per
 * group.
 */
#ifndef MCUGEN_MVE_MATMUL_H
#define MCUGEN_MVE_MATMUL_H

#include "../common/fixedpoint.h"
#include "arith.h"

/* Pixels whose accumulators are kept at a time. */
#define MCUGEN_MVE_RUN 16

typedef struct {
    const int8_t *filters;
    const int32_t *rescale;
    int32_t blocks; /* of 16 values, per filter */
    int32_t out_c;
    int32_t out_offset, act_min, act_max;
    int32_t exact; /* 0 if mcugen_mve_rescale_up will do; no shift is positive */
} mcugen_mve_filters;

/* Accumulators of eight channels: [group][pixel][channel of the group]. */
typedef int32_t mcugen_mve_sums[2][MCUGEN_MVE_RUN][4];

/* Pixels in pairs times one group of filters. The code below knows where the fields are. */
typedef struct {
    const int8_t *a;      /* 0: the first pixel of the first pair */
    const int8_t *b;      /* 4: the second one */
    int32_t *sums;        /* 8 */
    const int8_t *filter; /* 12: the group */
    int32_t half;         /* 16: half the blocks, rounded down */
    int32_t jump;         /* 20: bytes from the end of a pixel to its like in the next pair */
    int32_t *end;         /* 24: of the sums */
    int32_t step;         /* 28: bytes between pixels */
} mcugen_mve_pairs;

/*
 * One block of two pixels and four filters, 14 instructions for 128 products. r1 and r3: the pixels, r5:
 * filters. Accumulators are r0, r2, r4, r6 for the first pixel and r8, r10, r12, lr for the second: the dot
 * product instruction adds to even registers only.
 */
#define MCUGEN_MVE_BLOCK_2X4                                                                                 \
    "vldrb.8 q0, [r1], #16 \n"                                                                               \
    "vldrw.32 q2, [r5], #16 \n"                                                                              \
    "vldrb.8 q1, [r3], #16 \n"                                                                               \
    "vmladava.s8 r0, q0, q2 \n"                                                                              \
    "vldrw.32 q3, [r5], #16 \n"                                                                              \
    "vmladava.s8 r8, q1, q2 \n"                                                                              \
    "vmladava.s8 r2, q0, q3 \n"                                                                              \
    "vldrw.32 q2, [r5], #16 \n"                                                                              \
    "vmladava.s8 r10, q1, q3 \n"                                                                             \
    "vmladava.s8 r4, q0, q2 \n"                                                                              \
    "vldrw.32 q3, [r5], #16 \n"                                                                              \
    "vmladava.s8 r12, q1, q2 \n"                                                                             \
    "vmladava.s8 r6, q0, q3 \n"                                                                              \
    "vmladava.s8 lr, q1, q3 \n"

/* All pairs, two blocks at a time after `first`. r7, which may be the frame pointer, is saved by hand.
 * Instructions per pair besides the blocks: 9, and 2 for every two blocks. */
#define MCUGEN_MVE_ALL_PAIRS(first)                                                                          \
    "push {r7} \n"                                                                                           \
    "ldrd r1, r3, [%[pairs]] \n"                                                                             \
    "ldr r7, [%[pairs], #8] \n"                                                                              \
    "1: ldrd r5, r9, [%[pairs], #12] \n"                                                                     \
    "ldm r5, {r0, r2, r4, r6} \n"                                                                            \
    "ldm r5!, {r8, r10, r12, lr} \n" first "2: \n" MCUGEN_MVE_BLOCK_2X4 MCUGEN_MVE_BLOCK_2X4                 \
    "subs r9, r9, #1 \n"                                                                                     \
    "bne 2b \n"                                                                                              \
    "stm r7!, {r0, r2, r4, r6, r8, r10, r12, lr} \n"                                                         \
    "ldrd r0, r2, [%[pairs], #20] \n"                                                                        \
    "add r1, r1, r0 \n"                                                                                      \
    "add r3, r3, r0 \n"                                                                                      \
    "cmp r7, r2 \n"                                                                                          \
    "bne 1b \n"                                                                                              \
    "pop {r7} \n"

/* Pixels of one block: the four filters stay in q2 to q5. 17 instructions per pair. */
#define MCUGEN_MVE_ALL_PAIRS_OF_ONE_BLOCK                                                                    \
    "push {r7} \n"                                                                                           \
    "ldrd r1, r3, [%[pairs]] \n"                                                                             \
    "ldrd r7, r5, [%[pairs], #8] \n"                                                                         \
    "ldrd r3, r9, [%[pairs], #24] \n"                                                                        \
    "vldrw.32 q2, [r5, #16] \n"                                                                              \
    "vldrw.32 q3, [r5, #32] \n"                                                                              \
    "vldrw.32 q4, [r5, #48] \n"                                                                              \
    "vldrw.32 q5, [r5, #64] \n"                                                                              \
    "1: ldm r5, {r0, r2, r4, r6} \n"                                                                         \
    "vldrb.8 q0, [r1] \n"                                                                                    \
    "add r1, r1, r9 \n"                                                                                      \
    "ldm r5, {r8, r10, r12, lr} \n"                                                                          \
    "vldrb.8 q1, [r1] \n"                                                                                    \
    "add r1, r1, r9 \n"                                                                                      \
    "vmladava.s8 r0, q0, q2 \n"                                                                              \
    "vmladava.s8 r8, q1, q2 \n"                                                                              \
    "vmladava.s8 r2, q0, q3 \n"                                                                              \
    "vmladava.s8 r10, q1, q3 \n"                                                                             \
    "vmladava.s8 r4, q0, q4 \n"                                                                              \
    "vmladava.s8 r12, q1, q4 \n"                                                                             \
    "vmladava.s8 r6, q0, q5 \n"                                                                              \
    "vmladava.s8 lr, q1, q5 \n"                                                                              \
    "stm r7!, {r0, r2, r4, r6, r8, r10, r12, lr} \n"                                                         \
    "cmp r7, r3 \n"                                                                                          \
    "bne 1b \n"                                                                                              \
    "pop {r7} \n"

#define MCUGEN_MVE_RUN_PAIRS(code)                                                                           \
    __asm volatile(code                                                                                      \
                   :                                                                                         \
                   : [pairs] "r"(address)                                                                    \
                   : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "q0", "q1",   \
                     "q2", "q3", "q4", "q5", "cc", "memory")

/* At least one pair. */
MCUGEN_KERNEL void mcugen_mve_sums_of_pairs(const mcugen_mve_pairs *pairs, int32_t blocks)
{
    register const mcugen_mve_pairs *address __asm("r11") = pairs;
    if (blocks == 1) {
        MCUGEN_MVE_RUN_PAIRS(MCUGEN_MVE_ALL_PAIRS_OF_ONE_BLOCK);
    } else if (blocks & 1) {
        MCUGEN_MVE_RUN_PAIRS(MCUGEN_MVE_ALL_PAIRS(MCUGEN_MVE_BLOCK_2X4));
    } else {
        MCUGEN_MVE_RUN_PAIRS(MCUGEN_MVE_ALL_PAIRS(""));
    }
}

/* One pixel times four filters: 10 instructions for 64 products. */
MCUGEN_KERNEL void mcugen_mve_sums_1x4(const int8_t *a, const int8_t *w, int32_t blocks, int32_t *sums)
{
    __asm volatile("ldm %[w]!, {r0, r2, r4, r6} \n"
                   "dls lr, %[n] \n"
                   "1: vldrb.8 q0, [%[a]], #16 \n"
                   "vldrw.32 q1, [%[w]], #16 \n"
                   "vldrw.32 q2, [%[w]], #16 \n"
                   "vmladava.s8 r0, q0, q1 \n"
                   "vldrw.32 q3, [%[w]], #16 \n"
                   "vmladava.s8 r2, q0, q2 \n"
                   "vldrw.32 q4, [%[w]], #16 \n"
                   "vmladava.s8 r4, q0, q3 \n"
                   "vmladava.s8 r6, q0, q4 \n"
                   "le lr, 1b \n"
                   "stm %[sums], {r0, r2, r4, r6} \n"
                   : [a] "+r"(a), [w] "+r"(w)
                   : [sums] "r"(sums), [n] "r"(blocks)
                   : "r0", "r2", "r4", "r6", "lr", "q0", "q1", "q2", "q3", "q4", "memory");
}

/* Pixels, `step` bytes apart, times one group of filters. */
MCUGEN_KERNEL void mcugen_mve_sums_of_group(const int8_t *filter, int32_t blocks, const int8_t *x,
                                            int32_t step, int32_t pixels, int32_t *sums)
{
    const int32_t even = pixels & ~1;
    if (even) {
        const mcugen_mve_pairs pairs = {
            .a = x,
            .b = x + step,
            .sums = sums,
            .filter = filter,
            .half = blocks >> 1,
            .jump = 2 * step - 16 * blocks,
            .end = sums + 4 * even,
            .step = step,
        };
        mcugen_mve_sums_of_pairs(&pairs, blocks);
    }
    if (pixels & 1) {
        mcugen_mve_sums_1x4(x + even * step, filter, blocks, sums + 4 * even);
    }
}

/*
 * Requantizes and writes the sums of eight channels. q2, q3 and q4, q5: multipliers and shifts of the first
 * and the second group; `clamp` brings the lanes of q0 into their bounds. The second group's sums are 256
 * bytes behind the first one's.
 */
#define MCUGEN_MVE_FINISH(prepare, away, clamp)                                                              \
    __asm volatile("vldrw.32 q2, [%[rescale]] \n"                                                            \
                   "vldrw.32 q3, [%[rescale], #16] \n"                                                       \
                   "vldrw.32 q4, [%[rescale], #32] \n"                                                       \
                   "vldrw.32 q5, [%[rescale], #48] \n" prepare "dls lr, %[pixels] \n"                        \
                   "1: vldrw.32 q1, [%[sums], #256] \n"                                                      \
                   "vldrw.32 q0, [%[sums]], #16 \n"                                                          \
                   "vqrdmulh.s32 q1, q1, q4 \n"                                                              \
                   "vqrdmulh.s32 q0, q0, q2 \n" away "vrshl.s32 q1, q1, q5 \n"                               \
                   "vrshl.s32 q0, q0, q3 \n"                                                                 \
                   "vqmovnb.s32 q0, q0 \n"                                                                   \
                   "vqmovnt.s32 q0, q1 \n"                                                                   \
                   "vqadd.s16 q0, q0, %[offset] \n" clamp "vstrb.16 q0, [%[out]] \n"                         \
                   "add %[out], %[out], %[out_c] \n"                                                         \
                   "le lr, 1b \n"                                                                            \
                   : [sums] "+r"(sums), [out] "+l"(out)                                                      \
                   : [rescale] "r"(rescale), [pixels] "r"(pixels), [offset] "r"(f->out_offset),              \
                     [out_c] "r"(f->out_c), [low] "r"(f->act_min), [high] "r"(f->act_max)                    \
                   : "lr", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "memory")

/* As mcugen_mve_rescale_up: 14 instructions for eight outputs. */
MCUGEN_KERNEL void mcugen_mve_finish_8_up(const mcugen_mve_filters *f, const int32_t *rescale, int32_t pixels,
                                          const int32_t *sums, int8_t *out)
{
    MCUGEN_MVE_FINISH("vdup.16 q6, %[low] \n"
                      "vdup.16 q7, %[high] \n",
                      "",
                      "vmax.s16 q0, q0, q6 \n"
                      "vmin.s16 q0, q0, q7 \n");
}

/* As mcugen_mve_rescale, for bounds that are those of int8: 19 instructions for eight outputs. */
MCUGEN_KERNEL void mcugen_mve_finish_8_away(const mcugen_mve_filters *f, const int32_t *rescale,
                                            int32_t pixels, const int32_t *sums, int8_t *out)
{
    MCUGEN_MVE_FINISH("",
                      "vand q6, q1, q5 \n"
                      "vand q7, q0, q3 \n"
                      "vshr.s32 q6, q6, #31 \n"
                      "vshr.s32 q7, q7, #31 \n"
                      "vadd.i32 q1, q1, q6 \n"
                      "vadd.i32 q0, q0, q7 \n",
                      "vqmovnb.s16 q0, q0 \n");
}

/* Requantizes the sums of five to eight channels. */
MCUGEN_KERNEL void mcugen_mve_finish_8(const mcugen_mve_filters *f, const int32_t *rescale, int32_t pixels,
                                       mcugen_mve_sums sums, int8_t *out, mve_pred16_t channels)
{
    const int32x4_t m0 = vldrwq_s32(rescale);
    const int32x4_t s0 = vldrwq_s32(rescale + 4);
    const int32x4_t m1 = vldrwq_s32(rescale + 8);
    const int32x4_t s1 = vldrwq_s32(rescale + 12);
    const int16x8_t low = vdupq_n_s16((int16_t)f->act_min);
    const int16x8_t high = vdupq_n_s16((int16_t)f->act_max);
    for (int32_t i = 0; i < pixels; i++) {
        const int32x4_t even = mcugen_mve_rescale(vldrwq_s32(sums[0][i]), m0, s0);
        const int32x4_t odd = mcugen_mve_rescale(vldrwq_s32(sums[1][i]), m1, s1);
        int16x8_t y = vqmovntq_s32(vqmovnbq_s32(vreinterpretq_s16_s32(even), even), odd);
        y = vqaddq_n_s16(y, (int16_t)f->out_offset);
        vstrbq_p_s16(out, vminq_s16(vmaxq_s16(y, low), high), channels);
        out += f->out_c;
    }
}

/* Requantizes the sums of up to four channels. */
MCUGEN_KERNEL void mcugen_mve_finish_4(const mcugen_mve_filters *f, const int32_t *rescale, int32_t pixels,
                                       mcugen_mve_sums sums, int8_t *out, mve_pred16_t channels)
{
    const int32x4_t multiplier = vldrwq_s32(rescale);
    const int32x4_t shift = vldrwq_s32(rescale + 4);
    const int32x4_t low = vdupq_n_s32(f->act_min);
    const int32x4_t high = vdupq_n_s32(f->act_max);
    for (int32_t i = 0; i < pixels; i++) {
        const int32x4_t scaled = mcugen_mve_rescale(vldrwq_s32(sums[0][i]), multiplier, shift);
        const int32x4_t y = vqaddq_n_s32(scaled, f->out_offset);
        vstrbq_p_s32(out, vminq_s32(vmaxq_s32(y, low), high), channels);
        out += f->out_c;
    }
}

/* At most MCUGEN_MVE_RUN pixels, `step` bytes apart at x; reads up to 15 bytes behind each. */
MCUGEN_KERNEL void mcugen_mve_matmul_run(const mcugen_mve_filters *f, const int8_t *x, int32_t step,
                                         int32_t pixels, int8_t *out)
{
    const int32_t group_bytes = 16 + 64 * f->blocks;
    const int8_t *w = f->filters;
    const int32_t *rescale = f->rescale;
    mcugen_mve_sums sums;
    for (int32_t left = f->out_c; left > 0; left -= 8) {
        mcugen_mve_sums_of_group(w, f->blocks, x, step, pixels, sums[0][0]);
        w += group_bytes;
        if (left <= 4) {
            mcugen_mve_finish_4(f, rescale, pixels, sums, out, vctp32q((uint32_t)left));
            break;
        }
        mcugen_mve_sums_of_group(w, f->blocks, x, step, pixels, sums[1][0]);
        w += group_bytes;
        if (left >= 8 && !f->exact) {
            mcugen_mve_finish_8_up(f, rescale, pixels, sums[0][0], out);
        } else if (left >= 8 && f->act_min == INT8_MIN && f->act_max == INT8_MAX) {
            mcugen_mve_finish_8_away(f, rescale, pixels, sums[0][0], out);
        } else {
            mcugen_mve_finish_8(f, rescale, pixels, sums, out, vctp16q((uint32_t)left));
        }
        rescale += 16;
        out += 8;
    }
}

/* All filters at pixels that are `step` bytes apart at x; outputs are written one after the other. Of every
 * pixel, blocks * 16 bytes are read. */
MCUGEN_MVE_SHARED void mcugen_mve_matmul(const mcugen_mve_filters *f, const int8_t *x, int32_t step,
                                         int32_t pixels, int8_t *out)
{
    while (pixels > 0) {
        const int32_t run = pixels < MCUGEN_MVE_RUN ? pixels : MCUGEN_MVE_RUN;
        mcugen_mve_matmul_run(f, x, step, run, out);
        x += run * step;
        out += run * f->out_c;
        pixels -= run;
    }
}

/*
 * As mcugen_mve_matmul for pixels that lie one after the other, `depth` bytes each, without reading behind
 * the last one: the last pixels go through `scratch` when depth is no multiple of 16. Scratch: blocks * 16 +
 * 16 bytes, none needed if depth is a multiple of 16.
 */
MCUGEN_KERNEL void mcugen_mve_matmul_dense(const mcugen_mve_filters *f, const int8_t *x, int32_t depth,
                                           int32_t pixels, int8_t *out, int8_t *scratch)
{
    const int32_t excess = 16 * f->blocks - depth;
    const int32_t last = mcugen_min((excess + depth - 1) / depth, pixels);
    mcugen_mve_matmul(f, x, depth, pixels - last, out);
    if (last > 0) {
        mcugen_mve_copy(scratch, x + (pixels - last) * depth, last * depth);
        mcugen_mve_matmul(f, scratch, depth, last, out + (pixels - last) * f->out_c);
    }
}

#endif
