/*
 * 2D convolution with 3x3 windows, stride 1, by Winograd's minimal filtering F(2x2,3x3), exact in integers:
 * 16 products give the four outputs of a tile, where the plain sum takes 36.
 *
 *     4 x convolution = A' ((4 G g G') * (B' d B)) A      (' transposes, * is element by element)
 *
 * d is the 4x4 input of a tile (int8, the zero point outside of the image; the input offset is folded into
 * the bias), B' d B fits int16. The filters g come transformed, times 4, which keeps them whole. Sums wrap
 * around at 32 bits, which is right as long as 4 x convolution fits.
 *
 * Four tiles at a time: their transformed values stand in scratch memory as [pair of channels][slot][tile]
 * int16 pairs. A slot is one of the 16 elements, ordered so that the first half of the output transform
 * happens in the accumulators: slot 4 j + n is element (i, j) with i = 1, 2, 0, 3; the filters of i = 3 are
 * negated. Filters: [pair of outputs][slot][pair of channels][2 outputs].
 *
 * Words of four channels are expanded to the pairs 0 2 and 1 3. All words after a pixel's first are those
 * that end with its last channel; if the second shares channels with the first, it has filters of 0 for them.
 */
#ifndef MCUGEN_DSP_WINOGRAD_S8_H
#define MCUGEN_DSP_WINOGRAD_S8_H

#include <stdint.h>
#include <string.h>

#include "../common/compiler.h"
#include "arith.h"

/* in_c is at least 4; words: of four channels, in a pixel. The requantization table has three words per
 * channel. */
typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t pad_top, pad_left;
    int32_t words;
    int32_t zero_point;
    int32_t rounding, out_offset;
    int32_t act_min, act_max;
} mcugen_dsp_winograd_params;

enum {
    MCUGEN_DSP_TILES = 4,
    MCUGEN_DSP_TILE_PIXELS = 16,
    MCUGEN_DSP_TILE_SUMS = 8,                       /* [j][T0, T1] of a tile and a channel */
    MCUGEN_DSP_TILE_RESULTS = 2 * MCUGEN_DSP_TILES, /* sums of one kind: 4 tiles of each of two channels */
    MCUGEN_DSP_TILE_PAIR_WORDS = 16 * MCUGEN_DSP_TILES, /* what two channels take in scratch memory */
    MCUGEN_DSP_TILE_FILTER_BYTES = 16 * 4,              /* of one output for two channels */
};

/* The outputs of a tile: the first pixel, and how many bytes further the ones right and below are. Outputs
 * outside of the image take an earlier one's place, which is written later. */
typedef struct {
    int8_t *place;
    int32_t right, down;
} mcugen_dsp_tile;

/* clang-format off */

/* A column of a tile, two channels of each pixel, and its transform (B' d): 16 instructions. r1 is the offset
 * from the ends of the pixels, whose addresses are on the stack. */
#define MCUGEN_DSP_TILE_COLUMN(column, rotation, t0, t1, t2, t3)                                             \
    "ldr    r2, [sp, #4 * " #column "]      \n"                                                              \
    "ldr    r3, [sp, #4 * " #column " + 16] \n"                                                              \
    "ldr    r4, [sp, #4 * " #column " + 32] \n"                                                              \
    "ldr    r5, [sp, #4 * " #column " + 48] \n"                                                              \
    "ldr    r2, [r2, r1]           \n"                                                                       \
    "ldr    r3, [r3, r1]           \n"                                                                       \
    "ldr    r4, [r4, r1]           \n"                                                                       \
    "ldr    r5, [r5, r1]           \n"                                                                       \
    "sxtb16 r2, r2" rotation "     \n"                                                                       \
    "sxtb16 r3, r3" rotation "     \n"                                                                       \
    "sxtb16 r4, r4" rotation "     \n"                                                                       \
    "sxtb16 r5, r5" rotation "     \n"                                                                       \
    "ssub16 " #t0 ", r2, r4        \n"                                                                       \
    "sadd16 " #t1 ", r3, r4        \n"                                                                       \
    "ssub16 " #t2 ", r4, r3        \n"                                                                       \
    "ssub16 " #t3 ", r3, r5        \n"

/* A column of the transformed tile, rows in the order of the slots. */
#define MCUGEN_DSP_TILE_STORE(column, at, t0, t1, t2, t3)                                                    \
    "str    " #t1 ", [r0, #" #at " + 64 * " #column "]      \n"                                              \
    "str    " #t2 ", [r0, #" #at " + 64 * " #column " + 16] \n"                                              \
    "str    " #t0 ", [r0, #" #at " + 64 * " #column " + 32] \n"                                              \
    "str    " #t3 ", [r0, #" #at " + 64 * " #column " + 48] \n"

/* Two channels of a tile: 96 instructions. The columns' sums and differences are taken as they come. */
#define MCUGEN_DSP_TILE_CHANNELS(rotation, at)                                                               \
    MCUGEN_DSP_TILE_COLUMN(0, rotation, r6, r7, r8, r9)                                                      \
    MCUGEN_DSP_TILE_COLUMN(2, rotation, r10, r11, r12, lr)                                                   \
    "ssub16 r6, r6, r10  \n"                                                                                 \
    "ssub16 r7, r7, r11  \n"                                                                                 \
    "ssub16 r8, r8, r12  \n"                                                                                 \
    "ssub16 r9, r9, lr   \n"                                                                                 \
    MCUGEN_DSP_TILE_STORE(0, at, r6, r7, r8, r9)                                                             \
    MCUGEN_DSP_TILE_COLUMN(1, rotation, r6, r7, r8, r9)                                                      \
    "sadd16 r2, r6, r10  \n"                                                                                 \
    "sadd16 r3, r7, r11  \n"                                                                                 \
    "sadd16 r4, r8, r12  \n"                                                                                 \
    "sadd16 r5, r9, lr   \n"                                                                                 \
    MCUGEN_DSP_TILE_STORE(1, at, r2, r3, r4, r5)                                                             \
    "ssub16 r10, r10, r6 \n"                                                                                 \
    "ssub16 r11, r11, r7 \n"                                                                                 \
    "ssub16 r12, r12, r8 \n"                                                                                 \
    "ssub16 lr, lr, r9   \n"                                                                                 \
    MCUGEN_DSP_TILE_STORE(2, at, r10, r11, r12, lr)                                                          \
    MCUGEN_DSP_TILE_COLUMN(3, rotation, r10, r11, r12, lr)                                                   \
    "ssub16 r6, r6, r10  \n"                                                                                 \
    "ssub16 r7, r7, r11  \n"                                                                                 \
    "ssub16 r8, r8, r12  \n"                                                                                 \
    "ssub16 r9, r9, lr   \n"                                                                                 \
    MCUGEN_DSP_TILE_STORE(3, at, r6, r7, r8, r9)

/* Transforms a tile (B' d B). x: where its values go; pixels: the addresses of the ends of its 16 pixels, row by
 * row; channels: how many, at least 4. */
MCUGEN_DSP_SHARED __attribute__((naked)) void
mcugen_dsp_transform_tile(MCUGEN_DSP_PARAM int32_t *x, MCUGEN_DSP_PARAM const int8_t *const *pixels,
                          MCUGEN_DSP_PARAM int32_t channels)
{
    __asm volatile("push   {r4-r11, lr}     \n"
                   "add    r3, r1, #32      \n"
                   "ldm    r3, {r4-r11}     \n"
                   "push   {r4-r11}         \n"
                   "ldm    r1, {r4-r11}     \n"
                   "push   {r4-r11}         \n"
                   "rsb    r1, r2, #0       \n"
                   "1:                      \n" MCUGEN_DSP_TILE_CHANNELS("", 0)
                                                MCUGEN_DSP_TILE_CHANNELS(", ror #8", 256)
                   "add    r0, r0, #512     \n"
                   "add    r1, r1, #4       \n"
                   "bics   r1, r1, #3       \n"
                   "bne    1b               \n"
                   "add    sp, #64          \n"
                   "pop    {r4-r11, pc}     \n");
}

/* Two channels of four tiles and two outputs: 11 instructions for 16 products. r0 values, r1 filters, r6-r9 the
 * sums of the first output, r10-r12 lr those of the second. */
#define MCUGEN_DSP_TILE_PRODUCTS                                                                             \
    "ldrd   r4, r5, [r1], #8     \n"                                                                         \
    "ldrd   r2, r3, [r0], #8     \n"                                                                         \
    "smlad  r6, r4, r2, r6       \n"                                                                         \
    "smlad  r10, r5, r2, r10     \n"                                                                         \
    "smlad  r7, r4, r3, r7       \n"                                                                         \
    "smlad  r11, r5, r3, r11     \n"                                                                         \
    "ldrd   r2, r3, [r0], #248   \n"                                                                         \
    "smlad  r8, r4, r2, r8       \n"                                                                         \
    "smlad  r12, r5, r2, r12     \n"                                                                         \
    "smlad  r9, r4, r3, r9       \n"                                                                         \
    "smlad  lr, r5, r3, lr       \n"

/* Goes on to the next slot; r2 is where the values of the last one ended. */
#define MCUGEN_DSP_TILE_NEXT_SLOT                                                                            \
    "ldr    r3, [sp, #68]        \n"                                                                         \
    "add    r4, r2, #16          \n"                                                                         \
    "str    r4, [sp, #64]        \n"                                                                         \
    "sub    r0, r2, r3           \n"

/* A sum p = a + b and a difference a - b = 2 a - p; the difference takes the place of a. */
#define MCUGEN_DSP_TILE_BUTTERFLY(a, b)                                                                      \
    "add    " #b ", " #b ", " #a "          \n"                                                              \
    "rsb    " #a ", " #b ", " #a ", lsl #1  \n"

/* The products of all slots for two outputs, summed along the columns: with M the sums of a slot over channels,
 * results[j] = {T0, T1} = {M1j + M2j + M0j, M1j - M2j - M3j}, each for two outputs and four tiles.
 * x: the values of four tiles; filters: those of two outputs; pairs: of channels.
 * Stack: 0 eight sums, 32 eight zeros, 64 where the slot's values end, 68 bytes from there to the next slot, 72
 *        results, 76 their end, 80 where the loop is entered, 84 what to do after it. */
MCUGEN_DSP_SHARED __attribute__((naked)) void
mcugen_dsp_multiply_tiles(MCUGEN_DSP_PARAM const int32_t *x, MCUGEN_DSP_PARAM const int8_t *filters,
                          MCUGEN_DSP_PARAM int32_t *results, MCUGEN_DSP_PARAM int32_t pairs)
{
    __asm volatile("push   {r4-r11, lr}      \n"
                   "sub    sp, #88           \n"
                   "lsl    r4, r3, #8        \n"
                   "add    r6, r0, r4        \n"
                   "sub    r7, r4, #16       \n"
                   "add    r8, r2, #256      \n"
                   "strd   r6, r7, [sp, #64] \n"
                   "strd   r2, r8, [sp, #72] \n"
                   "rsb    r3, r3, #0        \n"
                   "and    r3, r3, #7        \n"
                   "adr    r4, 7f            \n"
                   "ldrh   r5, [r4, r3, lsl #1] \n"
                   "sub    r4, r5            \n"
                   "orr    r4, #1            \n"
                   "str    r4, [sp, #80]     \n"
                   "mov    r6, #0            \n"
                   "mov    r7, r6            \n"
                   "mov    r8, r6            \n"
                   "mov    r9, r6            \n"
                   "mov    r10, r6           \n"
                   "mov    r11, r6           \n"
                   "mov    r12, r6           \n"
                   "mov    lr, r6            \n"
                   "add    r3, sp, #32       \n"
                   "stm    r3, {r6-r12, lr}  \n"
                   "adr    r3, 3f            \n"
                   "str    r3, [sp, #84]     \n"
                   "ldr    pc, [sp, #80]     \n"
                   "1:                       \n" MCUGEN_DSP_TILE_PRODUCTS
                   "11:                      \n" MCUGEN_DSP_TILE_PRODUCTS
                   "12:                      \n" MCUGEN_DSP_TILE_PRODUCTS
                   "13:                      \n" MCUGEN_DSP_TILE_PRODUCTS
                   "14:                      \n" MCUGEN_DSP_TILE_PRODUCTS
                   "15:                      \n" MCUGEN_DSP_TILE_PRODUCTS
                   "16:                      \n" MCUGEN_DSP_TILE_PRODUCTS
                   "17:                      \n" MCUGEN_DSP_TILE_PRODUCTS
                   "ldr    r2, [sp, #64]     \n"
                   "cmp    r0, r2            \n"
                   "bne    1b                \n"
                   "ldr    r3, [sp, #84]     \n"
                   "mov    pc, r3            \n"
                   ".align 2                 \n"
                   "3:                       \n" /* after i = 1 */
                   "stm    sp, {r6-r12, lr}  \n" MCUGEN_DSP_TILE_NEXT_SLOT
                   "add    r3, sp, #32       \n"
                   "ldm    r3, {r6-r12, lr}  \n"
                   "adr    r3, 4f            \n"
                   "str    r3, [sp, #84]     \n"
                   "ldr    pc, [sp, #80]     \n"
                   ".align 2                 \n"
                   "4:                       \n" /* after i = 2: go on with i = 0 in the sum */
                   MCUGEN_DSP_TILE_NEXT_SLOT
                   "ldm    sp, {r2-r5}       \n" MCUGEN_DSP_TILE_BUTTERFLY(r2, r6)
                                                 MCUGEN_DSP_TILE_BUTTERFLY(r3, r7)
                                                 MCUGEN_DSP_TILE_BUTTERFLY(r4, r8)
                                                 MCUGEN_DSP_TILE_BUTTERFLY(r5, r9)
                   "stm    sp, {r2-r5}       \n"
                   "ldrd   r2, r3, [sp, #16] \n"
                   "ldrd   r4, r5, [sp, #24] \n" MCUGEN_DSP_TILE_BUTTERFLY(r2, r10)
                                                 MCUGEN_DSP_TILE_BUTTERFLY(r3, r11)
                                                 MCUGEN_DSP_TILE_BUTTERFLY(r4, r12)
                                                 MCUGEN_DSP_TILE_BUTTERFLY(r5, lr)
                   "strd   r2, r3, [sp, #16] \n"
                   "strd   r4, r5, [sp, #24] \n"
                   "adr    r3, 5f            \n"
                   "str    r3, [sp, #84]     \n"
                   "ldr    pc, [sp, #80]     \n"
                   ".align 2                 \n"
                   "5:                       \n" /* after i = 0: go on with i = 3 in the difference */
                   MCUGEN_DSP_TILE_NEXT_SLOT
                   "ldr    r3, [sp, #72]     \n"
                   "stm    r3!, {r6-r12, lr} \n"
                   "str    r3, [sp, #72]     \n"
                   "ldm    sp, {r6-r12, lr}  \n"
                   "adr    r3, 6f            \n"
                   "str    r3, [sp, #84]     \n"
                   "ldr    pc, [sp, #80]     \n"
                   ".align 2                 \n"
                   "6:                       \n" /* after i = 3 */
                   MCUGEN_DSP_TILE_NEXT_SLOT
                   "ldrd   r3, r4, [sp, #72] \n"
                   "stm    r3!, {r6-r12, lr} \n"
                   "cmp    r3, r4            \n"
                   "beq    9f                \n"
                   "str    r3, [sp, #72]     \n"
                   "add    r3, sp, #32       \n"
                   "ldm    r3, {r6-r12, lr}  \n"
                   "adr    r3, 3b            \n"
                   "str    r3, [sp, #84]     \n"
                   "ldr    pc, [sp, #80]     \n"
                   "9:                       \n"
                   "add    sp, #88           \n"
                   "pop    {r4-r11, pc}      \n"
                   ".align 2                 \n"
                   "7:                       \n"
                   ".hword 7b - 1b, 7b - 11b, 7b - 12b, 7b - 13b \n"
                   ".hword 7b - 14b, 7b - 15b, 7b - 16b, 7b - 17b \n");
}

/* clang-format on */

/* a + b + c and a - b - c, wrapping around at 32 bits. */
MCUGEN_KERNEL int32_t mcugen_dsp_plus(int32_t a, int32_t b, int32_t c)
{
    return (int32_t)((uint32_t)a + (uint32_t)b + (uint32_t)c);
}

MCUGEN_KERNEL int32_t mcugen_dsp_minus(int32_t a, int32_t b, int32_t c)
{
    return (int32_t)((uint32_t)a - (uint32_t)b - (uint32_t)c);
}

/* One output from 4 x convolution and the channel's row of the table. */
MCUGEN_KERNEL int8_t mcugen_dsp_tile_output(mcugen_dsp_output o, int32_t sum, const int32_t *row)
{
    const int32_t scale = o.rounding == MCUGEN_DSP_EXACT ? 2 : 1;
    return (int8_t)mcugen_dsp_requantize(o, mcugen_wrapping_add(sum >> scale, row[0]), row[1], row[2]);
}

/* The four outputs of a tile in one channel. results: those of the tile and the channel. */
MCUGEN_KERNEL void mcugen_dsp_finish_tile(mcugen_dsp_output o, const int32_t *results, const int32_t *row,
                                          int8_t *place, int32_t right, int32_t down)
{
    int32_t t[MCUGEN_DSP_TILE_SUMS];
#pragma GCC unroll 8
    for (int32_t i = 0; i < MCUGEN_DSP_TILE_SUMS; i++) {
        t[i] = results[i * MCUGEN_DSP_TILE_RESULTS];
    }
    place[down + right] = mcugen_dsp_tile_output(o, mcugen_dsp_minus(t[3], t[5], t[7]), row);
    place[down] = mcugen_dsp_tile_output(o, mcugen_dsp_plus(t[3], t[5], t[1]), row);
    place[right] = mcugen_dsp_tile_output(o, mcugen_dsp_minus(t[2], t[4], t[6]), row);
    place[0] = mcugen_dsp_tile_output(o, mcugen_dsp_plus(t[2], t[4], t[0]), row);
}

/* All outputs of four tiles, the first last: tiles that there are not have its place. */
MCUGEN_KERNEL void mcugen_dsp_finish_tiles(const mcugen_dsp_winograd_params *p, const mcugen_dsp_tile *tiles,
                                           const int32_t *x, int32_t *results, const int8_t *weights,
                                           const int32_t *requant)
{
    const mcugen_dsp_output o = {p->rounding, p->out_offset, p->act_min, p->act_max};
    for (int32_t channel = 0; channel < p->out_c; channel++) {
        if (channel % 2 == 0) {
            mcugen_dsp_multiply_tiles(x, weights, results, 2 * p->words);
            weights += 4 * p->words * MCUGEN_DSP_TILE_FILTER_BYTES;
        }
        const int32_t row[3] = {requant[0], requant[1], requant[2]};
        const int32_t *const sums = results + channel % 2 * MCUGEN_DSP_TILES;
        for (int32_t i = MCUGEN_DSP_TILES - 1; i >= 0; i--) {
            const int32_t right = p->out_w % 2 == 0 ? p->out_c : tiles[i].right;
            const int32_t down = p->out_h % 2 == 0 ? p->out_w * p->out_c : tiles[i].down;
            mcugen_dsp_finish_tile(o, sums + i, row, tiles[i].place + channel, right, down);
        }
        requant += 3;
    }
}

/* The transformed values of the tile whose input starts at (top, left). outside: a pixel of zero points. */
MCUGEN_KERNEL void mcugen_dsp_start_tile(const mcugen_dsp_winograd_params *p, int32_t *x, const int8_t *input,
                                         const int8_t *outside, int32_t top, int32_t left)
{
    const int8_t *pixels[MCUGEN_DSP_TILE_PIXELS];
    const int8_t *const end = input + (top * p->in_w + left + 1) * p->in_c;
    const int32_t interior = top >= 0 && left >= 0 && top + 4 <= p->in_h && left + 4 <= p->in_w;
#pragma GCC unroll 16
    for (int32_t i = 0; i < MCUGEN_DSP_TILE_PIXELS; i++) {
        pixels[i] = end + (i / 4 * p->in_w + i % 4) * p->in_c;
    }
    for (int32_t i = 0; i < MCUGEN_DSP_TILE_PIXELS && !interior; i++) {
        const int32_t row = top + i / 4;
        const int32_t column = left + i % 4;
        if (row < 0 || row >= p->in_h || column < 0 || column >= p->in_w) {
            pixels[i] = outside + p->in_c;
        }
    }
    mcugen_dsp_transform_tile(x, pixels, p->in_c);
}

MCUGEN_KERNEL void mcugen_conv2d_s8_dsp_winograd(const mcugen_dsp_winograd_params *p, const int8_t *input,
                                                 const int8_t *weights, const int32_t *requant,
                                                 int8_t *output, void *scratch)
{
    int32_t *const x = scratch;
    int32_t *const results = x + 2 * p->words * MCUGEN_DSP_TILE_PAIR_WORDS;
    int8_t *const outside = (int8_t *)(results + MCUGEN_DSP_TILE_SUMS * MCUGEN_DSP_TILE_RESULTS);
    mcugen_dsp_tile tiles[MCUGEN_DSP_TILES];
    int32_t filled = 0;
    memset(outside, p->zero_point, (size_t)p->in_c);
    for (int32_t row = 0; row < p->out_h; row += 2) {
        for (int32_t column = 0; column < p->out_w; column += 2) {
            mcugen_dsp_start_tile(p, x + filled, input, outside, row - p->pad_top, column - p->pad_left);
            tiles[filled].place = output + (row * p->out_w + column) * p->out_c;
            tiles[filled].right = column + 1 < p->out_w ? p->out_c : 0;
            tiles[filled].down = row + 1 < p->out_h ? p->out_w * p->out_c : 0;
            filled++;
            if (filled < MCUGEN_DSP_TILES && !(row + 2 >= p->out_h && column + 2 >= p->out_w)) {
                continue;
            }
            for (int32_t i = filled; i < MCUGEN_DSP_TILES; i++) {
                tiles[i] = tiles[0];
            }
            mcugen_dsp_finish_tiles(p, tiles, x, results, weights, requant);
            filled = 0;
        }
    }
}

#endif
