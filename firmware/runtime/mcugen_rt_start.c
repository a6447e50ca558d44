/* Vector table, reset code and the report of faults. */
#include "mcugen_rt.h"
#include "mcugen_rt_internal.h"

/* Symbols of the linker script. */
extern uint32_t mcugen_rt_data_load[];
extern uint32_t mcugen_rt_data_start[];
extern uint32_t mcugen_rt_data_end[];
extern uint32_t mcugen_rt_bss_start[];
extern uint32_t mcugen_rt_bss_end[];
extern uint32_t mcugen_rt_stack_top[];

extern int main(void);

typedef void (*mcugen_rt_vector)(void);

void mcugen_rt_reset(void);
void mcugen_rt_fault(void);
_Noreturn void mcugen_rt_start(void);
_Noreturn void mcugen_rt_report_fault(const uint32_t *frame);

/* The sixteen system entries. External interrupts stay disabled, so they need no vectors. The alignment is
 * what VTOR asks of a table of this size. */
__attribute__((section(".vectors"), used, aligned(128))) static const struct {
    const uint32_t *stack_top;
    mcugen_rt_vector handlers[15];
} vectors = {
    mcugen_rt_stack_top,
    {
        mcugen_rt_reset, /* 1 reset */
        mcugen_rt_fault, /* 2 NMI */
        mcugen_rt_fault, /* 3 HardFault */
        mcugen_rt_fault, /* 4 MemManage */
        mcugen_rt_fault, /* 5 BusFault */
        mcugen_rt_fault, /* 6 UsageFault */
        mcugen_rt_fault, /* 7 SecureFault */
        NULL,
        NULL,
        NULL,
        mcugen_rt_fault,   /* 11 SVCall */
        mcugen_rt_fault,   /* 12 DebugMonitor */
        NULL,              /* 13 */
        mcugen_rt_fault,   /* 14 PendSV */
        mcugen_rt_systick, /* 15 SysTick */
    },
};

/* Written without a stack frame: compiled C may save floating-point registers on entry, and the FPU or MVE
 * unit (coprocessors 10 and 11) is off until CPACR says otherwise. */
__attribute__((naked)) void mcugen_rt_reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    __asm volatile(".syntax unified \n"
                   "ldr r0, =0xE000ED88 \n" /* CPACR */
                   "ldr r1, [r0] \n"
                   "ldr r2, =0x00F00000 \n" /* full access to CP10 and CP11 */
                   "orrs r1, r2 \n"
                   "str r1, [r0] \n"
                   "dsb \n"
                   "isb \n"
                   "b mcugen_rt_start \n"
                   ".ltorg \n");
#else
    __asm volatile(".syntax unified \n"
                   "ldr r0, =mcugen_rt_start \n"
                   "bx r0 \n"
                   ".ltorg \n");
#endif
}

_Noreturn __attribute__((used)) void mcugen_rt_start(void)
{
#if __ARM_ARCH >= 7
    MCUGEN_RT_REGISTER(MCUGEN_RT_VTOR) = (uint32_t)(uintptr_t)&vectors;
#else
    /* Armv6-M faults on unaligned accesses; where its code runs on a larger core, make that core fault too.
     * On a real Armv6-M core the bit is already set. */
    MCUGEN_RT_REGISTER(MCUGEN_RT_CCR) |= MCUGEN_RT_CCR_UNALIGN_TRP;
#endif
    const uint32_t *load = mcugen_rt_data_load;
    for (uint32_t *word = mcugen_rt_data_start; word < mcugen_rt_data_end; word++) {
        *word = *load++;
    }
    for (uint32_t *word = mcugen_rt_bss_start; word < mcugen_rt_bss_end; word++) {
        *word = 0;
    }
    mcugen_rt_stack_paint();
    mcugen_rt_exit(main());
}

/* Hands the exception frame to the report; bit 2 of EXC_RETURN tells which stack holds it. A frame below the
 * stack's limit was never written: the stack has overflowed, and the report starts a new one. */
__attribute__((naked)) void mcugen_rt_fault(void)
{
    __asm volatile(".syntax unified \n"
                   "movs r1, #4 \n"
                   "mov r0, lr \n"
                   "tst r0, r1 \n"
                   "bne 1f \n"
                   "mrs r0, msp \n"
                   "ldr r1, =mcugen_rt_stack_limit \n"
                   "cmp r0, r1 \n"
                   "bhs 2f \n"
                   "ldr r0, =mcugen_rt_stack_top \n"
                   "mov sp, r0 \n"
                   "ldr r1, =mcugen_rt_report_stack_overflow \n"
                   "bx r1 \n"
                   "1: mrs r0, psp \n"
                   "2: ldr r1, =mcugen_rt_report_fault \n"
                   "bx r1 \n"
                   ".ltorg \n");
}

static void print_register(const char *name, uint32_t value)
{
    mcugen_rt_print(name);
    mcugen_rt_print_hex32(value);
}

static uint32_t exception_number(void)
{
    uint32_t ipsr;
    __asm volatile("mrs %0, ipsr" : "=r"(ipsr));
    return ipsr & 0x1FFU;
}

/* frame: r0, r1, r2, r3, r12, lr, pc, xpsr as the core stacked them. */
_Noreturn __attribute__((used)) void mcugen_rt_report_fault(const uint32_t *frame)
{
    uint32_t number = exception_number();
    mcugen_rt_print(number == 3 ? "\nmcugen: HardFault" : "\nmcugen: unexpected exception ");
    if (number != 3) {
        mcugen_rt_print_u32(number);
    }
    print_register("\n  r0=", frame[0]);
    print_register(" r1=", frame[1]);
    print_register(" r2=", frame[2]);
    print_register(" r3=", frame[3]);
    print_register("\n  r12=", frame[4]);
    print_register(" lr=", frame[5]);
    print_register(" pc=", frame[6]);
    print_register(" xpsr=", frame[7]);
#if __ARM_ARCH >= 7
    print_register("\n  cfsr=", MCUGEN_RT_REGISTER(MCUGEN_RT_CFSR));
    print_register(" hfsr=", MCUGEN_RT_REGISTER(MCUGEN_RT_HFSR));
    print_register(" mmfar=", MCUGEN_RT_REGISTER(MCUGEN_RT_MMFAR));
    print_register(" bfar=", MCUGEN_RT_REGISTER(MCUGEN_RT_BFAR));
#endif
    mcugen_rt_print("\n");
    mcugen_rt_semihosting_exit(MCUGEN_RT_EXIT_FAULT);
}

_Noreturn __attribute__((used)) void mcugen_rt_report_stack_overflow(void)
{
    mcugen_rt_print("\nmcugen: stack overflow\n");
    mcugen_rt_semihosting_exit(MCUGEN_RT_EXIT_STACK_OVERFLOW);
}
