/*
 * Element-wise operators of two int8 tensors of one shape on MVE: contracts add_s8, sub_s8, mul_s8; and
 * table_8. Eight elements at a time: their even and their odd ones are vectors of 32 bits each.
 */
#ifndef MCUGEN_MVE_ELEMENTWISE_S8_H
#define MCUGEN_MVE_ELEMENTWISE_S8_H

#include "../common/fixedpoint.h"
#include "../common/params.h"
#include "arith.h"

/* As mcugen_add_s8_params. The outputs for all 65,536 pairs of inputs are (a * a_factor + b * b_factor +
 * constant) / 2^22, rounded to nearest and clamped. */
typedef struct {
    int32_t dims[4], a_strides[4], b_strides[4];
    int32_t a_offset, b_offset, out_offset;
    int32_t a_multiplier, a_shift;
    int32_t b_multiplier, b_shift;
    int32_t out_multiplier, out_shift;
    int32_t act_min, act_max;
    int32_t a_factor, b_factor, constant;
} mcugen_add_s8_mve_linear_params;

typedef mcugen_add_s8_mve_linear_params mcugen_sub_s8_mve_linear_params;

MCUGEN_KERNEL int8x16_t mcugen_mve_linear_8(const mcugen_add_s8_mve_linear_params *p, int16x8_t a,
                                            int16x8_t b)
{
    const int32x4_t factor = vdupq_n_s32(p->a_factor);
    int32x4_t even = vmlasq_n_s32(vmovlbq_s16(a), factor, p->constant);
    int32x4_t odd = vmlasq_n_s32(vmovltq_s16(a), factor, p->constant);
    even = vmlaq_n_s32(even, vmovlbq_s16(b), p->b_factor);
    odd = vmlaq_n_s32(odd, vmovltq_s16(b), p->b_factor);
    const int16x8_t high = vshrntq_n_s32(vshrnbq_n_s32(vreinterpretq_s16_s32(even), even, 16), odd, 16);
    /* The rounding form: the assembler of binutils 2.39 encodes the other one as this one. */
    const int8x16_t y = vqrshrnbq_n_s16(vreinterpretq_s8_s16(high), high, 6);
    return vminq_s8(vmaxq_s8(y, vdupq_n_s8((int8_t)p->act_min)), vdupq_n_s8((int8_t)p->act_max));
}

MCUGEN_KERNEL void mcugen_mve_linear(const mcugen_add_s8_mve_linear_params *p, const int8_t *a,
                                     const int8_t *b, int8_t *output)
{
    const int32_t n = p->dims[0] * p->dims[1] * p->dims[2] * p->dims[3];
    for (int32_t i = n >> 3; i > 0; i--) {
        const int8x16_t y = mcugen_mve_linear_8(p, vldrbq_s16(a), vldrbq_s16(b));
        vstrbq_s16(output, vreinterpretq_s16_s8(y));
        a += 8;
        b += 8;
        output += 8;
    }
    if (n & 7) {
        const mve_pred16_t lanes = vctp16q((uint32_t)n & 7U);
        const int8x16_t y = mcugen_mve_linear_8(p, vldrbq_z_s16(a, lanes), vldrbq_z_s16(b, lanes));
        vstrbq_p_s16(output, vreinterpretq_s16_s8(y), lanes);
    }
}

MCUGEN_KERNEL void mcugen_add_s8_mve_linear(const mcugen_add_s8_mve_linear_params *p, const int8_t *a,
                                            const int8_t *b, int8_t *output)
{
    mcugen_mve_linear(p, a, b, output);
}

/* b_factor has the sign. */
MCUGEN_KERNEL void mcugen_sub_s8_mve_linear(const mcugen_sub_s8_mve_linear_params *p, const int8_t *a,
                                            const int8_t *b, int8_t *output)
{
    mcugen_mve_linear(p, a, b, output);
}

/* ---- the double rounding of the reference -----------------------------------------------------------------
 */

/* What turns sums or products into outputs. */
typedef struct {
    int32_t multiplier, shift, offset, low, high;
} mcugen_mve_output;

/* Eight outputs, in the low bytes of the lanes. */
MCUGEN_KERNEL int16x8_t mcugen_mve_outputs_8(const mcugen_mve_output *o, int32x4_t even, int32x4_t odd)
{
    const int32x4_t y_even = mcugen_mve_rescale_any(even, o->multiplier, o->shift);
    const int32x4_t y_odd = mcugen_mve_rescale_any(odd, o->multiplier, o->shift);
    int16x8_t y = vqmovntq_s32(vqmovnbq_s32(vreinterpretq_s16_s32(y_even), y_even), y_odd);
    y = vqaddq_n_s16(y, (int16_t)o->offset);
    return vminq_s16(vmaxq_s16(y, vdupq_n_s16((int16_t)o->low)), vdupq_n_s16((int16_t)o->high));
}

MCUGEN_KERNEL int32x4_t mcugen_mve_add_4(const mcugen_add_s8_params *p, int32x4_t a, int32x4_t b,
                                         int32_t sign)
{
    const int32x4_t wide_a = mcugen_mve_rescale_any(vshlq_n_s32(a, 20), p->a_multiplier, p->a_shift);
    const int32x4_t wide_b = mcugen_mve_rescale_any(vshlq_n_s32(b, 20), p->b_multiplier, p->b_shift);
    return sign > 0 ? vaddq_s32(wide_a, wide_b) : vsubq_s32(wide_a, wide_b);
}

/* a + sign * b. */
MCUGEN_KERNEL void mcugen_mve_add(const mcugen_add_s8_params *p, const int8_t *a, const int8_t *b,
                                  int8_t *output, int32_t sign)
{
    const mcugen_mve_output o = {p->out_multiplier, p->out_shift, p->out_offset, p->act_min, p->act_max};
    for (int32_t left = p->dims[0] * p->dims[1] * p->dims[2] * p->dims[3]; left > 0; left -= 8) {
        const mve_pred16_t lanes = vctp16q((uint32_t)left);
        const int16x8_t x = vaddq_n_s16(vldrbq_z_s16(a, lanes), (int16_t)p->a_offset);
        const int16x8_t z = vaddq_n_s16(vldrbq_z_s16(b, lanes), (int16_t)p->b_offset);
        const int32x4_t even = mcugen_mve_add_4(p, vmovlbq_s16(x), vmovlbq_s16(z), sign);
        const int32x4_t odd = mcugen_mve_add_4(p, vmovltq_s16(x), vmovltq_s16(z), sign);
        vstrbq_p_s16(output, mcugen_mve_outputs_8(&o, even, odd), lanes);
        a += 8;
        b += 8;
        output += 8;
    }
}

MCUGEN_KERNEL void mcugen_add_s8_mve(const mcugen_add_s8_params *p, const int8_t *a, const int8_t *b,
                                     int8_t *output)
{
    mcugen_mve_add(p, a, b, output, 1);
}

MCUGEN_KERNEL void mcugen_sub_s8_mve(const mcugen_sub_s8_params *p, const int8_t *a, const int8_t *b,
                                     int8_t *output)
{
    mcugen_mve_add(p, a, b, output, -1);
}

MCUGEN_KERNEL void mcugen_mul_s8_mve(const mcugen_mul_s8_params *p, const int8_t *a, const int8_t *b,
                                     int8_t *output)
{
    const mcugen_mve_output o = {p->out_multiplier, p->out_shift, p->out_offset, p->act_min, p->act_max};
    for (int32_t left = p->dims[0] * p->dims[1] * p->dims[2] * p->dims[3]; left > 0; left -= 8) {
        const mve_pred16_t lanes = vctp16q((uint32_t)left);
        const int16x8_t x = vaddq_n_s16(vldrbq_z_s16(a, lanes), (int16_t)p->a_offset);
        const int16x8_t z = vaddq_n_s16(vldrbq_z_s16(b, lanes), (int16_t)p->b_offset);
        const int16x8_t y = mcugen_mve_outputs_8(&o, vmullbq_int_s16(x, z), vmulltq_int_s16(x, z));
        vstrbq_p_s16(output, y, lanes);
        a += 8;
        b += 8;
        output += 8;
    }
}

/* ---- tables -----------------------------------------------------------------------------------------------
 */

/* One gathering load for 16 elements. */
MCUGEN_KERNEL void mcugen_table_8_mve(const mcugen_table_8_params *p, const void *input, const uint8_t *table,
                                      void *output)
{
    const uint8_t *from = input;
    uint8_t *to = output;
    for (int32_t left = p->n; left > 0; left -= 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)left);
        const uint8x16_t index = vldrbq_z_u8(from, lanes);
        vstrbq_p_u8(to, vldrbq_gather_offset_u8(table, index), lanes);
        from += 16;
        to += 16;
    }
}

#endif
