/* Reads the counter at every phase of its period, with interrupts enabled and masked. Exits with the number
 * of readings that went backwards or jumped. */
#include "mcugen_rt.h"

/* More ticks than two readings in a row take on any machine, far fewer than one period. */
#define LONGEST_STEP 20U

static uint64_t last;

static int step_is_wrong(void)
{
    uint64_t now = mcugen_rt_ticks();
    int wrong = now < last || now - last > LONGEST_STEP;
    last = now;
    return wrong;
}

static void pause(uint32_t iterations)
{
    for (volatile uint32_t i = 0; i < iterations; i++) {
    }
}

int main(void)
{
    int wrong = 0;
    mcugen_rt_ticks_start();
    for (uint32_t i = 0; i < 20000; i++) {
        wrong += step_is_wrong();
        pause(i % 7);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        pause(i % 97);
        last = mcugen_rt_ticks();
        __asm volatile("cpsid i" ::: "memory");
        for (uint32_t k = 0; k < 5; k++) {
            wrong += step_is_wrong();
        }
        __asm volatile("cpsie i" ::: "memory");
        wrong += step_is_wrong();
    }
    return wrong > 100 ? 100 : wrong;
}
