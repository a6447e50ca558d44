/* Prints results of the units the board says it has: FPU in single and double precision, DSP, MVE. */
#include "mcugen_rt.h"
#if __ARM_FEATURE_MVE
#include <arm_mve.h>
#endif
#if __ARM_FEATURE_DSP
#include <arm_acle.h>
#endif

static volatile float single = 1.5F;
static volatile double precise = 1.0e9;

static void print_result(const char *unit, uint32_t value)
{
    mcugen_rt_print(unit);
    mcugen_rt_print_u32(value);
    mcugen_rt_print("\n");
}

int main(void)
{
    /* in libgcc where there is no unit */
    print_result("single ", (uint32_t)(single * single * 100.0F));
    print_result("double ", (uint32_t)(precise * 4.0 + 0.5 - 1.0));
#if __ARM_FP
    uint32_t bits;
    float two = 2.0F;
    __asm volatile("vmul.f32 s0, %1, %1 \n"
                   "vmov %0, s0 \n"
                   : "=r"(bits)
                   : "t"(two)
                   : "s0");
    print_result("fpu ", bits == 0x40800000U);
#endif
#if __ARM_FEATURE_DSP
    print_result("dsp ", (uint32_t)__smlad(0x00030002, 0x00050007, 1));
#endif
#if __ARM_FEATURE_MVE
    int8x16_t lanes = vdupq_n_s8(-3);
    print_result("mve ", (uint32_t)vmladavq_s8(lanes, vdupq_n_s8(-5)));
    float total = vgetq_lane_f32(vmulq_n_f32(vdupq_n_f32(single), 4.0F), 3);
    print_result("mve float ", (uint32_t)total);
#endif
    return 0;
}
