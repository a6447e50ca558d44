/* What kernels ask of the compiler: GCC or Clang, C11. */
#ifndef MCUGEN_COMPILER_H
#define MCUGEN_COMPILER_H

#include <stdint.h>

/* A kernel, or a part of one. It is always inlined into the function of its layer, where the parameters are
 * literals: written once in general form, specialised by constant propagation. */
#define MCUGEN_KERNEL static inline __attribute__((always_inline))

/* The function of a layer: kept apart, so that layers of equal shape share its code. */
#define MCUGEN_LAYER static __attribute__((noinline))

/* Words that may hold elements of any type: for kernels that move data without looking at it. */
typedef uint16_t __attribute__((may_alias)) mcugen_any_u16;
typedef uint32_t __attribute__((may_alias)) mcugen_any_u32;

/* Four bytes in memory order (little endian: the first is the lowest), from an address of any alignment. */
MCUGEN_KERNEL uint32_t mcugen_load_word(const void *source)
{
    uint32_t word;
    __builtin_memcpy(&word, source, sizeof word);
    return word;
}

MCUGEN_KERNEL void mcugen_store_word(void *target, uint32_t word)
{
    __builtin_memcpy(target, &word, sizeof word);
}

#endif
