/*
 * Depthwise convolutions on MVE: contract depthwise_conv2d_s8.
 *
 * The input rows of a window are interleaved in scratch: a word holds four consecutive rows of the window at one
 * column and channel, and the words of such a quad lie as [column][channel]. Four words of one channel, loaded from
 * wherever they are, then make one vector of 16 taps, so that a dot product gives a whole 3x3 window. For windows
 * of one row the four "rows" are that row, each one element further on.
 */
#ifndef MCUGEN_MVE_DEPTHWISE_CONV2D_S8_H
#define MCUGEN_MVE_DEPTHWISE_CONV2D_S8_H

#include "../common/fixedpoint.h"
#include "arith.h"

/*
 * As mcugen_depthwise_conv2d_s8_params, and
 * columns: words of a quad per channel, padding included;
 * blocks:  of 16 taps;
 * exact:   0 if mcugen_mve_rescale_up will do; no shift is positive;
 * shifted: 1 if the rows of a quad are one row of the input, shifted;
 * depth:   input channels that are interleaved at a time, a divisor of in_c: 16 or all of them;
 * band:    rows of outputs, or for 3x3 pairs of them, that are interleaved at a time.
 *
 * Constants: taps int8 [out_c][blocks][16]; words int32 [blocks][4], where the words of a block are, in bytes from
 * the first word of a window; rescale int32 [out_c][3]: bias (the input offset folded in), multiplier, shift.
 * Scratch: band * quads of a window * columns * depth * 4 + 64 bytes.
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
    int32_t columns, blocks, exact, shifted, depth, band;
} mcugen_depthwise_conv2d_s8_mve_params;

/* ---- interleaving rows ------------------------------------------------------------------------------------ */

/* Four rows to interleave: columns first <= x < end of row i are read from row[i] on, others are zero points. */
typedef struct {
    const int8_t *row[4];
    int32_t first[4], end[4];
} mcugen_mve_quad;

/* Interleaves `bytes` bytes from each of four places, 16 at a time, `step` bytes apart; writes up to 60 bytes behind
 * the end. */
MCUGEN_KERNEL void mcugen_mve_interleave(const int8_t *const from[4], const int32_t step[4], int32_t bytes,
                                         int8_t *to)
{
    const int8_t *r0 = from[0];
    const int8_t *r1 = from[1];
    const int8_t *r2 = from[2];
    const int8_t *r3 = from[3];
    int8x16x4_t rows;
    for (int32_t i = bytes >> 4; i > 0; i--) {
        rows.val[0] = vldrbq_s8(r0);
        rows.val[1] = vldrbq_s8(r1);
        rows.val[2] = vldrbq_s8(r2);
        rows.val[3] = vldrbq_s8(r3);
        vst4q_s8(to, rows);
        r0 += step[0];
        r1 += step[1];
        r2 += step[2];
        r3 += step[3];
        to += 64;
    }
    if (bytes & 15) {
        const mve_pred16_t lanes = vctp8q((uint32_t)bytes & 15U);
        rows.val[0] = vldrbq_z_s8(r0, lanes);
        rows.val[1] = vldrbq_z_s8(r1, lanes);
        rows.val[2] = vldrbq_z_s8(r2, lanes);
        rows.val[3] = vldrbq_z_s8(r3, lanes);
        vst4q_s8(to, rows);
    }
}

/* The columns of a quad from x on for which every row is either inside the input or outside: where they end. */
MCUGEN_KERNEL int32_t mcugen_mve_uniform_until(const mcugen_mve_quad *quad, int32_t x, int32_t columns)
{
    int32_t until = columns;
    for (int32_t i = 0; i < 4; i++) {
        if (x < quad->first[i]) {
            until = mcugen_min(until, quad->first[i]);
        } else if (x < quad->end[i]) {
            until = mcugen_min(until, quad->end[i]);
        }
    }
    return until;
}

/* All columns of a quad for `depth` channels; zeros: 16 zero points. */
MCUGEN_KERNEL void mcugen_mve_fill_quad(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                        const mcugen_mve_quad *quad, const int8_t *zeros, int8_t *to)
{
    const int32_t step = p->depth < p->in_c ? p->in_c : 16;
    int32_t until = 0;
    for (int32_t x = 0; x < p->columns; x = until) {
        const int8_t *from[4];
        int32_t steps[4];
        until = mcugen_mve_uniform_until(quad, x, p->columns);
        for (int32_t i = 0; i < 4; i++) {
            const bool inside = x >= quad->first[i] && x < quad->end[i];
            from[i] = inside ? quad->row[i] + (x - quad->first[i]) * p->in_c : zeros;
            steps[i] = inside ? step : 0;
        }
        mcugen_mve_interleave(from, steps, (until - x) * p->depth, to + 4 * x * p->depth);
    }
}

/* Input rows `first` and following, or shifts of that one; `rows` of the four matter. */
MCUGEN_KERNEL mcugen_mve_quad mcugen_mve_find_quad(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                   const int8_t *input, int32_t first, int32_t rows)
{
    mcugen_mve_quad quad;
    for (int32_t i = 0; i < 4; i++) {
        const int32_t row = first + (p->shifted ? 0 : mcugen_min(i, rows - 1) * p->dilation_h);
        const int32_t left = p->pad_left - (p->shifted ? i * p->dilation_w : 0);
        const int32_t skipped = mcugen_max(-left, 0);
        const bool inside = row >= 0 && row < p->in_h && skipped < p->in_w;
        quad.row[i] = inside ? input + (row * p->in_w + skipped) * p->in_c : input;
        quad.first[i] = inside ? left + skipped : p->columns;
        quad.end[i] = inside ? left + p->in_w : p->columns;
    }
    return quad;
}

/* The quads of one window from the input row `top` on; `rows`: of the input that matter. */
MCUGEN_MVE_SHARED void mcugen_mve_fill_quads(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                             const int8_t *input, int32_t top, int32_t rows, int8_t *to)
{
    int8_t zeros[16];
    mcugen_mve_fill(zeros, -p->in_offset, 16);
    for (int32_t k = 0; k < rows; k += 4) {
        const mcugen_mve_quad quad = mcugen_mve_find_quad(p, input, top + k * p->dilation_h, rows - k);
        mcugen_mve_fill_quad(p, &quad, zeros, to);
        to += 4 * p->columns * p->depth;
    }
}

/* ---- one channel ------------------------------------------------------------------------------------------ */

/* One channel of a band: its taps, what turns sums into outputs; where its words and outputs are in each row (or
 * pair of rows) of the band. */
typedef struct {
    const int8_t *taps;
    int32_t bias, multiplier, shift;
    const int8_t *words;
    int8_t *output;
    int32_t rows, words_pitch, output_pitch; /* bytes */
} mcugen_mve_channel;

/* How four outputs are computed at a time: bytes between tiles; where the outputs of a tile are. */
typedef struct {
    int32_t width; /* of a tile */
    int32_t words_step, output_step;
    uint32x4_t place;
} mcugen_mve_tile;

/*
 * Loops over tiles. `sums` computes those of a tile into q1 from %[from], with q0, r0 and r2 to work with (more
 * registers than these two are not left). Results are saturated to int8. Instructions per tile besides the sums:
 * 10, and 2 to round ties of negative values away from zero.
 */
#define MCUGEN_MVE_TILES(sums, away)                                                                         \
    "dls lr, lr \n"                                                                                          \
    "1: \n" sums "add %[from], %[from], %[from_step] \n"                                                     \
    "vadd.i32 q1, q1, %[bias] \n"                                                                            \
    "vqrdmulh.s32 q1, q1, %[multiplier] \n" away "vrshl.s32 q1, %[shift] \n"                                 \
    "vqadd.s32 q1, q1, %[offset] \n"                                                                         \
    "vqmovnb.s32 q1, q1 \n"                                                                                  \
    "vqmovnb.s16 q1, q1 \n"                                                                                  \
    "vstrb.32 q1, [%[out], %q[place]] \n"                                                                    \
    "add %[out], %[out], %[out_step] \n"                                                                     \
    "le lr, 1b \n"

#define MCUGEN_MVE_AWAY                                                                                      \
    "vshr.s32 q0, q1, #31 \n"                                                                                \
    "vadd.i32 q1, q1, q0 \n"

/* The dot products of four vectors with one, and of one with four. */
#define MCUGEN_MVE_FOUR_WINDOWS                                                                              \
    "vldrw.u32 q0, [%[from], %q[a]] \n"                                                                      \
    "vldrw.u32 q1, [%[from], %q[c]] \n"                                                                      \
    "vmladav.s8 r0, q0, %q[taps] \n"                                                                         \
    "vldrw.u32 q0, [%[from], %q[b]] \n"                                                                      \
    "vmladav.s8 r2, q1, %q[taps] \n"                                                                         \
    "vmov q1[2], q1[0], r0, r2 \n"                                                                           \
    "vmladav.s8 r0, q0, %q[taps] \n"                                                                         \
    "vldrw.u32 q0, [%[from], %q[d]] \n"                                                                      \
    "vmladav.s8 r2, q0, %q[taps] \n"                                                                         \
    "vmov q1[3], q1[1], r0, r2 \n"

#define MCUGEN_MVE_FOUR_FILTERS                                                                              \
    "vldrw.u32 q0, [%[from], %q[taps]] \n"                                                                   \
    "vmladav.s8 r0, q0, %q[a] \n"                                                                            \
    "vmladav.s8 r2, q0, %q[c] \n"                                                                            \
    "vmov q1[2], q1[0], r0, r2 \n"                                                                           \
    "vmladav.s8 r0, q0, %q[b] \n"                                                                            \
    "vmladav.s8 r2, q0, %q[d] \n"                                                                            \
    "vmov q1[3], q1[1], r0, r2 \n"

#define MCUGEN_MVE_RUN_TILES(code)                                                                           \
    __asm volatile(code                                                                                      \
                   : [from] "+r"(from), [out] "+r"(to), "+r"(count)                                          \
                   : [a] "w"(v->a), [b] "w"(v->b), [c] "w"(v->c), [d] "w"(v->d), [taps] "w"(v->e),           \
                     [place] "w"(tile->place), [bias] "r"(c->bias), [multiplier] "r"(c->multiplier),         \
                     [shift] "r"(c->shift), [offset] "r"(offset), [from_step] "r"(tile->words_step),         \
                     [out_step] "r"(tile->output_step)                                                       \
                   : "r0", "r2", "q0", "q1", "memory")

/* The vectors that stay in registers: five of offsets or taps. */
typedef struct {
    uint32x4_t a, b, c, d, e;
} mcugen_mve_tile_vectors;

typedef enum { MCUGEN_MVE_WINDOWS, MCUGEN_MVE_FILTERS } mcugen_mve_sums_kind;

/* `tiles` tiles of a row, from words and output on. */
MCUGEN_KERNEL void mcugen_mve_run_tiles(const mcugen_mve_channel *c, const mcugen_mve_tile *tile,
                                        const mcugen_mve_tile_vectors *v, mcugen_mve_sums_kind kind, bool away,
                                        int32_t offset, const int8_t *from, int8_t *to, int32_t tiles)
{
    register int32_t count __asm("lr") = tiles;
    if (kind == MCUGEN_MVE_WINDOWS) {
        if (away) {
            MCUGEN_MVE_RUN_TILES(MCUGEN_MVE_TILES(MCUGEN_MVE_FOUR_WINDOWS, MCUGEN_MVE_AWAY));
        } else {
            MCUGEN_MVE_RUN_TILES(MCUGEN_MVE_TILES(MCUGEN_MVE_FOUR_WINDOWS, ""));
        }
    } else {
        if (away) {
            MCUGEN_MVE_RUN_TILES(MCUGEN_MVE_TILES(MCUGEN_MVE_FOUR_FILTERS, MCUGEN_MVE_AWAY));
        } else {
            MCUGEN_MVE_RUN_TILES(MCUGEN_MVE_TILES(MCUGEN_MVE_FOUR_FILTERS, ""));
        }
    }
}

/* All rows of a channel: the tiles that fit, and one that overlaps the one before if outputs are left over. */
MCUGEN_KERNEL void mcugen_mve_channel_band(const mcugen_mve_channel *c, const mcugen_mve_tile *tile,
                                           const mcugen_mve_tile_vectors *v, mcugen_mve_sums_kind kind,
                                           bool away, int32_t offset, int32_t out_w)
{
    const int32_t tiles = mcugen_max(out_w / tile->width, 1);
    const int32_t parts = out_w > tiles * tile->width ? 2 : 1;
    const int32_t last_words = tile->words_step / tile->width * (out_w - tile->width);
    const int32_t last_output = tile->output_step / tile->width * (out_w - tile->width);
    const int8_t *words = c->words;
    int8_t *output = c->output;
    for (int32_t i = 0; i < c->rows; i++) {
        const int8_t *from = words;
        int8_t *to = output;
        int32_t count = tiles;
        for (int32_t part = 0; part < parts; part++) {
            mcugen_mve_run_tiles(c, tile, v, kind, away, offset, from, to, count);
            from = words + last_words;
            to = output + last_output;
            count = 1;
        }
        words += c->words_pitch;
        output += c->output_pitch;
    }
}

/* Takes taps, bias, multiplier and shift of the next channel from the tables. */
MCUGEN_KERNEL const int32_t *mcugen_mve_load_rescale(mcugen_mve_channel *c, const int32_t *rescale)
{
    c->bias = rescale[0];
    c->multiplier = rescale[1];
    c->shift = rescale[2];
    return rescale + 3;
}

/* Clamps outputs that were saturated to int8 only. */
MCUGEN_KERNEL void mcugen_mve_clamp_outputs(const mcugen_depthwise_conv2d_s8_mve_params *p, int8_t *output)
{
    if (p->act_min == INT8_MIN && p->act_max == INT8_MAX) {
        return;
    }
    for (int32_t left = p->out_h * p->out_w * p->out_c; left > 0; left -= 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)left);
        const int8x16_t low = vmaxq_s8(vldrbq_z_s8(output, lanes), vdupq_n_s8((int8_t)p->act_min));
        vstrbq_p_s8(output, vminq_s8(low, vdupq_n_s8((int8_t)p->act_max)), lanes);
        output += 16;
    }
}

/* ---- any window ------------------------------------------------------------------------------------------- */

/* Four windows in a row, the last one repeated when the row of outputs is shorter: offsets of what is `step` bytes
 * apart. */
MCUGEN_KERNEL uint32x4_t mcugen_mve_four_of_row(int32_t out_w, int32_t step)
{
    const uint32x4_t index = vminq_u32(vidupq_n_u32(0, 1), vdupq_n_u32((uint32_t)out_w - 1U));
    return vmulq_n_u32(index, (uint32_t)step);
}

MCUGEN_KERNEL int32x4_t mcugen_mve_vector(int32_t a, int32_t b, int32_t c, int32_t d)
{
    int32x4_t v;
    __asm("vmov %q0[2], %q0[0], %1, %3 \n"
          "vmov %q0[3], %q0[1], %2, %4 \n"
          : "=&w"(v)
          : "r"(a), "r"(b), "r"(c), "r"(d));
    return v;
}

MCUGEN_KERNEL int8x16_t mcugen_mve_taps(const int8_t *words, uint32x4_t offset)
{
    return vreinterpretq_s8_s32(vldrwq_gather_offset_s32((const int32_t *)(const void *)words, offset));
}

/* The sums of four windows: `words` are the offsets of the first one's, `window` those of the windows. */
MCUGEN_KERNEL int32x4_t mcugen_mve_window_sums(const int8_t *first, const uint32_t window[4], const int8_t *taps,
                                               const int32_t *words, int32_t blocks)
{
    int32_t a = 0;
    int32_t b = 0;
    int32_t c = 0;
    int32_t d = 0;
    for (int32_t i = 0; i < blocks; i++) {
        const uint32x4_t offset = vldrwq_u32((const uint32_t *)words + 4 * i);
        const int8x16_t w = vldrbq_s8(taps + 16 * i);
        a = vmladavaq_s8(a, mcugen_mve_taps(first + window[0], offset), w);
        b = vmladavaq_s8(b, mcugen_mve_taps(first + window[1], offset), w);
        c = vmladavaq_s8(c, mcugen_mve_taps(first + window[2], offset), w);
        d = vmladavaq_s8(d, mcugen_mve_taps(first + window[3], offset), w);
    }
    return mcugen_mve_vector(a, b, c, d);
}

/* As mcugen_mve_channel_band for windows of several blocks. */
MCUGEN_KERNEL void mcugen_mve_channel_blocks(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                             const mcugen_mve_channel *c, const mcugen_mve_tile *tile,
                                             const int32_t *words)
{
    const int32_t step = tile->words_step / 4;
    uint32_t window[4];
    vstrwq_u32(window, mcugen_mve_four_of_row(p->out_w, step));
    for (int32_t i = 0; i < c->rows; i++) {
        const int8_t *from = c->words + i * c->words_pitch;
        int8_t *to = c->output + i * c->output_pitch;
        for (int32_t x = 0; x < p->out_w; x += 4) {
            const int32_t at = mcugen_max(mcugen_min(x, p->out_w - 4), 0);
            const int32x4_t sums = mcugen_mve_window_sums(from + at * step, window, c->taps, words, p->blocks);
            const int32x4_t scaled =
                mcugen_mve_rescale_any(vaddq_n_s32(sums, c->bias), c->multiplier, c->shift);
            const int32x4_t y = vqaddq_n_s32(scaled, p->out_offset);
            const int32x4_t low = vmaxq_s32(y, vdupq_n_s32(INT8_MIN));
            vstrbq_scatter_offset_s32(to + at * p->out_c, tile->place, vminq_s32(low, vdupq_n_s32(INT8_MAX)));
        }
    }
}

/* The vectors of four windows of one block. */
MCUGEN_KERNEL mcugen_mve_tile_vectors mcugen_mve_window_vectors(
    const mcugen_depthwise_conv2d_s8_mve_params *p, const int32_t *words, const int8_t *taps)
{
    const uint32x4_t first = vldrwq_u32((const uint32_t *)words);
    const uint32_t step = (uint32_t)(4 * p->stride_w * p->depth);
    const uint32_t last = (uint32_t)p->out_w - 1U;
    const mcugen_mve_tile_vectors v = {
        .a = first,
        .b = vaddq_n_u32(first, step * (last < 1U ? last : 1U)),
        .c = vaddq_n_u32(first, step * (last < 2U ? last : 2U)),
        .d = vaddq_n_u32(first, step * (last < 3U ? last : 3U)),
        .e = vldrwq_u32((const uint32_t *)(const void *)taps),
    };
    return v;
}

/* The rows `c` has been set up for, in the output channels of input channels first ... first + depth - 1. */
MCUGEN_KERNEL void mcugen_mve_windows_band(const mcugen_depthwise_conv2d_s8_mve_params *p, mcugen_mve_channel *c,
                                           int32_t first, const int8_t *taps, const int32_t *words,
                                           const int32_t *rescale)
{
    const mcugen_mve_tile tile = {
        .width = 4,
        .words_step = 16 * p->stride_w * p->depth,
        .output_step = 4 * p->out_c,
        .place = mcugen_mve_four_of_row(p->out_w, p->out_c),
    };
    c->taps = taps + 16 * p->blocks * p->multiplier * first;
    rescale += 3 * p->multiplier * first;
    for (int32_t i = 0; i < p->depth * p->multiplier; i++) {
        rescale = mcugen_mve_load_rescale(c, rescale);
        if (p->blocks > 1) {
            mcugen_mve_channel_blocks(p, c, &tile, words);
        } else {
            const mcugen_mve_tile_vectors v = mcugen_mve_window_vectors(p, words, c->taps);
            const bool away = p->exact && c->shift < 0;
            mcugen_mve_channel_band(c, &tile, &v, MCUGEN_MVE_WINDOWS, away, p->out_offset, p->out_w);
        }
        c->taps += 16 * p->blocks;
        c->output++;
        c->words += (i + 1) % p->multiplier ? 0 : 4;
    }
}

#endif
