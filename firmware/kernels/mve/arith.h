/* Vector forms of common/fixedpoint.h for MVE, and what the kernels here share. */
#ifndef MCUGEN_MVE_ARITH_H
#define MCUGEN_MVE_ARITH_H

#include <arm_mve.h>
#include <stdbool.h>
#include <stdint.h>

#include "../common/compiler.h"

/* Code that gains nothing from literal parameters: one copy serves all layers. Optimized even in a debugging
 * build: without that GCC finds too few registers for the assembly in it. */
#ifdef __clang__
#define MCUGEN_MVE_SHARED static __attribute__((noinline, unused))
#else
#define MCUGEN_MVE_SHARED static __attribute__((noinline, noclone, unused, optimize("O2")))
#endif

/* x / 2^-shift for shift <= 0 per lane, rounded to nearest, ties away from zero. The vector shift rounds ties
 * up, so negative values are made one smaller first where there is a shift at all. */
MCUGEN_KERNEL int32x4_t mcugen_mve_divide_by_pot(int32x4_t x, int32x4_t shift)
{
    const int32x4_t below = vshrq_n_s32(vandq_s32(x, shift), 31);
    return vrshlq_s32(vaddq_s32(x, below), shift);
}

/* x * multiplier * 2^(shift - 31) per lane for shift <= 0, rounded twice: multiply_by_quantized_multiplier.
 */
MCUGEN_KERNEL int32x4_t mcugen_mve_rescale(int32x4_t x, int32x4_t multiplier, int32x4_t shift)
{
    return mcugen_mve_divide_by_pot(vqrdmulhq_s32(x, multiplier), shift);
}

/* The same with ties rounded up: negative results of ties are one too large. It will do where a clamp makes
 * all negative results equal. */
MCUGEN_KERNEL int32x4_t mcugen_mve_rescale_up(int32x4_t x, int32x4_t multiplier, int32x4_t shift)
{
    return vrshlq_s32(vqrdmulhq_s32(x, multiplier), shift);
}

/* As mcugen_mve_rescale for any shift, the same in all lanes. */
MCUGEN_KERNEL int32x4_t mcugen_mve_rescale_any(int32x4_t x, int32_t multiplier, int32_t shift)
{
    const int32x4_t scaled = vqrdmulhq_n_s32(vshlq_r_s32(x, shift > 0 ? shift : 0), multiplier);
    return mcugen_mve_divide_by_pot(scaled, vdupq_n_s32(shift < 0 ? shift : 0));
}

/* Copies bytes; the areas do not overlap. One loop with tail predication: 3 instructions for 16 bytes. */
MCUGEN_KERNEL void mcugen_mve_copy(int8_t *target, const int8_t *source, int32_t bytes)
{
    __asm volatile("wlstp.8 lr, %[bytes], 2f \n"
                   "1: vldrb.8 q0, [%[source]], #16 \n"
                   "vstrb.8 q0, [%[target]], #16 \n"
                   "letp lr, 1b \n"
                   "2: \n"
                   : [source] "+r"(source), [target] "+r"(target)
                   : [bytes] "r"(bytes)
                   : "lr", "q0", "memory");
}

/* Fills bytes with one value. */
MCUGEN_KERNEL void mcugen_mve_fill(int8_t *target, int32_t value, int32_t bytes)
{
    __asm volatile("vdup.8 q0, %[value] \n"
                   "wlstp.8 lr, %[bytes], 2f \n"
                   "1: vstrb.8 q0, [%[target]], #16 \n"
                   "letp lr, 1b \n"
                   "2: \n"
                   : [target] "+r"(target)
                   : [bytes] "r"(bytes), [value] "r"(value)
                   : "lr", "q0", "memory");
}

#endif
