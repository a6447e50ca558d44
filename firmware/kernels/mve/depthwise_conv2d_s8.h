/*
 * Depthwise convolutions on MVE: contract depthwise_conv2d_s8.
 *
 * The input rows of a window are interleaved in scratch: a word holds four consecutive rows of the window at one
 * column and channel, and the words of a quad of rows lie as [column][channel]. Four words of one channel, loaded
 * from wherever they are, then make one vector of 16 taps, so that a dot product gives a whole 3x3 window.
 */
#ifndef MCUGEN_MVE_DEPTHWISE_CONV2D_S8_H
#define MCUGEN_MVE_DEPTHWISE_CONV2D_S8_H

#include "../common/fixedpoint.h"
#include "arith.h"

/*
 * As mcugen_depthwise_conv2d_s8_params. columns: of the input that a row of outputs reads, padding included;
 * blocks: of 16 taps; exact: 0 if mcugen_mve_rescale_up will do.
 *
 * Constants: taps int8 [out_c][blocks][16]; words int32 [blocks][4], where the words of a block are, in bytes from
 * the first word of a window; rescale int32 [out_c][3]: bias (the input offset folded in), multiplier, shift.
 * Scratch: quads of rows * columns * in_c * 4 + 64 bytes.
 */
typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t k_h, k_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t dilation_h, dilation_w;
    int32_t in_offset, out_offset;
    int32_t act_min, act_max;
    int32_t multiplier;
    int32_t columns, blocks, exact;
} mcugen_depthwise_conv2d_s8_mve_params;

/* ---- interleaving rows ------------------------------------------------------------------------------------ */

/* Where four rows are: a row outside the input is one vector of zero points that is read again and again. */
typedef struct {
    const int8_t *row[4];
    int32_t step[4];
} mcugen_mve_quad;

MCUGEN_KERNEL void mcugen_mve_interleave(const mcugen_mve_quad *quad, int32_t bytes, int8_t *to)
{
    const int8_t *r0 = quad->row[0];
    const int8_t *r1 = quad->row[1];
    const int8_t *r2 = quad->row[2];
    const int8_t *r3 = quad->row[3];
    for (int32_t left = bytes; left > 0; left -= 16) {
        const mve_pred16_t valid = vctp8q((uint32_t)left);
        int8x16x4_t rows;
        rows.val[0] = vldrbq_z_s8(r0, valid);
        rows.val[1] = vldrbq_z_s8(r1, valid);
        rows.val[2] = vldrbq_z_s8(r2, valid);
        rows.val[3] = vldrbq_z_s8(r3, valid);
        vst4q_s8(to, rows);
        r0 += quad->step[0];
        r1 += quad->step[1];
        r2 += quad->step[2];
        r3 += quad->step[3];
        to += 64;
    }
}

/* Rows first, first + dilation_h ... of the input as one quad; only `rows` of them matter. */
MCUGEN_KERNEL mcugen_mve_quad mcugen_mve_find_quad(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                   const int8_t *input, int32_t first, int32_t rows,
                                                   const int8_t *zeros)
{
    mcugen_mve_quad quad;
    for (int32_t i = 0; i < 4; i++) {
        const int32_t row = first + mcugen_min(i, rows - 1) * p->dilation_h;
        const bool inside = row >= 0 && row < p->in_h;
        quad.row[i] = inside ? input + row * p->in_w * p->in_c : zeros;
        quad.step[i] = inside ? 16 : 0;
    }
    return quad;
}

/* The rows that outputs with the window's first row at `top` need, interleaved; `rows`: of the input. */
MCUGEN_MVE_SHARED void mcugen_mve_fill_quads(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                             const int8_t *input, int32_t top, int32_t rows, int8_t *to)
{
    const int32_t word_row = 4 * p->in_c;
    const int32_t left = mcugen_min(p->pad_left, p->columns);
    const int32_t inside = mcugen_min(p->columns - left, p->in_w);
    const int32_t right = p->columns - left - inside;
    int8_t zeros[16];
    mcugen_mve_fill(zeros, -p->in_offset, 16);
    for (int32_t k = 0; k < rows; k += 4) {
        const mcugen_mve_quad quad =
            mcugen_mve_find_quad(p, input, top + k * p->dilation_h, mcugen_min(rows - k, 4), zeros);
        mcugen_mve_fill(to, -p->in_offset, left * word_row);
        to += left * word_row;
        mcugen_mve_interleave(&quad, inside * p->in_c, to);
        to += inside * word_row;
        mcugen_mve_fill(to, -p->in_offset, right * word_row);
        to += right * word_row;
    }
}

/* ---- from sums to outputs --------------------------------------------------------------------------------- */

MCUGEN_KERNEL int32x4_t mcugen_mve_vector(int32_t a, int32_t b, int32_t c, int32_t d)
{
    int32x4_t v;
    __asm("vmov %q0[2], %q0[0], %1, %3 \n"
          "vmov %q0[3], %q0[1], %2, %4 \n"
          : "=&w"(v)
          : "r"(a), "r"(b), "r"(c), "r"(d));
    return v;
}

/* One channel: where its words and its outputs start, its taps, and what turns sums into outputs. */
typedef struct {
    const int8_t *words;
    int8_t *output;
    const int8_t *taps;
    int32_t bias, multiplier, shift;
} mcugen_mve_channel;

/* Any bounds, any shift. */
MCUGEN_KERNEL int32x4_t mcugen_mve_channel_outputs(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                   const mcugen_mve_channel *c, int32x4_t sums)
{
    const int32x4_t biased = vaddq_n_s32(sums, c->bias);
    const int32x4_t scaled = mcugen_mve_rescale(biased, vdupq_n_s32(c->multiplier), vdupq_n_s32(c->shift));
    const int32x4_t y = vqaddq_n_s32(scaled, p->out_offset);
    return vminq_s32(vmaxq_s32(y, vdupq_n_s32(p->act_min)), vdupq_n_s32(p->act_max));
}

/*
 * The rest of a loop over tiles of four outputs whose sums are in q1: 9 instructions. Results are saturated to int8;
 * the form is that of mcugen_mve_rescale_up. The sums come in pairs in r0 and r2 only, for with two more
 * registers taken the compiler finds too few for the operands.
 */
#define MCUGEN_MVE_TILE_END                                                                                  \
    "vadd.i32 q1, q1, %[bias] \n"                                                                            \
    "vqrdmulh.s32 q1, q1, %[multiplier] \n"                                                                  \
    "vrshl.s32 q1, %[shift] \n"                                                                              \
    "vadd.i32 q1, q1, %[offset] \n"                                                                          \
    "vqmovnb.s32 q1, q1 \n"                                                                                  \
    "vqmovnb.s16 q1, q1 \n"                                                                                  \
    "vstrb.32 q1, [%[out], %q[place]] \n"                                                                    \
    "add %[out], %[out], %[out_step] \n"                                                                     \
    "le lr, 1b \n"

/* Clamps bytes in place. */
MCUGEN_KERNEL void mcugen_mve_clamp(int8_t *values, int32_t bytes, int32_t low, int32_t high)
{
    for (; bytes > 0; bytes -= 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)bytes);
        const int8x16_t y = vldrbq_z_s8(values, lanes);
        const int8x16_t clamped = vminq_s8(vmaxq_s8(y, vdupq_n_s8((int8_t)low)), vdupq_n_s8((int8_t)high));
        vstrbq_p_s8(values, clamped, lanes);
        values += 16;
    }
}

/* Clamps `rows` rows of the output that were saturated only. */
MCUGEN_KERNEL void mcugen_mve_clamp_rows(const mcugen_depthwise_conv2d_s8_mve_params *p, int8_t *output,
                                         int32_t rows)
{
    if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
        mcugen_mve_clamp(output, rows * p->out_w * p->out_c, p->act_min, p->act_max);
    }
}

/* ---- any window ------------------------------------------------------------------------------------------- */

/* Four windows in a row, the last one repeated when the row of outputs is shorter. */
MCUGEN_KERNEL uint32x4_t mcugen_mve_four_of_row(int32_t out_w, int32_t step)
{
    const uint32x4_t index = vminq_u32(vidupq_n_u32(0, 1), vdupq_n_u32((uint32_t)out_w - 1U));
    return vmulq_n_u32(index, (uint32_t)step);
}

MCUGEN_KERNEL int8x16_t mcugen_mve_taps(const int8_t *words, uint32x4_t offset)
{
    return vreinterpretq_s8_s32(vldrwq_gather_offset_s32((const int32_t *)(const void *)words, offset));
}

/* The sums of four windows: `words` are the offsets of the first one's, `window` those of the windows. */
MCUGEN_KERNEL int32x4_t mcugen_mve_window_sums(const int8_t *first, uint32x4_t window, const int8_t *taps,
                                               const int32_t *words, int32_t blocks)
{
    int32_t a = 0;
    int32_t b = 0;
    int32_t c = 0;
    int32_t d = 0;
    for (int32_t i = 0; i < blocks; i++) {
        const uint32x4_t offset = vldrwq_u32((const uint32_t *)words + 4 * i);
        const int8x16_t w = vldrbq_s8(taps + 16 * i);
        a = vmladavaq_s8(a, mcugen_mve_taps(first + vgetq_lane_u32(window, 0), offset), w);
        b = vmladavaq_s8(b, mcugen_mve_taps(first + vgetq_lane_u32(window, 1), offset), w);
        c = vmladavaq_s8(c, mcugen_mve_taps(first + vgetq_lane_u32(window, 2), offset), w);
        d = vmladavaq_s8(d, mcugen_mve_taps(first + vgetq_lane_u32(window, 3), offset), w);
    }
    return mcugen_mve_vector(a, b, c, d);
}

/* One channel of a row of outputs, four at a time; the last four may overlap the ones before. */
MCUGEN_KERNEL void mcugen_mve_channel_row(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                          const mcugen_mve_channel *c, const int32_t *words)
{
    const int32_t step = 4 * p->stride_w * p->in_c;
    const uint32x4_t window = mcugen_mve_four_of_row(p->out_w, step);
    const uint32x4_t place = mcugen_mve_four_of_row(p->out_w, p->out_c);
    for (int32_t x = 0; x < p->out_w; x += 4) {
        const int32_t at = mcugen_max(mcugen_min(x, p->out_w - 4), 0);
        const int32x4_t sums =
            mcugen_mve_window_sums(c->words + at * step, window, c->taps, words, p->blocks);
        vstrbq_scatter_offset_s32(c->output + at * p->out_c, place, mcugen_mve_channel_outputs(p, c, sums));
    }
}

/* Tiles from `x` on: those that fit, and one that overlaps the one before if outputs are left over. */
typedef struct {
    int32_t x, tiles;
    bool more;
} mcugen_mve_tiling;

MCUGEN_KERNEL mcugen_mve_tiling mcugen_mve_first_tiles(int32_t out_w, int32_t size)
{
    const mcugen_mve_tiling tiling = {0, mcugen_max(out_w / size, 1), out_w > size && out_w % size != 0};
    return tiling;
}

MCUGEN_KERNEL mcugen_mve_tiling mcugen_mve_last_tile(int32_t out_w, int32_t size)
{
    const mcugen_mve_tiling tiling = {out_w - size, 1, false};
    return tiling;
}

/* As mcugen_mve_channel_row for windows of one block, rounding as mcugen_mve_rescale_up and saturated only: 21
 * instructions for four outputs. */
MCUGEN_KERNEL void mcugen_mve_channel_row_up(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                             const mcugen_mve_channel *c, const int32_t *words)
{
    const int32_t step = 4 * p->stride_w * p->in_c;
    const uint32x4_t first = vldrwq_u32((const uint32_t *)words);
    const uint32x4_t place = mcugen_mve_four_of_row(p->out_w, p->out_c);
    const int8x16_t taps = vldrbq_s8(c->taps);
    const uint32x4_t a = first;
    const uint32x4_t b = vaddq_n_u32(first, (uint32_t)(mcugen_min(p->out_w - 1, 1) * step));
    const uint32x4_t d = vaddq_n_u32(first, (uint32_t)(mcugen_min(p->out_w - 1, 2) * step));
    const uint32x4_t e = vaddq_n_u32(first, (uint32_t)(mcugen_min(p->out_w - 1, 3) * step));
    mcugen_mve_tiling t = mcugen_mve_first_tiles(p->out_w, 4);
    for (;;) {
        const int8_t *from = c->words + t.x * step;
        int8_t *to = c->output + t.x * p->out_c;
        register int32_t tiles __asm("lr") = t.tiles;
        __asm volatile("dls lr, lr \n"
                       "1: vldrw.u32 q0, [%[from], %q[a]] \n"
                       "vldrw.u32 q1, [%[from], %q[d]] \n"
                       "vmladav.s8 r0, q0, %q[taps] \n"
                       "vldrw.u32 q0, [%[from], %q[b]] \n"
                       "vmladav.s8 r2, q1, %q[taps] \n"
                       "vmov q1[2], q1[0], r0, r2 \n"
                       "vmladav.s8 r0, q0, %q[taps] \n"
                       "vldrw.u32 q0, [%[from], %q[e]] \n"
                       "add %[from], %[from], %[from_step] \n"
                       "vmladav.s8 r2, q0, %q[taps] \n"
                       "vmov q1[3], q1[1], r0, r2 \n" MCUGEN_MVE_TILE_END
                       : [from] "+r"(from), [out] "+r"(to), "+r"(tiles)
                       : [a] "w"(a), [b] "w"(b), [d] "w"(d), [e] "w"(e), [taps] "w"(taps), [place] "w"(place),
                         [bias] "r"(c->bias), [multiplier] "r"(c->multiplier), [shift] "r"(c->shift),
                         [offset] "r"(p->out_offset), [from_step] "r"(4 * step), [out_step] "r"(4 * p->out_c)
                       : "r0", "r2", "q0", "q1", "memory");
        if (!t.more) {
            break;
        }
        t = mcugen_mve_last_tile(p->out_w, 4);
    }
}

MCUGEN_KERNEL mcugen_mve_channel mcugen_mve_first_channel(const int8_t *taps, int8_t *output,
                                                          const int8_t *words)
{
    const mcugen_mve_channel channel = {.words = words, .output = output, .taps = taps};
    return channel;
}

/* Takes bias, multiplier and shift of the channel from the table; returns where the next ones are. */
MCUGEN_KERNEL const int32_t *mcugen_mve_load_rescale(mcugen_mve_channel *c, const int32_t *rescale)
{
    c->bias = rescale[0];
    c->multiplier = rescale[1];
    c->shift = rescale[2];
    return rescale + 3;
}

/* One row of outputs from its interleaved input rows. */
MCUGEN_KERNEL void mcugen_mve_depthwise_row(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                            const int8_t *quads, const int8_t *taps, const int32_t *words,
                                            const int32_t *rescale, int8_t *output, bool up)
{
    mcugen_mve_channel channel = mcugen_mve_first_channel(taps, output, quads);
    for (int32_t c = 0; c < p->in_c; c++) {
        for (int32_t i = 0; i < p->multiplier; i++) {
            rescale = mcugen_mve_load_rescale(&channel, rescale);
            if (up) {
                mcugen_mve_channel_row_up(p, &channel, words);
            } else {
                mcugen_mve_channel_row(p, &channel, words);
            }
            channel.taps += 16 * p->blocks;
            channel.output++;
        }
        channel.words += 4;
    }
}

MCUGEN_MVE_SHARED void mcugen_mve_depthwise(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                            const int8_t *input, const int8_t *taps, const int32_t *words,
                                            const int32_t *rescale, int8_t *output, int8_t *quads)
{
    for (int32_t y = 0; y < p->out_h; y++) {
        mcugen_mve_fill_quads(p, input, y * p->stride_h - p->pad_top, p->k_h, quads);
        if (p->exact || p->blocks > 1) {
            mcugen_mve_depthwise_row(p, quads, taps, words, rescale, output, false);
        } else {
            mcugen_mve_depthwise_row(p, quads, taps, words, rescale, output, true);
            mcugen_mve_clamp_rows(p, output, 1);
        }
        output += p->out_w * p->out_c;
    }
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_mve(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                  const int8_t *input, const int8_t *taps,
                                                  const int32_t *words, const int32_t *rescale,
                                                  int8_t *output, void *scratch)
{
    mcugen_mve_depthwise(p, input, taps, words, rescale, output, scratch);
}

/* ---- 3x3, stride 1 ---------------------------------------------------------------------------------------- */

/* The sums of a tile of 2x2 windows: 16 taps are four columns of four rows, and the filter lies in them at four
 * places. */
MCUGEN_KERNEL int32x4_t mcugen_mve_sums_2x2(const int8_t *words, uint32x4_t columns, const int8_t *taps)
{
    const int8x16_t x = mcugen_mve_taps(words, columns);
    const int32x4_t left = vldrwq_s32((const int32_t *)(const void *)(taps + 4));
    const int32x4_t right = vldrwq_s32((const int32_t *)(const void *)taps);
    const int32_t a = vmladavq_s8(x, vreinterpretq_s8_s32(left));
    const int32_t b = vmladavq_s8(x, vreinterpretq_s8_s32(right));
    const int32_t c = vmladavq_s8(x, vreinterpretq_s8_s32(vshlq_n_s32(left, 8)));
    const int32_t d = vmladavq_s8(x, vreinterpretq_s8_s32(vshlq_n_s32(right, 8)));
    return mcugen_mve_vector(a, b, c, d);
}

/* Where the outputs of a tile go. */
MCUGEN_KERNEL uint32x4_t mcugen_mve_four_of_tile(const mcugen_depthwise_conv2d_s8_mve_params *p)
{
    const uint32_t row = (uint32_t)(p->out_w * p->out_c);
    const uint32x4_t place = {0, (uint32_t)p->out_c, row, row + (uint32_t)p->out_c};
    return place;
}

/* One channel of two rows of outputs. */
MCUGEN_KERNEL void mcugen_mve_channel_tiles(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                            const mcugen_mve_channel *c)
{
    const int32_t step = 4 * p->in_c;
    const uint32x4_t columns = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)step);
    const uint32x4_t place = mcugen_mve_four_of_tile(p);
    for (int32_t x = 0; x < p->out_w; x += 2) {
        const int32_t at = mcugen_min(x, p->out_w - 2);
        const int32x4_t sums = mcugen_mve_sums_2x2(c->words + at * step, columns, c->taps);
        vstrbq_scatter_offset_s32(c->output + at * p->out_c, place, mcugen_mve_channel_outputs(p, c, sums));
    }
}

/* As mcugen_mve_channel_tiles, rounding as mcugen_mve_rescale_up and saturated only: 17 instructions for four
 * outputs. */
MCUGEN_KERNEL void mcugen_mve_channel_tiles_up(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                               const mcugen_mve_channel *c)
{
    const int32_t step = 4 * p->in_c;
    const uint32x4_t columns = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)step);
    const uint32x4_t place = mcugen_mve_four_of_tile(p);
    const int32x4_t left = vldrwq_s32((const int32_t *)(const void *)(c->taps + 4));
    const int32x4_t right = vldrwq_s32((const int32_t *)(const void *)c->taps);
    const int32x4_t low_left = vshlq_n_s32(left, 8);
    const int32x4_t low_right = vshlq_n_s32(right, 8);
    mcugen_mve_tiling t = mcugen_mve_first_tiles(p->out_w, 2);
    for (;;) {
        const int8_t *from = c->words + t.x * step;
        int8_t *to = c->output + t.x * p->out_c;
        register int32_t tiles __asm("lr") = t.tiles;
        __asm volatile("dls lr, lr \n"
                       "1: vldrw.u32 q0, [%[from], %q[columns]] \n"
                       "add %[from], %[from], %[from_step] \n"
                       "vmladav.s8 r0, q0, %q[a] \n"
                       "vmladav.s8 r2, q0, %q[c] \n"
                       "vmov q1[2], q1[0], r0, r2 \n"
                       "vmladav.s8 r0, q0, %q[b] \n"
                       "vmladav.s8 r2, q0, %q[d] \n"
                       "vmov q1[3], q1[1], r0, r2 \n" MCUGEN_MVE_TILE_END
                       : [from] "+r"(from), [out] "+r"(to), "+r"(tiles)
                       : [a] "w"(left), [b] "w"(right), [c] "w"(low_left), [d] "w"(low_right),
                         [columns] "w"(columns), [place] "w"(place), [bias] "r"(c->bias),
                         [multiplier] "r"(c->multiplier), [shift] "r"(c->shift), [offset] "r"(p->out_offset),
                         [from_step] "r"(2 * step), [out_step] "r"(2 * p->out_c)
                       : "r0", "r2", "q0", "q1", "memory");
        if (!t.more) {
            break;
        }
        t = mcugen_mve_last_tile(p->out_w, 2);
    }
}

/* Two rows of outputs from their four interleaved input rows. */
MCUGEN_KERNEL void mcugen_mve_depthwise_two_rows(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                 const int8_t *quads, const int8_t *taps,
                                                 const int32_t *rescale, int8_t *output, bool up)
{
    mcugen_mve_channel channel = mcugen_mve_first_channel(taps, output, quads);
    for (int32_t c = 0; c < p->in_c; c++) {
        for (int32_t i = 0; i < p->multiplier; i++) {
            rescale = mcugen_mve_load_rescale(&channel, rescale);
            if (up) {
                mcugen_mve_channel_tiles_up(p, &channel);
            } else {
                mcugen_mve_channel_tiles(p, &channel);
            }
            channel.taps += 16;
            channel.output++;
        }
        channel.words += 4;
    }
}

MCUGEN_MVE_SHARED void mcugen_mve_depthwise_3x3(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                const int8_t *input, const int8_t *taps,
                                                const int32_t *rescale, int8_t *output, int8_t *quads)
{
    for (int32_t row = 0; row < p->out_h; row += 2) {
        const int32_t y = mcugen_min(row, p->out_h - 2);
        int8_t *to = output + y * p->out_w * p->out_c;
        mcugen_mve_fill_quads(p, input, y - p->pad_top, 4, quads);
        if (p->exact) {
            mcugen_mve_depthwise_two_rows(p, quads, taps, rescale, to, false);
        } else {
            mcugen_mve_depthwise_two_rows(p, quads, taps, rescale, to, true);
            mcugen_mve_clamp_rows(p, to, 2);
        }
    }
}

/*
 * 3x3, stride 1, no dilation, at least two rows and columns of outputs. Constants: taps int8 [out_c][16] and 4
 * more: four zeros, then three columns of the filter as three taps and a zero; rescale as above.
 */
MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_mve_3x3(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                      const int8_t *input, const int8_t *taps,
                                                      const int32_t *rescale, int8_t *output, void *scratch)
{
    mcugen_mve_depthwise_3x3(p, input, taps, rescale, output, scratch);
}

#endif
