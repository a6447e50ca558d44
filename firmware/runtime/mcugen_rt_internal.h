/* Shared by the runtime's own files; programs include mcugen_rt.h. */
#ifndef MCUGEN_RT_INTERNAL_H
#define MCUGEN_RT_INTERNAL_H

#include <stdint.h>

#define MCUGEN_RT_REGISTER(address) (*(volatile uint32_t *)(address))

/* System control space, the same on every Cortex-M (the fault registers from Armv7-M and Armv8-M baseline
 * on). */
#define MCUGEN_RT_SYST_CSR 0xE000E010U
#define MCUGEN_RT_SYST_RVR 0xE000E014U
#define MCUGEN_RT_SYST_CVR 0xE000E018U
#define MCUGEN_RT_ICSR 0xE000ED04U
#define MCUGEN_RT_VTOR 0xE000ED08U
#define MCUGEN_RT_CCR 0xE000ED14U
#define MCUGEN_RT_CFSR 0xE000ED28U
#define MCUGEN_RT_HFSR 0xE000ED2CU
#define MCUGEN_RT_MMFAR 0xE000ED34U
#define MCUGEN_RT_BFAR 0xE000ED38U

#define MCUGEN_RT_ICSR_PENDSTCLR (1U << 25)
#define MCUGEN_RT_ICSR_PENDSTSET (1U << 26)
#define MCUGEN_RT_CCR_UNALIGN_TRP (1U << 3)

/* Ends the program without looking at anything else. */
_Noreturn void mcugen_rt_semihosting_exit(int code);

/* Says that the stack has overflowed and ends the program. */
_Noreturn void mcugen_rt_report_stack_overflow(void);

/* Whether the word at the limit of the stack still holds the paint. */
int mcugen_rt_stack_intact(void);

/* Handler of the SysTick exception. */
void mcugen_rt_systick(void);

#endif
