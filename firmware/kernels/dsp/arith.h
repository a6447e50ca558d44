/* DSP-extension instructions that C has no operator for, and the requantization built from them. */
#ifndef MCUGEN_DSP_ARITH_H
#define MCUGEN_DSP_ARITH_H

#include <arm_acle.h>
#include <stdint.h>

#include "../common/compiler.h"
#include "../common/fixedpoint.h"

#ifndef __ARM_FEATURE_DSP
#error "these kernels need a core with the DSP extension: check -mcpu and -march"
#endif
#ifndef __ARM_FEATURE_UNALIGNED
#error "these kernels load words from any address: compile without -mno-unaligned-access"
#endif

/* A function that all layers of a model share: one copy, called with the layer's numbers. Compilers must not
 * conclude anything from the body of one in assembly. */
#ifdef __clang__
#define MCUGEN_DSP_SHARED static __attribute__((noinline, unused))
#else
#define MCUGEN_DSP_SHARED static __attribute__((noipa, unused))
#endif

/* A parameter that only assembly reads. */
#define MCUGEN_DSP_PARAM __attribute__((unused))

/* How a layer's accumulators are scaled. The bounds that each needs are checked when the tables are made. */
enum {
    MCUGEN_DSP_EXACT = 0, /* table rows (bias, multiplier, shift): any value */
    MCUGEN_DSP_AWAY = 1,  /* rows (2 bias, multiplier, -2^(32 + shift)): -31 <= shift <= -1, |acc| < 2^30 */
    MCUGEN_DSP_UP = 2,    /* the same, where the clamp hides how negative ties are rounded (fused ReLU) */
};

/* Bytes 0 and 2 of a word as two int16. */
MCUGEN_KERNEL int32_t mcugen_dsp_even(uint32_t word)
{
    return (int32_t)__sxtb16((int8x4_t)word);
}

/* Bytes 1 and 3 of a word as two int16. */
MCUGEN_KERNEL int32_t mcugen_dsp_odd(uint32_t word)
{
    int32_t pair;
    __asm("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

/* sums + bytes 0 and 2 of a word, in int16 lanes */
MCUGEN_KERNEL int32_t mcugen_dsp_add_even(int32_t sums, uint32_t word)
{
    int32_t pair;
    __asm("sxtab16 %0, %1, %2" : "=r"(pair) : "r"(sums), "r"(word));
    return pair;
}

/* sums + bytes 1 and 3 of a word, in int16 lanes */
MCUGEN_KERNEL int32_t mcugen_dsp_add_odd(int32_t sums, uint32_t word)
{
    int32_t pair;
    __asm("sxtab16 %0, %1, %2, ror #8" : "=r"(pair) : "r"(sums), "r"(word));
    return pair;
}

/* The larger of each pair of signed bytes. */
MCUGEN_KERNEL uint32_t mcugen_dsp_max_bytes(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm("ssub8 %0, %1, %2 \n"
          "sel   %0, %1, %2 \n"
          : "=&r"(result)
          : "r"(a), "r"(b)
          : "cc");
    return result;
}

/* The smaller of each pair of signed bytes. */
MCUGEN_KERNEL uint32_t mcugen_dsp_min_bytes(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm("ssub8 %0, %1, %2 \n"
          "sel   %0, %2, %1 \n"
          : "=&r"(result)
          : "r"(a), "r"(b)
          : "cc");
    return result;
}

/* (a * b + 2^31) >> 32 */
MCUGEN_KERNEL int32_t mcugen_dsp_high_mul(int32_t a, int32_t b)
{
    int32_t high;
    __asm("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
    return high;
}

/* c + ((-a * b + 2^31) >> 32): with b = -2^(32 - n), c plus a / 2^n rounded to nearest, ties up. */
MCUGEN_KERNEL int32_t mcugen_dsp_high_mul_subtract(int32_t a, int32_t b, int32_t c)
{
    int32_t high;
    __asm("smmlsr %0, %1, %2, %3" : "=r"(high) : "r"(a), "r"(b), "r"(c));
    return high;
}

/* The nearest int8. */
MCUGEN_KERNEL int32_t mcugen_dsp_saturate_8(int32_t value)
{
    int32_t result;
    __asm("ssat %0, #8, %1" : "=r"(result) : "r"(value));
    return result;
}

/* The low half of the first word and the low half of the second, in this order. */
MCUGEN_KERNEL uint32_t mcugen_dsp_pack_low(uint32_t first, uint32_t second)
{
    uint32_t pair;
    __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(first), "r"(second));
    return pair;
}

/* The high half of the first word and the high half of the second, in this order. */
MCUGEN_KERNEL uint32_t mcugen_dsp_pack_high(uint32_t first, uint32_t second)
{
    uint32_t pair;
    __asm("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(second), "r"(first));
    return pair;
}

/* What follows the accumulation in a layer; all literals in the end. */
typedef struct {
    int32_t rounding; /* MCUGEN_DSP_EXACT, ... */
    int32_t out_offset;
    int32_t act_min, act_max;
} mcugen_dsp_output;

/* The value of an output from twice its accumulator (the accumulator itself when rounding is exact), bias
 * included; multiplier and shift as in the rows of the table. */
MCUGEN_KERNEL int32_t mcugen_dsp_requantize(mcugen_dsp_output o, int32_t acc, int32_t multiplier,
                                            int32_t shift)
{
    if (o.rounding == MCUGEN_DSP_EXACT) {
        return mcugen_requantize(acc, multiplier, shift, o.out_offset, o.act_min, o.act_max);
    }
    int32_t scaled = mcugen_dsp_high_mul(acc, multiplier);
    if (o.rounding == MCUGEN_DSP_AWAY) {
        scaled += scaled >> 31;
    }
    const int32_t value = mcugen_dsp_high_mul_subtract(scaled, shift, o.out_offset);
    if (o.act_min == INT8_MIN && o.act_max == INT8_MAX) {
        return mcugen_dsp_saturate_8(value);
    }
    return mcugen_clamp(value, o.act_min, o.act_max);
}

#endif
