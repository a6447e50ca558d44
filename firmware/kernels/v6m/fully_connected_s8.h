/*
 * Fully connected layer: four output channels at a time, over one part of the inputs after the other.
 *
 * Constants: weights uint8 [parts][quads of channels][part][4], the weights plus 128; bias int32 [out_n];
 * scale int32 [per_channel ? out_n : 1][scaling + 2], see requantize.h. Scratch: the values of a part as
 * 32-bit words, zeros behind the last; then, for several parts, the sums of all channels, of whole quads.
 */
#ifndef MCUGEN_V6M_FULLY_CONNECTED_S8_H
#define MCUGEN_V6M_FULLY_CONNECTED_S8_H

#include <stdint.h>

#include "../common/compiler.h"
#include "lanes.h"
#include "requantize.h"

enum { MCUGEN_V6M_QUAD = 4 };

/* part: a multiple of 4 */
typedef struct {
    int32_t rows, in_n, out_n;
    int32_t part, per_channel;
    int32_t scaling, rounding, out_offset;
    int32_t act_min, act_max;
} mcugen_v6m_fully_connected_params;

/* One product: 3 instructions. */
#define MCUGEN_V6M_PRODUCT(value, at, sum)                                                                   \
    "ldrb %[u], [%[w], #" at "] \n"                                                                          \
    "muls %[u], " value ", %[u] \n"                                                                          \
    "add  " sum ", %[u]         \n"

/* Two values, four channels. */
#define MCUGEN_V6M_TWO_VALUES(a0, a1, a2, a3, b0, b1, b2, b3)                                                \
    "ldmia %[x]!, {r4, r5} \n" MCUGEN_V6M_PRODUCT("r4", a0, "%[a]") MCUGEN_V6M_PRODUCT("r4", a1, "%[b]")     \
        MCUGEN_V6M_PRODUCT("r4", a2, "%[c]") MCUGEN_V6M_PRODUCT("r4", a3, "%[d]")                            \
            MCUGEN_V6M_PRODUCT("r5", b0, "%[a]") MCUGEN_V6M_PRODUCT("r5", b1, "%[b]")                        \
                MCUGEN_V6M_PRODUCT("r5", b2, "%[c]") MCUGEN_V6M_PRODUCT("r5", b3, "%[d]")

#define MCUGEN_V6M_FOUR_VALUES                                                                               \
    MCUGEN_V6M_TWO_VALUES("0", "1", "2", "3", "4", "5", "6", "7")                                            \
    MCUGEN_V6M_TWO_VALUES("8", "9", "10", "11", "12", "13", "14", "15")
#define MCUGEN_V6M_FOUR_MORE_VALUES                                                                          \
    MCUGEN_V6M_TWO_VALUES("16", "17", "18", "19", "20", "21", "22", "23")                                    \
    MCUGEN_V6M_TWO_VALUES("24", "25", "26", "27", "28", "29", "30", "31")

#define MCUGEN_V6M_PRODUCTS_ASM(values, bytes)                                                               \
    __asm volatile(                                                                                          \
        ".syntax unified     \n"                                                                             \
        "1:                  \n" values "adds %[w], #" bytes " \n"                                           \
        "cmp  %[x], %[end]   \n"                                                                             \
        "bne  1b             \n"                                                                             \
        : [x] "+l"(x), [w] "+l"(w), [u] "=&l"(u), [a] "+h"(a), [b] "+h"(b), [c] "+h"(c), [d] "+h"(d)         \
        : [end] "h"(end)                                                                                     \
        : "r4", "r5", "cc", "memory")

/* Products of the values with the weights of four channels, added to sums. */
MCUGEN_KERNEL void mcugen_v6m_products(uint32_t *sums, const int32_t *x, const uint8_t *w, int32_t taps)
{
    const int32_t *const end = x + taps;
#ifdef MCUGEN_V6M_HAS_HIGH_REGISTERS
    uint32_t u;
    register uint32_t a __asm("r8") = sums[0];
    register uint32_t b __asm("r9") = sums[1];
    register uint32_t c __asm("r10") = sums[2];
    register uint32_t d __asm("r11") = sums[3];
    if (taps % 8 == 0) {
        MCUGEN_V6M_PRODUCTS_ASM(MCUGEN_V6M_FOUR_VALUES MCUGEN_V6M_FOUR_MORE_VALUES, "32");
    } else {
        MCUGEN_V6M_PRODUCTS_ASM(MCUGEN_V6M_FOUR_VALUES, "16");
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
#else
    for (; x < end; x++) {
        for (int32_t i = 0; i < MCUGEN_V6M_QUAD; i++) {
            sums[i] += (uint32_t)*x * *w++;
        }
    }
#endif
}

/* ``count`` values as words, zeros up to ``part``. Returns their sum. */
MCUGEN_KERNEL int32_t mcugen_v6m_widen(int32_t *to, const int8_t *from, int32_t count, int32_t part)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++) {
        to[i] = from[i];
        sum += from[i];
    }
    for (int32_t i = count; i < part; i++) {
        to[i] = 0;
    }
    return sum;
}

/* Four outputs, or fewer at the end, from their sums. */
MCUGEN_KERNEL void mcugen_v6m_put_quad(const mcugen_v6m_fully_connected_params *p, const uint32_t *sums,
                                       int32_t channel, const int32_t *bias, const int32_t *scale,
                                       int8_t *output)
{
    const mcugen_v6m_output out = {p->scaling, p->rounding, p->out_offset, p->act_min, p->act_max};
    const int32_t scale_step = p->per_channel * mcugen_v6m_scale_words(p->scaling);
    for (int32_t i = channel; i < mcugen_min(channel + MCUGEN_V6M_QUAD, p->out_n); i++) {
        output[i] = mcugen_v6m_requantize(out, (int32_t)sums[i - channel], bias[i], scale + i * scale_step);
    }
}

/* One row. */
MCUGEN_KERNEL void mcugen_v6m_dense_row(const mcugen_v6m_fully_connected_params *p, const int8_t *input,
                                        const uint8_t *w, const int32_t *bias, const int32_t *scale,
                                        int8_t *output, int32_t *values)
{
    uint32_t *const kept = (uint32_t *)(values + p->part);
    for (int32_t first = 0; first < p->in_n; first += p->part) {
        const int32_t count = mcugen_min(p->part, p->in_n - first);
        const uint32_t start = 0U - ((uint32_t)mcugen_v6m_widen(values, input + first, count, p->part) << 7);
        for (int32_t channel = 0; channel < p->out_n; channel += MCUGEN_V6M_QUAD) {
            uint32_t sums[MCUGEN_V6M_QUAD];
            for (int32_t i = 0; i < MCUGEN_V6M_QUAD; i++) {
                sums[i] = start + (first == 0 ? 0 : kept[channel + i]);
            }
            mcugen_v6m_products(sums, values, w, p->part);
            w += MCUGEN_V6M_QUAD * p->part;
            if (first + p->part >= p->in_n) {
                mcugen_v6m_put_quad(p, sums, channel, bias, scale, output);
                continue;
            }
            for (int32_t i = 0; i < MCUGEN_V6M_QUAD; i++) {
                kept[channel + i] = sums[i];
            }
        }
    }
}

MCUGEN_KERNEL void mcugen_fully_connected_s8_v6m(const mcugen_v6m_fully_connected_params *p,
                                                 const int8_t *input, const int8_t *weights,
                                                 const int32_t *bias, const int32_t *scale, int8_t *output,
                                                 void *scratch)
{
    for (int32_t row = 0; row < p->rows; row++) {
        mcugen_v6m_dense_row(p, input, (const uint8_t *)weights, bias, scale, output, scratch);
        input += p->in_n;
        output += p->out_n;
    }
}

/* A pointwise convolution of one pixel. */
MCUGEN_KERNEL void mcugen_conv2d_s8_v6m_one_pixel(const mcugen_v6m_fully_connected_params *p,
                                                  const int8_t *input, const int8_t *weights,
                                                  const int32_t *bias, const int32_t *scale, int8_t *output,
                                                  void *scratch)
{
    mcugen_fully_connected_s8_v6m(p, input, weights, bias, scale, output, scratch);
}

#endif
