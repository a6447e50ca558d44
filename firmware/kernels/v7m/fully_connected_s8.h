/*
 * Fully connected layer: groups of 8 or 4 output channels at a time.
 *
 * Constants: weights int8 [groups][in_n][group], zeros behind the last channel; bias int32 [out_n]; scale
 * int32 [per_channel ? out_n : 1][3], see requantize.h.
 */
#ifndef MCUGEN_V7M_FULLY_CONNECTED_S8_H
#define MCUGEN_V7M_FULLY_CONNECTED_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "requantize.h"

enum { MCUGEN_V7M_LARGEST_GROUP = 8 };

/* group: 4 or 8 */
typedef struct {
    int32_t rows, in_n, out_n;
    int32_t group, per_channel;
    int32_t rounding, out_offset;
    int32_t act_min, act_max;
} mcugen_v7m_fully_connected_params;

/* One product: 2 instructions. */
#define MCUGEN_V7M_PRODUCT(sum)                                                                              \
    "ldrsb %[v], [%[w]], #1           \n"                                                                    \
    "mla   " sum ", %[v], %[u], " sum " \n"
#define MCUGEN_V7M_FOUR_PRODUCTS                                                                             \
    "ldrsb %[u], [%[x]], #1 \n" MCUGEN_V7M_PRODUCT("%[a]") MCUGEN_V7M_PRODUCT("%[b]")                        \
        MCUGEN_V7M_PRODUCT("%[c]") MCUGEN_V7M_PRODUCT("%[d]")
#define MCUGEN_V7M_EIGHT_PRODUCTS                                                                            \
    MCUGEN_V7M_FOUR_PRODUCTS MCUGEN_V7M_PRODUCT("%[e]") MCUGEN_V7M_PRODUCT("%[f]")                           \
        MCUGEN_V7M_PRODUCT("%[g]") MCUGEN_V7M_PRODUCT("%[h]")
#define MCUGEN_V7M_UNTIL_END(text)                                                                           \
    "1:                  \n" text "cmp %[x], %[end] \n"                                                      \
    "bne 1b              \n"
#define MCUGEN_V7M_TIMES_4(text) text text text text

/* Products of a row with the weights of 8 channels, added to sums. */
MCUGEN_KERNEL void mcugen_v7m_products_8(int32_t *sums, const int8_t *x, const int8_t *w, int32_t count)
{
    const int8_t *const end = x + count;
#ifdef __thumb2__
#define MCUGEN_V7M_PRODUCTS_ASM(text)                                                                        \
    __asm volatile(text                                                                                      \
                   : [x] "+r"(x), [w] "+r"(w), [u] "=&r"(u), [v] "=&r"(v), [a] "+r"(sums[0]),                \
                     [b] "+r"(sums[1]), [c] "+r"(sums[2]), [d] "+r"(sums[3]), [e] "+r"(sums[4]),             \
                     [f] "+r"(sums[5]), [g] "+r"(sums[6]), [h] "+r"(sums[7])                                 \
                   : [end] "r"(end)                                                                          \
                   : "cc", "memory")
    int32_t u;
    int32_t v;
    if (count % 4 == 0) {
        MCUGEN_V7M_PRODUCTS_ASM(MCUGEN_V7M_UNTIL_END(MCUGEN_V7M_TIMES_4(MCUGEN_V7M_EIGHT_PRODUCTS)));
    } else {
        MCUGEN_V7M_PRODUCTS_ASM(MCUGEN_V7M_UNTIL_END(MCUGEN_V7M_EIGHT_PRODUCTS));
    }
#undef MCUGEN_V7M_PRODUCTS_ASM
#else
    for (; x < end; x++) {
        for (int32_t i = 0; i < 8; i++) {
            sums[i] += *x * *w++;
        }
    }
#endif
}

/* The same for 4 channels. */
MCUGEN_KERNEL void mcugen_v7m_products_4(int32_t *sums, const int8_t *x, const int8_t *w, int32_t count)
{
    const int8_t *const end = x + count;
#ifdef __thumb2__
    int32_t u;
    int32_t v;
    __asm volatile(MCUGEN_V7M_UNTIL_END(MCUGEN_V7M_FOUR_PRODUCTS)
                   : [x] "+r"(x), [w] "+r"(w), [u] "=&r"(u), [v] "=&r"(v), [a] "+r"(sums[0]),
                     [b] "+r"(sums[1]), [c] "+r"(sums[2]), [d] "+r"(sums[3])
                   : [end] "r"(end)
                   : "cc", "memory");
#else
    for (; x < end; x++) {
        for (int32_t i = 0; i < 4; i++) {
            sums[i] += *x * *w++;
        }
    }
#endif
}

MCUGEN_KERNEL void mcugen_fully_connected_s8_v7m(const mcugen_v7m_fully_connected_params *p,
                                                 const int8_t *input, const int8_t *weights,
                                                 const int32_t *bias, const int32_t *scale, int8_t *output)
{
    const mcugen_v7m_output out = {p->rounding, p->out_offset, p->act_min, p->act_max};
    for (int32_t row = 0; row < p->rows; row++) {
        const int8_t *w = weights;
        for (int32_t first = 0; first < p->out_n; first += p->group) {
            int32_t sums[MCUGEN_V7M_LARGEST_GROUP] = {0};
            if (p->group == MCUGEN_V7M_LARGEST_GROUP) {
                mcugen_v7m_products_8(sums, input, w, p->in_n);
            } else {
                mcugen_v7m_products_4(sums, input, w, p->in_n);
            }
            w += p->group * p->in_n;
#pragma GCC unroll 8
            for (int32_t i = 0; i < p->group; i++) {
                if (first + i < p->out_n) {
                    const int32_t channel = p->per_channel ? first + i : 0;
                    const mcugen_v7m_row requant =
                        mcugen_v7m_load_row(bias[first + i], scale + MCUGEN_V7M_SCALE_WORDS * channel);
                    *output++ = mcugen_v7m_requantize(out, sums[i], requant);
                }
            }
        }
        input += p->in_n;
    }
}

/* A pointwise convolution of one pixel. */
MCUGEN_KERNEL void mcugen_conv2d_s8_v7m_one_pixel(const mcugen_v7m_fully_connected_params *p,
                                                  const int8_t *input, const int8_t *weights,
                                                  const int32_t *bias, const int32_t *scale, int8_t *output)
{
    mcugen_fully_connected_s8_v7m(p, input, weights, bias, scale, output);
}

#endif
