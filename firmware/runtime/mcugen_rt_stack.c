/* Stack painting and the high-water mark. */
#include "mcugen_rt.h"
#include "mcugen_rt_internal.h"

/* Symbols of the linker script: lowest and one past the highest address of the stack. */
extern uint32_t mcugen_rt_stack_limit[];
extern uint32_t mcugen_rt_stack_top[];

#define PAINT 0xA5C3965A
#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)

static uint32_t depth_of(const uint32_t *position)
{
    return (uint32_t)(uintptr_t)mcugen_rt_stack_top - (uint32_t)(uintptr_t)position;
}

uint32_t mcugen_rt_stack_size(void)
{
    return depth_of(mcugen_rt_stack_limit);
}

/* In assembler, because a compiled function may save registers below the stack pointer it reads. */
__attribute__((naked)) void mcugen_rt_stack_paint(void)
{
    __asm volatile(".syntax unified \n"
                   "ldr r0, =mcugen_rt_stack_limit \n"
                   "ldr r1, =" TEXT(PAINT) " \n"
                                           "mov r2, sp \n"
                                           "1: cmp r0, r2 \n"
                                           "bhs 2f \n"
                                           "str r1, [r0] \n"
                                           "adds r0, #4 \n"
                                           "b 1b \n"
                                           "2: bx lr \n"
                                           ".ltorg \n");
}

uint32_t mcugen_rt_stack_used(void)
{
    const uint32_t *word = mcugen_rt_stack_limit;
    while (word < mcugen_rt_stack_top && *word == PAINT) {
        word++;
    }
    return depth_of(word);
}

__attribute__((naked)) uint32_t mcugen_rt_stack_depth(void)
{
    __asm volatile(".syntax unified \n"
                   "ldr r0, =mcugen_rt_stack_top \n"
                   "mov r1, sp \n"
                   "subs r0, r0, r1 \n"
                   "bx lr \n"
                   ".ltorg \n");
}

int mcugen_rt_stack_intact(void)
{
    return mcugen_rt_stack_limit[0] == PAINT;
}
