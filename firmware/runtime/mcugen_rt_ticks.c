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
    MCUGEN_RT_REGISTER(MCUGEN_RT_SYST_CVR) = 0; /* any write clears it; the first tick loads the reload value */
    wraps = 0;
    MCUGEN_RT_REGISTER(MCUGEN_RT_SYST_CSR) = CSR_ENABLE_INTERRUPT_PROCESSOR_CLOCK;
}

/*
 * SysTick counts down RELOAD ... 1, 0, RELOAD ...; the exception is raised when it reaches 0. The value 0 is
 * ambiguous (before the first reload, or at a wrap whose exception may be just about to come), so it is waited
 * out: it lasts one tick. Otherwise:
 *  - the handler ran between the two readings of `wraps`: read again;
 *  - the exception is pending but cannot run (masked, or in a handler of the same priority): if the counter is
 *    in the first half of its period, the wrap came before it was read and must be added; in the second half
 *    the wrap came after.
 */
uint64_t mcugen_rt_ticks(void)
{
    uint32_t before;
    uint32_t value;
    uint32_t pending;
    do {
        before = wraps;
        value = MCUGEN_RT_REGISTER(MCUGEN_RT_SYST_CVR);
        pending = MCUGEN_RT_REGISTER(MCUGEN_RT_ICSR) & MCUGEN_RT_ICSR_PENDSTSET;
    } while (value == 0 || before != wraps);
    if (pending != 0 && value > MCUGEN_RT_SYSTICK_RELOAD / 2U) {
        before++;
    }
    return before * PERIOD + (PERIOD - value);
}
