/* Ticks of an empty measurement, and of one around 2 * ITERATIONS instructions. */
#include "mcugen_rt.h"

int main(void)
{
    mcugen_rt_ticks_start();
    uint64_t start = mcugen_rt_ticks();
    uint64_t empty = mcugen_rt_ticks() - start;
    uint32_t count = ITERATIONS;
    start = mcugen_rt_ticks();
    __asm volatile(".syntax unified \n"
                   "1: subs %0, #1 \n"
                   "bne 1b \n"
                   : "+l"(count)
                   :
                   : "cc");
    uint64_t loop = mcugen_rt_ticks() - start;
    mcugen_rt_print_u64(empty);
    mcugen_rt_print(" ");
    mcugen_rt_print_u64(loop);
    return 0;
}
