/* Fills an arena of ARENA_BYTES, sums WEIGHT_BYTES of weights, and uses a buffer in the memory NAMED_REGION.
 */
#include "mcugen_rt.h"
#include <string.h>

__attribute__((section(".arena"), aligned(16))) static uint8_t arena[ARENA_BYTES];
__attribute__((
    section(".rodata.mcugen_weights.test"))) static const volatile uint8_t weights[WEIGHT_BYTES] = {
    [0] = 5, [WEIGHT_BYTES - 1] = 6};
__attribute__((section(".mcugen." NAMED_REGION))) static uint8_t named[256];

static uint32_t sum(const volatile uint8_t *bytes, uint32_t count)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += bytes[i];
    }
    return total;
}

int main(void)
{
    memset(arena, 1, sizeof arena);
    memset(named, 2, sizeof named);
    mcugen_rt_print_u32(sum(arena, sizeof arena));
    mcugen_rt_print(" ");
    mcugen_rt_print_u32(sum(weights, sizeof weights));
    mcugen_rt_print(" ");
    mcugen_rt_print_u32(sum(named, sizeof named));
    return 0;
}
