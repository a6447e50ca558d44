/*
 * Depthwise convolutions on MVE: contract depthwise_conv2d_s8.
 *
 * The input rows of a window are interleaved in scratch: a word holds four consecutive rows of the window at
 * one column and channel, and the words of such a quad lie as [column][channel]. Four words of one channel,
 * loaded from wherever they are, then make one vector of 16 taps, so that a dot product gives a whole 3x3
 * window. For windows of one row the four "rows" are that row, each one element further on.
 */
#ifndef MCUGEN_MVE_DEPTHWISE_CONV2D_S8_H
#define MCUGEN_MVE_DEPTHWISE_CONV2D_S8_H

#include <stddef.h>

#include "../common/fixedpoint.h"
#include "arith.h"

/*
 * As mcugen_depthwise_conv2d_s8_params, and
 * columns: words of a quad per channel, padding included;
 * blocks:  of 16 taps;
 * exact:   0 if mcugen_mve_rescale_up will do, 1 if all shifts are negative, 2 if none is positive;
 * shifted: 1 if the rows of a quad are one row of the input, shifted;
 * depth:   input channels that are interleaved at a time: a multiple of 16, of which the last group may have
 * fewer, or all; band:    rows of outputs, or for 3x3 pairs of them, that are interleaved at a time; ahead:
 * 1 if the next band is interleaved before the outputs of one are written, so that these may take the place
 * of the inputs; in_pitch, out_pitch: bytes from one row of the input and of the output to the next.
 *
 * Constants: filters, for every output channel taps int8 [blocks][16], then int32 bias (the input offset
 * folded in), multiplier and shift; words int32 [blocks][4], where the words of a block are, in bytes from
 * the first word of a window. Scratch: for each of 1 + ahead bands, band * quads of a window * columns *
 * depth * 4 bytes, and 64 if depth is no multiple of 16.
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
    int32_t ahead, in_pitch, out_pitch;
} mcugen_depthwise_conv2d_s8_mve_params;

/* ---- interleaving rows ------------------------------------------------------------------------------------
 */

/* Four rows to interleave: row i is inside the input for columns first <= x < end and starts at row[i] there;
 * all else is zero points. */
typedef struct {
    const int8_t *row[4];
    int32_t first[4], end[4];
} mcugen_mve_quad;

/* Where to read vectors of 16 bytes: the first one, and the bytes between them (0 to read zero points for
 * ever). */
typedef struct {
    const int8_t *from[4];
    int32_t step[4];
} mcugen_mve_streams;

/* Interleaves `vectors` vectors of each stream, `offset` bytes on; results are `step` bytes apart. */
MCUGEN_KERNEL void mcugen_mve_interleave_vectors(const mcugen_mve_streams *streams, int32_t offset,
                                                 int32_t vectors, int8_t *to, int32_t step)
{
    const int8_t *a = streams->from[0] + (streams->step[0] ? offset : 0);
    const int8_t *b = streams->from[1] + (streams->step[1] ? offset : 0);
    const int8_t *c = streams->from[2] + (streams->step[2] ? offset : 0);
    const int8_t *d = streams->from[3] + (streams->step[3] ? offset : 0);
    for (int32_t i = vectors; i > 0; i--) {
        const int8x16x4_t rows = {{vldrbq_s8(a), vldrbq_s8(b), vldrbq_s8(c), vldrbq_s8(d)}};
        vst4q_s8(to, rows);
        __asm("" : "+r"(to)); /* GCC 12 would add step by an addressing mode that these stores do not have */
        a += streams->step[0];
        b += streams->step[1];
        c += streams->step[2];
        d += streams->step[3];
        to += step;
    }
}

/* The same for the first `channels` bytes of each vector only. */
MCUGEN_KERNEL void mcugen_mve_interleave_parts(const mcugen_mve_streams *streams, int32_t offset,
                                               int32_t vectors, int32_t channels, int8_t *to, int32_t step)
{
    const mve_pred16_t lanes = vctp8q((uint32_t)channels);
    for (int32_t i = 0; i < vectors; i++) {
        int8x16x4_t rows;
        for (int32_t k = 0; k < 4; k++) {
            const int8_t *const from = streams->from[k] + (streams->step[k] ? offset : 0);
            rows.val[k] = vldrbq_z_s8(from + i * streams->step[k], lanes);
        }
        vst4q_s8(to, rows);
        __asm("" : "+r"(to)); /* as above */
        to += step;
    }
}

/* The last bytes of four streams of `bytes` bytes, which are no whole vector; writes up to 60 bytes too many.
 */
MCUGEN_KERNEL void mcugen_mve_interleave_rest(const mcugen_mve_streams *streams, int32_t bytes, int8_t *to)
{
    const mve_pred16_t lanes = vctp8q((uint32_t)bytes & 15U);
    int8x16x4_t rows;
    for (int32_t i = 0; i < 4; i++) {
        rows.val[i] = vldrbq_z_s8(streams->from[i] + streams->step[i] * (bytes >> 4), lanes);
    }
    vst4q_s8(to, rows);
}

/* Interleaves `columns` columns of `channels` channels: depth of them, or what is left. */
MCUGEN_KERNEL void mcugen_mve_interleave(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                         const mcugen_mve_streams *streams, int32_t columns, int32_t channels,
                                         int8_t *to)
{
    const int32_t bytes = columns * p->depth;
    if (p->depth < p->in_c) {
        const int32_t whole = channels & ~15;
        for (int32_t c = 0; c < whole; c += 16) {
            mcugen_mve_interleave_vectors(streams, c, columns, to + 4 * c, 4 * p->depth);
        }
        if (p->in_c % 16 && channels > whole) {
            mcugen_mve_interleave_parts(streams, whole, columns, channels - whole, to + 4 * whole,
                                        4 * p->depth);
        }
        return;
    }
    mcugen_mve_interleave_vectors(streams, 0, bytes >> 4, to, 64);
    if (bytes & 15) {
        mcugen_mve_interleave_rest(streams, bytes, to + 4 * (bytes & ~15));
    }
}

/* Bytes between the vectors of a row inside the input. */
MCUGEN_KERNEL int32_t mcugen_mve_stream_step(const mcugen_depthwise_conv2d_s8_mve_params *p)
{
    return p->depth < p->in_c ? p->in_c : 16;
}

/* A quad of four rows of the input, the first one at `top`, of which `rows` matter. */
MCUGEN_KERNEL void mcugen_mve_fill_rows(const mcugen_depthwise_conv2d_s8_mve_params *p, const int8_t *input,
                                        int32_t top, int32_t rows, int32_t channels, const int8_t *zeros,
                                        int8_t *to)
{
    const int32_t step = mcugen_mve_stream_step(p);
    const int32_t left = mcugen_min(p->pad_left, p->columns);
    const int32_t inside = mcugen_min(p->columns - left, p->in_w);
    mcugen_mve_streams streams;
    for (int32_t i = 0; i < 4; i++) {
        const int32_t row = top + mcugen_min(i, rows - 1) * p->dilation_h;
        const bool valid = row >= 0 && row < p->in_h;
        streams.from[i] = valid ? input + row * p->in_pitch : zeros;
        streams.step[i] = valid ? step : 0;
    }
    mcugen_mve_fill(to, -p->in_offset, 4 * left * p->depth);
    to += 4 * left * p->depth;
    mcugen_mve_interleave(p, &streams, inside, channels, to);
    to += 4 * inside * p->depth;
    mcugen_mve_fill(to, -p->in_offset, 4 * (p->columns - left - inside) * p->depth);
}

/* The columns of a quad from x on for which every row is either inside the input or outside: where they end.
 */
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

/* A quad of one row of the input and three shifts of it. */
MCUGEN_KERNEL void mcugen_mve_fill_shifts(const mcugen_depthwise_conv2d_s8_mve_params *p, const int8_t *input,
                                          int32_t row, int32_t channels, const int8_t *zeros, int8_t *to)
{
    const int32_t step = mcugen_mve_stream_step(p);
    const bool valid = row >= 0 && row < p->in_h;
    mcugen_mve_quad quad;
    for (int32_t i = 0; i < 4; i++) {
        quad.row[i] = input + (valid ? row * p->in_pitch : 0);
        quad.first[i] = p->pad_left - i * p->dilation_w;
        quad.end[i] = valid ? quad.first[i] + p->in_w : quad.first[i];
    }
    int32_t until = 0;
    for (int32_t x = 0; x < p->columns; x = until) {
        mcugen_mve_streams streams;
        until = mcugen_mve_uniform_until(&quad, x, p->columns);
        for (int32_t i = 0; i < 4; i++) {
            const bool inside = x >= quad.first[i] && x < quad.end[i];
            streams.from[i] = inside ? quad.row[i] + (x - quad.first[i]) * p->in_c : zeros;
            streams.step[i] = inside ? step : 0;
        }
        mcugen_mve_interleave(p, &streams, until - x, channels, to + 4 * x * p->depth);
    }
}

/* The quads of the windows whose first row is `top`; `rows`: of the input that matter; `channels`: of depth.
 */
MCUGEN_MVE_SHARED void mcugen_mve_fill_quads(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                             const int8_t *input, int32_t top, int32_t rows, int32_t channels,
                                             int8_t *to)
{
    int8_t zeros[16];
    vstrbq_s8(zeros, vdupq_n_s8((int8_t)-p->in_offset));
    if (p->shifted) {
        mcugen_mve_fill_shifts(p, input, top, channels, zeros, to);
        return;
    }
    for (int32_t k = 0; k < rows; k += 4) {
        mcugen_mve_fill_rows(p, input, top + k * p->dilation_h, rows - k, channels, zeros, to);
        to += 4 * p->columns * p->depth;
    }
}

/* ---- bands ------------------------------------------------------------------------------------------------
 */

/* Tiles of four outputs: `tiles` of them in each of `rows` rows (or pairs of rows), for `channels` channels.
 * The code below knows where the fields are. */
typedef struct {
    const int8_t *words;   /* 0: of the first channel and tile */
    int8_t *output;        /* 4 */
    const int8_t *filters; /* 8 */
    int32_t channels;      /* 12 */
    int32_t rows;          /* 16 */
    int32_t tiles;         /* 20 */
    int32_t words_jump;    /* 24: bytes from behind the tiles of a row to the first one of the next row */
    int32_t output_jump;   /* 28 */
    int32_t filters_jump;  /* 32: from behind one channel to the next one that is computed */
    int32_t channel_step;  /* 36: between outputs of channels */
    int32_t out_offset;    /* 40 */
    int32_t words_step;    /* 44: between tiles */
    int32_t output_step;   /* 48 */
} mcugen_mve_band;

/* The vectors that stay in registers: where the outputs of a tile are, and four or one of where words are. */
typedef struct {
    uint32x4_t place;
    uint32x4_t a, b, c, d;
} mcugen_mve_offsets;

/*
 * Loops over channels, rows and tiles. `load` takes what a channel needs from r0 on; `sums` computes those of
 * a tile into q1, with q0, r0 and r2 to work with. Results are saturated to int8. r1: words, r3: output, r4:
 * bias, r5: multiplier, r6: shift, r8: output offset, r9, r10: steps, r11: rows. Instructions per tile
 * besides the sums: 10, and 2 to round ties of negative values away from zero; per row 7, per channel
 * about 20.
 */
#define MCUGEN_MVE_BAND(load, sums, away)                                                                    \
    "ldr r8, [%[band], #40] \n"                                                                              \
    "ldrd r9, r10, [%[band], #44] \n"                                                                        \
    "1: ldrd r1, r3, [%[band]] \n"                                                                           \
    "ldr r2, [%[band], #36] \n"                                                                              \
    "add r0, r1, #4 \n"                                                                                      \
    "add r2, r2, r3 \n"                                                                                      \
    "strd r0, r2, [%[band]] \n"                                                                              \
    "ldr r0, [%[band], #8] \n" load "ldm r0!, {r4, r5, r6} \n"                                               \
    "ldr r2, [%[band], #32] \n"                                                                              \
    "add r0, r0, r2 \n"                                                                                      \
    "str r0, [%[band], #8] \n"                                                                               \
    "ldr r11, [%[band], #16] \n"                                                                             \
    "2: ldr r0, [%[band], #20] \n"                                                                           \
    "dls lr, r0 \n"                                                                                          \
    "3: \n" sums "add r1, r1, r9 \n"                                                                         \
    "vadd.i32 q1, q1, r4 \n"                                                                                 \
    "vqrdmulh.s32 q1, q1, r5 \n" away "vrshl.s32 q1, r6 \n"                                                  \
    "vqadd.s32 q1, q1, r8 \n"                                                                                \
    "vqmovnb.s32 q1, q1 \n"                                                                                  \
    "vqmovnb.s16 q1, q1 \n"                                                                                  \
    "vstrb.32 q1, [r3, %q[place]] \n"                                                                        \
    "add r3, r3, r10 \n"                                                                                     \
    "le lr, 3b \n"                                                                                           \
    "ldrd r0, r2, [%[band], #24] \n"                                                                         \
    "add r1, r1, r0 \n"                                                                                      \
    "add r3, r3, r2 \n"                                                                                      \
    "subs r11, r11, #1 \n"                                                                                   \
    "bne 2b \n"                                                                                              \
    "ldr r0, [%[band], #12] \n"                                                                              \
    "subs r0, r0, #1 \n"                                                                                     \
    "str r0, [%[band], #12] \n"                                                                              \
    "bne 1b \n"

#define MCUGEN_MVE_AWAY                                                                                      \
    "vshr.s32 q0, q1, #31 \n"                                                                                \
    "vadd.i32 q1, q1, q0 \n"

#define MCUGEN_MVE_BAND_CLOBBERS                                                                             \
    "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "lr", "q0", "q1", "q2", "cc", "memory"

/* The sums of four windows, words at offsets a, b, c, d, with the taps in q2: 10 instructions. */
#define MCUGEN_MVE_LOAD_TAPS "vldrw.32 q2, [r0], #16 \n"
#define MCUGEN_MVE_FOUR_WINDOWS                                                                              \
    "vldrw.u32 q0, [r1, %q[a]] \n"                                                                           \
    "vldrw.u32 q1, [r1, %q[c]] \n"                                                                           \
    "vmladav.s8 r0, q0, q2 \n"                                                                               \
    "vldrw.u32 q0, [r1, %q[b]] \n"                                                                           \
    "vmladav.s8 r2, q1, q2 \n"                                                                               \
    "vmov q1[2], q1[0], r0, r2 \n"                                                                           \
    "vmladav.s8 r0, q0, q2 \n"                                                                               \
    "vldrw.u32 q0, [r1, %q[d]] \n"                                                                           \
    "vmladav.s8 r2, q0, q2 \n"                                                                               \
    "vmov q1[3], q1[1], r0, r2 \n"

/* The sums of the 2x2 windows in four columns of four rows, words at offsets a: the filter lies in these 16
 * taps at four places, q2 to q5. 7 instructions. */
#define MCUGEN_MVE_LOAD_FOUR_FILTERS                                                                         \
    "vldrw.32 q4, [r0] \n"                                                                                   \
    "vldrw.32 q2, [r0, #4] \n"                                                                               \
    "vshl.i32 q5, q4, #8 \n"                                                                                 \
    "vshl.i32 q3, q2, #8 \n"                                                                                 \
    "add r0, r0, #20 \n"
#define MCUGEN_MVE_FOUR_FILTERS                                                                              \
    "vldrw.u32 q0, [r1, %q[a]] \n"                                                                           \
    "vmladav.s8 r0, q0, q2 \n"                                                                               \
    "vmladav.s8 r2, q0, q3 \n"                                                                               \
    "vmov q1[2], q1[0], r0, r2 \n"                                                                           \
    "vmladav.s8 r0, q0, q4 \n"                                                                               \
    "vmladav.s8 r2, q0, q5 \n"                                                                               \
    "vmov q1[3], q1[1], r0, r2 \n"

/* The code of a band of windows of one block, or of one of 3x3 windows. */
#define MCUGEN_MVE_RUN_WINDOWS(away)                                                                         \
    __asm volatile(MCUGEN_MVE_BAND(MCUGEN_MVE_LOAD_TAPS, MCUGEN_MVE_FOUR_WINDOWS, away)                      \
                   :                                                                                         \
                   : [band] "r"(band), [a] "w"(o->a), [b] "w"(o->b), [c] "w"(o->c), [d] "w"(o->d),           \
                     [place] "w"(o->place)                                                                   \
                   : MCUGEN_MVE_BAND_CLOBBERS)

#define MCUGEN_MVE_RUN_FILTERS(away)                                                                         \
    __asm volatile(MCUGEN_MVE_BAND(MCUGEN_MVE_LOAD_FOUR_FILTERS, MCUGEN_MVE_FOUR_FILTERS, away)              \
                   :                                                                                         \
                   : [band] "r"(band), [a] "w"(o->a), [place] "w"(o->place)                                  \
                   : MCUGEN_MVE_BAND_CLOBBERS, "q3", "q4", "q5")

/* Runs a band that is set up but for what is said in tiles; exact is 0 or 1. */
MCUGEN_KERNEL void mcugen_mve_run_band(mcugen_mve_band *band, const mcugen_mve_offsets *o, bool filters,
                                       bool exact)
{
    if (filters) {
        if (exact) {
            MCUGEN_MVE_RUN_FILTERS(MCUGEN_MVE_AWAY);
        } else {
            MCUGEN_MVE_RUN_FILTERS("");
        }
    } else {
        if (exact) {
            MCUGEN_MVE_RUN_WINDOWS(MCUGEN_MVE_AWAY);
        } else {
            MCUGEN_MVE_RUN_WINDOWS("");
        }
    }
}

/* What a band is made of: `rows` rows (or pairs of rows) of words, `pitch` bytes each, and where their
 * outputs go. */
typedef struct {
    const int8_t *words;
    int8_t *output;
    const int8_t *filters;
    int32_t channels;
    int32_t rows, words_pitch, output_pitch; /* bytes */
} mcugen_mve_part;

/*
 * All outputs of a part: `tiles` tiles of `width` columns in each row from column x on. filters_bytes: of one
 * channel.
 */
MCUGEN_KERNEL void mcugen_mve_run_columns(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                          const mcugen_mve_part *part, const mcugen_mve_offsets *o,
                                          bool filters, int32_t x, int32_t tiles)
{
    const int32_t width = filters ? 2 : 4;
    const int32_t bytes = filters ? 32 : 28;
    const int32_t words_step = 4 * width * p->stride_w * p->depth;
    const int32_t output_step = width * p->out_c;
    for (int32_t k = 0; k < p->multiplier; k++) {
        mcugen_mve_band band = {
            .words = part->words + 4 * x * p->stride_w * p->depth,
            .output = part->output + x * p->out_c + k,
            .filters = part->filters + k * bytes,
            .channels = part->channels,
            .rows = part->rows,
            .tiles = tiles,
            .words_jump = part->words_pitch - tiles * words_step,
            .output_jump = part->output_pitch - tiles * output_step,
            .filters_jump = (p->multiplier - 1) * bytes,
            .channel_step = p->multiplier,
            .out_offset = p->out_offset,
            .words_step = words_step,
            .output_step = output_step,
        };
        mcugen_mve_run_band(&band, o, filters, p->exact);
    }
}

/* All outputs of a part: the tiles that fit, then those that overlap the ones before if outputs are left
 * over. */
MCUGEN_KERNEL void mcugen_mve_run_part(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                       const mcugen_mve_part *part, const mcugen_mve_offsets *o, bool filters)
{
    const int32_t width = filters ? 2 : 4;
    int32_t x = 0;
    int32_t tiles = mcugen_max(p->out_w / width, 1);
    while (x < p->out_w) {
        mcugen_mve_run_columns(p, part, o, filters, x, tiles);
        x += tiles * width;
        if (x < p->out_w) {
            x = p->out_w - width;
            tiles = 1;
        }
    }
}

/* Clamps outputs that were saturated to int8 only. */
MCUGEN_KERNEL void mcugen_mve_clamp_outputs(const mcugen_depthwise_conv2d_s8_mve_params *p, int8_t *output)
{
    if (p->act_min == INT8_MIN && p->act_max == INT8_MAX) {
        return;
    }
    const int32_t bytes = (p->out_h - 1) * p->out_pitch + p->out_w * p->out_c;
    for (int32_t left = bytes; left > 0; left -= 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)left);
        const int8x16_t low = vmaxq_s8(vldrbq_z_s8(output, lanes), vdupq_n_s8((int8_t)p->act_min));
        vstrbq_p_s8(output, vminq_s8(low, vdupq_n_s8((int8_t)p->act_max)), lanes);
        output += 16;
    }
}

/* ---- any window -------------------------------------------------------------------------------------------
 */

/* Four windows in a row, the last one repeated when the row of outputs is shorter: offsets of what is `step`
 * bytes apart. */
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
MCUGEN_KERNEL int32x4_t mcugen_mve_window_sums(const int8_t *first, const uint32_t window[4],
                                               const int8_t *taps, const int32_t *words, int32_t blocks)
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

/* One channel of a row of outputs; any number of blocks, shift <= 0. */
MCUGEN_KERNEL void mcugen_mve_channel_row(const mcugen_depthwise_conv2d_s8_mve_params *p, const int8_t *from,
                                          const int8_t *filter, const int32_t *words, int8_t *to)
{
    const int32_t step = 4 * p->stride_w * p->depth;
    const int32_t *rescale = (const int32_t *)(const void *)(filter + 16 * p->blocks);
    const uint32x4_t place = mcugen_mve_four_of_row(p->out_w, p->out_c);
    uint32_t window[4];
    vstrwq_u32(window, mcugen_mve_four_of_row(p->out_w, step));
    for (int32_t x = 0; x < p->out_w; x += 4) {
        const int32_t at = mcugen_max(mcugen_min(x, p->out_w - 4), 0);
        const int32x4_t sums = mcugen_mve_window_sums(from + at * step, window, filter, words, p->blocks);
        const int32x4_t scaled = mcugen_mve_rescale(vaddq_n_s32(sums, rescale[0]), vdupq_n_s32(rescale[1]),
                                                    vdupq_n_s32(rescale[2]));
        const int32x4_t y = vmaxq_s32(vqaddq_n_s32(scaled, p->out_offset), vdupq_n_s32(INT8_MIN));
        vstrbq_scatter_offset_s32(to + at * p->out_c, place, vminq_s32(y, vdupq_n_s32(INT8_MAX)));
    }
}

/* A part in the general form. */
MCUGEN_KERNEL void mcugen_mve_run_general(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                          const mcugen_mve_part *part, const int32_t *words)
{
    const int8_t *filter = part->filters;
    int8_t *to = part->output;
    for (int32_t c = 0; c < part->channels; c++) {
        for (int32_t k = 0; k < p->multiplier; k++) {
            for (int32_t i = 0; i < part->rows; i++) {
                mcugen_mve_channel_row(p, part->words + 4 * c + i * part->words_pitch, filter, words,
                                       to + i * part->output_pitch);
            }
            filter += 16 * p->blocks + 12;
            to++;
        }
    }
}

/* Where the words of four windows of one block are. */
MCUGEN_KERNEL mcugen_mve_offsets mcugen_mve_window_offsets(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                           const int32_t *words)
{
    const uint32x4_t first = vldrwq_u32((const uint32_t *)words);
    const uint32_t step = (uint32_t)(4 * p->stride_w * p->depth);
    const uint32_t last = (uint32_t)p->out_w - 1U;
    const mcugen_mve_offsets o = {
        .place = mcugen_mve_four_of_row(p->out_w, p->out_c),
        .a = first,
        .b = vaddq_n_u32(first, step * (last < 1U ? last : 1U)),
        .c = vaddq_n_u32(first, step * (last < 2U ? last : 2U)),
        .d = vaddq_n_u32(first, step * (last < 3U ? last : 3U)),
    };
    return o;
}

/* What the kernels differ in. words: NULL for 3x3 windows; lines: rows of outputs in a row of tiles;
 * window_rows: of the input that they need; filter_bytes: of an output channel. */
typedef struct {
    mcugen_mve_offsets offsets;
    const int32_t *words;
    int32_t lines, window_rows, filter_bytes;
} mcugen_mve_plan;

/* Rows of tiles from output row y on. */
typedef struct {
    int32_t y, rows;
} mcugen_mve_rows;

/* The band that starts at row y, or one row before it if only a part of its lines is left. */
MCUGEN_KERNEL mcugen_mve_rows mcugen_mve_band_from(const mcugen_depthwise_conv2d_s8_mve_params *p, int32_t y,
                                                   int32_t lines)
{
    const int32_t from = mcugen_min(y, p->out_h - lines);
    const mcugen_mve_rows band = {from, mcugen_min(p->band, (p->out_h - from) / lines)};
    return band;
}

/* The words of a band, of the channels at which the input starts. */
MCUGEN_KERNEL void mcugen_mve_fill_band_words(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                              const mcugen_mve_plan *plan, const int8_t *input,
                                              mcugen_mve_rows band, int32_t channels, int8_t *quads,
                                              int32_t pitch)
{
    for (int32_t i = 0; i < band.rows; i++) {
        const int32_t top = (band.y + plan->lines * i) * p->stride_h - p->pad_top;
        mcugen_mve_fill_quads(p, input, top, plan->window_rows, channels, quads + i * pitch);
    }
}

/* All outputs of a band, of the channels at which output and filters start. */
MCUGEN_KERNEL void mcugen_mve_run_band_rows(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                            const mcugen_mve_plan *plan, mcugen_mve_rows band,
                                            int32_t channels, const int8_t *quads, int32_t pitch,
                                            const int8_t *filters, int8_t *output)
{
    const mcugen_mve_part part = {
        .words = quads,
        .output = output + band.y * p->out_pitch,
        .filters = filters,
        .channels = channels,
        .rows = band.rows,
        .words_pitch = pitch,
        .output_pitch = plan->lines * p->out_pitch,
    };
    if (plan->words != NULL && (p->blocks > 1 || p->exact > 1)) {
        mcugen_mve_run_general(p, &part, plan->words);
    } else {
        mcugen_mve_run_part(p, &part, &plan->offsets, plan->words == NULL);
    }
}

/* `depth` channels at a time, band by band. */
MCUGEN_KERNEL void mcugen_mve_run_bands(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                        const mcugen_mve_plan *plan, const int8_t *input,
                                        const int8_t *filters, int8_t *output, int8_t *quads)
{
    const int32_t pitch = 4 * ((plan->window_rows + 3) / 4) * p->columns * p->depth;
    const int32_t excess = p->depth % 16 ? 64 : 0; /* may be written behind the words of a band */
    const int32_t other = p->ahead * (p->band * pitch + excess);
    for (int32_t c = 0; c < p->in_c; c += p->depth) {
        const int32_t channels = p->in_c % 16 ? mcugen_min(p->depth, p->in_c - c) : p->depth;
        const int8_t *const own_filters = filters + c * p->multiplier * plan->filter_bytes;
        mcugen_mve_rows band = mcugen_mve_band_from(p, 0, plan->lines);
        int32_t at = 0;
        mcugen_mve_fill_band_words(p, plan, input + c, band, channels, quads, pitch);
        for (int32_t end = 0; end < p->out_h;) {
            const mcugen_mve_rows now = band;
            const int8_t *const words = quads + at;
            end = band.y + plan->lines * band.rows;
            band = mcugen_mve_band_from(p, end, plan->lines);
            at = other - at;
            if (p->ahead && end < p->out_h) {
                mcugen_mve_fill_band_words(p, plan, input + c, band, channels, quads + at, pitch);
            }
            mcugen_mve_run_band_rows(p, plan, now, channels, words, pitch, own_filters,
                                     output + c * p->multiplier);
            if (!p->ahead && end < p->out_h) {
                mcugen_mve_fill_band_words(p, plan, input + c, band, channels, quads, pitch);
            }
        }
    }
    mcugen_mve_clamp_outputs(p, output);
}

MCUGEN_MVE_SHARED void mcugen_mve_depthwise(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                            const int8_t *input, const int8_t *filters, const int32_t *words,
                                            int8_t *output, int8_t *quads)
{
    const mcugen_mve_plan plan = {
        .offsets = mcugen_mve_window_offsets(p, words),
        .words = words,
        .lines = 1,
        .window_rows = p->shifted ? 1 : p->k_h,
        .filter_bytes = 16 * p->blocks + 12,
    };
    mcugen_mve_run_bands(p, &plan, input, filters, output, quads);
}

MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_mve(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                  const int8_t *input, const int8_t *filters,
                                                  const int32_t *words, int8_t *output, void *scratch)
{
    mcugen_mve_depthwise(p, input, filters, words, output, scratch);
}

/* As mcugen_depthwise_conv2d_s8_mve for windows of one row: p->shifted is 1. */
MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_mve_row(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                      const int8_t *input, const int8_t *filters,
                                                      const int32_t *words, int8_t *output, void *scratch)
{
    mcugen_mve_depthwise(p, input, filters, words, output, scratch);
}

/* ---- 3x3, stride 1 ----------------------------------------------------------------------------------------
 */

/* Pairs of rows of outputs; of an odd number of rows, the last one makes a pair with the one before. */
MCUGEN_MVE_SHARED void mcugen_mve_depthwise_3x3(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                const int8_t *input, const int8_t *filters, int8_t *output,
                                                int8_t *quads)
{
    const uint32_t row_bytes = (uint32_t)(p->out_w * p->out_c);
    const mcugen_mve_plan plan = {
        .offsets = {.place = {0, (uint32_t)p->out_c, row_bytes, row_bytes + (uint32_t)p->out_c},
                    .a = vmulq_n_u32(vidupq_n_u32(0, 4), (uint32_t)p->depth)},
        .lines = 2,
        .window_rows = 4,
        .filter_bytes = 32,
    };
    mcugen_mve_run_bands(p, &plan, input, filters, output, quads);
}

/*
 * 3x3, stride 1, no dilation, at least two rows and columns of outputs. Filters are, for every output
 * channel, four zeros, three columns of the filter as three taps and a zero each, four zeros, then bias,
 * multiplier and shift; exact is 0 or 1.
 */
MCUGEN_KERNEL void mcugen_depthwise_conv2d_s8_mve_3x3(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                                      const int8_t *input, const int8_t *filters,
                                                      int8_t *output, void *scratch)
{
    mcugen_mve_depthwise_3x3(p, input, filters, output, scratch);
}

#endif
