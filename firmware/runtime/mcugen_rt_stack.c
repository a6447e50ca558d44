/* Stack painting and the high-water mark. */
#include "mcugen_rt.h"
#include "mcugen_rt_internal.h"

/* Symbols of the linker script: lowest and one past the highest address of the stack. */
extern uint32_t mcugen_rt_stack_limit[];
extern uint32_t mcugen_rt_stack_top[];

#define PAINT 0xA5C3965AU

static uint32_t *stack_pointer(void)
{
    uint32_t *sp;
    __asm volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

static uint32_t depth_of(const uint32_t *position)
{
    return (uint32_t)(uintptr_t)mcugen_rt_stack_top - (uint32_t)(uintptr_t)position;
}

uint32_t mcugen_rt_stack_size(void)
{
    return depth_of(mcugen_rt_stack_limit);
}

/* Writes only below its own stack pointer, and calls nothing while it does. */
__attribute__((noinline)) void mcugen_rt_stack_paint(void)
{
    const uint32_t *end = stack_pointer();
    for (volatile uint32_t *word = mcugen_rt_stack_limit; word < end; word++) {
        *word = PAINT;
    }
}

uint32_t mcugen_rt_stack_used(void)
{
    const uint32_t *word = mcugen_rt_stack_limit;
    while (word < mcugen_rt_stack_top && *word == PAINT) {
        word++;
    }
    return depth_of(word);
}

__attribute__((noinline)) uint32_t mcugen_rt_stack_depth(void)
{
    return depth_of(stack_pointer());
}

int mcugen_rt_stack_intact(void)
{
    return mcugen_rt_stack_limit[0] == PAINT;
}
