/* Prints the stack a function with a frame of 512 bytes takes, before and after painting anew; then, with
 * OVERFLOW, runs through the end of the stack. */
#include "mcugen_rt.h"

static volatile uint32_t sink;

__attribute__((noinline)) static uint32_t frame_of_512(uint32_t depth)
{
    volatile uint32_t frame[128];
    for (uint32_t i = 0; i < 128; i++) {
        frame[i] = depth + i;
    }
    uint32_t below = depth > 1 ? frame_of_512(depth - 1) : 0;
    return below + frame[depth & 127U];
}

static void print_need(uint32_t depth)
{
    mcugen_rt_stack_paint();
    uint32_t before = mcugen_rt_stack_depth();
    sink = frame_of_512(depth);
    mcugen_rt_print_u32(mcugen_rt_stack_used() - before);
    mcugen_rt_print(" ");
}

int main(void)
{
    print_need(2);
    print_need(1);
    mcugen_rt_print_u32(mcugen_rt_stack_size());
    mcugen_rt_print("\n");
#ifdef OVERFLOW
    sink = frame_of_512(mcugen_rt_stack_size() / 512U + 1U);
#endif
    return 0;
}
