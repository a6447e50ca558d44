/* Faults: on an undefined instruction, a store to nowhere, or an unaligned load, by FAULT. */
#include "mcugen_rt.h"

#define UNDEFINED 1
#define NOWHERE 2
#define UNALIGNED 3

int main(void)
{
    mcugen_rt_print("before\n");
#if FAULT == UNDEFINED
    register uint32_t marker __asm("r2") = 0x1234ABCDU;
    __asm volatile("udf #0" ::"r"(marker));
#elif FAULT == NOWHERE
    *(volatile uint32_t *)0x24000000U = 1;
#elif FAULT == UNALIGNED
    uint32_t words[2] = {1, 2};
    uint32_t address = (uint32_t)(uintptr_t)words + 1U;
    uint32_t value;
    __asm volatile("ldr %0, [%1]" : "=l"(value) : "l"(address), "m"(words));
#endif
    mcugen_rt_print("after\n");
    return 0;
}
