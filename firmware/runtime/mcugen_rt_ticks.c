/* A 64-bit tick counter on the 24-bit SysTick. */
#include "mcugen_rt.h"
#include "mcugen_rt_internal.h"

/* Tests make it small to see many wraps. */
#ifndef MCUGEN_RT_SYSTICK_RELOAD
#define MCUGEN_RT_SYSTICK_RELOAD 0xFFFFFFU
#endif

#define PERIOD ((uint64_t)MCUGEN_RT_SYSTICK_RELOAD + 1U)
#define CSR_ENABLE_INTERRUPT_PROCESSOR_CLOCK 7U

static volatile uint32_t wraps;

void mcugen_rt_systick(void)
{
    wraps++;
}

void mcugen_rt_ticks_start(void)
{
    MCUGEN_RT_REGISTER(MCUGEN_RT_SYST_CSR) = 0;
    MCUGEN_RT_REGISTER(MCUGEN_RT_ICSR) = MCUGEN_RT_ICSR_PENDSTCLR;
    MCUGEN_RT_REGISTER(MCUGEN_RT_SYST_RVR) = MCUGEN_RT_SYSTICK_RELOAD;
    MCUGEN_RT_REGISTER(MCUGEN_RT_SYST_CVR) =
        0; /* any write clears it; the first tick loads the reload value */
    wraps = 0;
    MCUGEN_RT_REGISTER(MCUGEN_RT_SYST_CSR) = CSR_ENABLE_INTERRUPT_PROCESSOR_CLOCK;
}

/*
 * SysTick counts down RELOAD ... 1, 0, RELOAD ...; reaching 0 raises the exception. So a period begins at 0,
 * and 0 is also the value before the first tick.
 *  - The handler ran between the two readings of `wraps`: read again.
 *  - The exception is pending but cannot run (masked, or in a handler of the same priority): if the counter
 * is in the first half of its period, it has wrapped before it was read, and the wrap must be added; in the
 *    second half it wrapped after.
 */
uint64_t mcugen_rt_ticks(void)
{
    uint32_t counted;
    uint32_t value;
    uint32_t pending;
    do {
        counted = wraps;
        value = MCUGEN_RT_REGISTER(MCUGEN_RT_SYST_CVR);
        pending = MCUGEN_RT_REGISTER(MCUGEN_RT_ICSR) & MCUGEN_RT_ICSR_PENDSTSET;
    } while (counted != wraps);
    uint64_t phase = value == 0 ? 0 : PERIOD - value;
    if (pending != 0 && phase <= PERIOD / 2U) {
        counted++;
    }
    return counted * PERIOD + phase;
}
