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

/* ---- any window ------------------------------------------------------------------------------------------- */

MCUGEN_KERNEL int32x4_t mcugen_mve_vector(int32_t a, int32_t b, int32_t c, int32_t d)
{
    int32x4_t v;
    __asm("vmov %q0[2], %q0[0], %1, %3 \n"
          "vmov %q0[3], %q0[1], %2, %4 \n"
          : "=&w"(v)
          : "r"(a), "r"(b), "r"(c), "r"(d));
    return v;
}

/* What turns the sums of one channel into outputs. */
typedef struct {
    int32_t bias, multiplier, shift;
    int32_t out_offset;
    int32x4_t low, high;
    bool exact;
} mcugen_mve_channel;

MCUGEN_KERNEL int32x4_t mcugen_mve_channel_outputs(const mcugen_mve_channel *c, int32x4_t sums)
{
    int32x4_t y = vaddq_n_s32(sums, c->bias);
    if (c->exact) {
        const int32_t right = mcugen_min(c->shift, 0);
        y = vqrdmulhq_n_s32(vshlq_r_s32(y, mcugen_max(c->shift, 0)), c->multiplier);
        y = mcugen_mve_divide_by_pot(y, vdupq_n_s32(right));
    } else {
        y = vrshlq_n_s32(vqrdmulhq_n_s32(y, c->multiplier), c->shift);
    }
    return vminq_s32(vmaxq_s32(vqaddq_n_s32(y, c->out_offset), c->low), c->high);
}

/* The sums of four windows, `step` bytes apart. */
MCUGEN_KERNEL int32x4_t mcugen_mve_window_sums(const int8_t *first, int32_t step, const int8_t *taps,
                                               const int32_t *words, int32_t blocks)
{
    int32_t a = 0;
    int32_t b = 0;
    int32_t c = 0;
    int32_t d = 0;
    for (int32_t i = 0; i < blocks; i++) {
        const uint32x4_t offset = vldrwq_u32((const uint32_t *)words + 4 * i);
        const int8x16_t w = vldrbq_s8(taps + 16 * i);
        const int8_t *at = first;
#define MCUGEN_MVE_TAPS vreinterpretq_s8_s32(vldrwq_gather_offset_s32((const int32_t *)(const void *)at, offset))
        a = vmladavaq_s8(a, MCUGEN_MVE_TAPS, w);
        at += step;
        b = vmladavaq_s8(b, MCUGEN_MVE_TAPS, w);
        at += step;
        c = vmladavaq_s8(c, MCUGEN_MVE_TAPS, w);
        at += step;
        d = vmladavaq_s8(d, MCUGEN_MVE_TAPS, w);
#undef MCUGEN_MVE_TAPS
    }
    return mcugen_mve_vector(a, b, c, d);
}

/* One channel of a row of outputs, four at a time; the last four overlap the ones before if there are any. */
MCUGEN_KERNEL void mcugen_mve_depthwise_row(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                            const mcugen_mve_channel *c, const int8_t *window,
                                            const int8_t *taps, const int32_t *words, int8_t *output,
                                            int32_t blocks)
{
    const int32_t step = 4 * p->stride_w * p->in_c;
    const uint32x4_t place = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)p->out_c);
    const mve_pred16_t lanes = vctp32q((uint32_t)p->out_w);
    for (int32_t x = 0; x < p->out_w; x += 4) {
        const int32_t at = mcugen_max(mcugen_min(x, p->out_w - 4), 0);
        const int32x4_t sums = mcugen_mve_window_sums(window + at * step, step, taps, words, blocks);
        const int32x4_t y = mcugen_mve_channel_outputs(c, sums);
        vstrbq_scatter_offset_p_s32(output + at * p->out_c, place, y, lanes);
    }
}

MCUGEN_MVE_SHARED void mcugen_mve_depthwise(const mcugen_depthwise_conv2d_s8_mve_params *p,
                                            const int8_t *input, const int8_t *taps, const int32_t *words,
                                            const int32_t *rescale, int8_t *output, int8_t *scratch)
{
    mcugen_mve_channel channel = {
        .out_offset = p->out_offset,
        .low = vdupq_n_s32(p->act_min),
        .high = vdupq_n_s32(p->act_max),
        .exact = true,
    };
    for (int32_t y = 0; y < p->out_h; y++) {
        mcugen_mve_fill_quads(p, input, y * p->stride_h - p->pad_top, p->k_h, scratch);
        const int32_t *r = rescale;
        for (int32_t c = 0; c < p->out_c; c++) {
            channel.bias = *r++;
            channel.multiplier = *r++;
            channel.shift = *r++;
            mcugen_mve_depthwise_row(p, &channel, scratch + 4 * (c / p->multiplier), taps + 16 * p->blocks * c,
                                     words, output + c, p->blocks);
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

#endif
