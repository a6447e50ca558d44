/* The driver's port to a board under the emulator: semihosting, and a pool of memory. */
#include "driver.h"

#include "mcugen_rt.h"

#define POOL_BYTES 1000000U

/* A multiple of what a region of the memory protection unit can be, and of the emulator's pages. */
#define ISLAND_BYTES 65536U

#define MPU_TYPE 0xE000ED90U
#define MPU_CTRL 0xE000ED94U
#define MPU_RNR 0xE000ED98U
#define MPU_RBAR 0xE000ED9CU
#define MPU_RASR 0xE000EDA0U /* MPU_RLAR on Armv8-M */
#define REGISTER(address) (*(volatile uint32_t *)(address))

const uint32_t port_guard = 48;

/* Sea, island, sea. */
static uint8_t island[3U * ISLAND_BYTES] __attribute__((aligned(ISLAND_BYTES), section(DRIVER_POOL_SECTION)));

static uint8_t pool[POOL_BYTES] DRIVER_POOL;
static uint32_t used;
static int32_t file = -1;
static int counting;

void port_read(uint32_t *words, uint32_t count)
{
    const int32_t bytes = (int32_t)(4U * count);
    if (file < 0) {
        file = mcugen_rt_open("cases.bin", MCUGEN_RT_READ);
    }
    if (file < 0 || mcugen_rt_read(file, words, (uint32_t)bytes) != bytes) {
        mcugen_rt_print("cannot read cases.bin\n");
        mcugen_rt_exit(2);
    }
}

uint8_t *port_allocate(uint32_t bytes, uint32_t misalignment)
{
    uint8_t *memory = pool + used + misalignment;
    used += (bytes + misalignment + 15U) / 16U * 16U;
    if (used > POOL_BYTES) {
        mcugen_rt_print("out of memory\n");
        mcugen_rt_exit(2);
    }
    return memory;
}

void port_release_all(void)
{
    used = 0;
}

void port_print(const char *text)
{
    mcugen_rt_print(text);
}

void port_print_number(int32_t value)
{
    mcugen_rt_print_i32(value);
}

uint64_t port_ticks(void)
{
    if (!counting) {
        counting = 1;
        mcugen_rt_ticks_start();
    }
    return mcugen_rt_ticks();
}

static void set_region(uint32_t number, uint32_t base, uint32_t limit)
{
    REGISTER(MPU_RNR) = number;
    REGISTER(MPU_RBAR) = base;
    REGISTER(MPU_RASR) = limit;
}

/* Makes the memory around the island unreadable. */
static void flood(uint32_t first_sea, uint32_t second_sea)
{
#if __ARM_ARCH >= 8
    /* Nothing can be forbidden to privileged code, so all the rest is allowed: read, write, execute. */
    const uint32_t allowed = 1U << 1;
    set_region(0, 0 | allowed, (first_sea - 32U) | 1U);
    set_region(1, (first_sea + ISLAND_BYTES) | allowed, (second_sea - 32U) | 1U);
    set_region(2, (second_sea + ISLAND_BYTES) | allowed, 0xFFFFFFE0U | 1U);
    REGISTER(MPU_CTRL) = 1U;
#else
    const uint32_t forbidden = (1U << 28) | (15U << 1) | 1U; /* no execution, no access, 2^16 bytes */
    set_region(0, first_sea, forbidden);
    set_region(1, second_sea, forbidden);
    REGISTER(MPU_CTRL) = (1U << 2) | 1U; /* everything else as without it */
#endif
    __asm volatile("dsb \n isb" ::: "memory");
}

uint8_t *port_island(uint32_t *bytes)
{
    static int flooded;
    const uint32_t first_sea = (uint32_t)(uintptr_t)island;
    *bytes = (REGISTER(MPU_TYPE) >> 8 & 0xFFU) != 0 ? ISLAND_BYTES : 0;
    if (!flooded && *bytes != 0) {
        flooded = 1;
        flood(first_sea, first_sea + 2U * ISLAND_BYTES);
    }
    return island + ISLAND_BYTES;
}

#define PAINT 0xA5C3965A
#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)

/* Fills the words below the stack pointer. In assembler, because a compiled function has a frame there
 * itself. */
__attribute__((naked, noinline)) static void paint_stack(void)
{
    __asm volatile(".syntax unified \n"
                   "ldr r0, =" TEXT(PORT_STACK_LIMIT) " \n"
                                                      "ldr r1, =" TEXT(PAINT) " \n"
                                                                              "mov r3, sp \n"
                                                                              "subs r2, r3, r0 \n"
                                                                              "1: str r1, [r2] \n"
                                                                              "adds r2, #4 \n"
                                                                              "cmp r2, r3 \n"
                                                                              "blo 1b \n"
                                                                              "bx lr \n"
                                                                              ".ltorg \n");
}

/* The bytes below the stack pointer down to the last word that does not hold the paint any more. */
__attribute__((naked, noinline)) static uint32_t stack_used(void)
{
    __asm volatile(".syntax unified \n"
                   "ldr r0, =" TEXT(PORT_STACK_LIMIT) " \n"
                                                      "ldr r1, =" TEXT(PAINT) " \n"
                                                                              "mov r3, sp \n"
                                                                              "subs r2, r3, r0 \n"
                                                                              "1: ldr r0, [r2] \n"
                                                                              "cmp r0, r1 \n"
                                                                              "bne 2f \n"
                                                                              "adds r2, #4 \n"
                                                                              "cmp r2, r3 \n"
                                                                              "blo 1b \n"
                                                                              "2: subs r0, r3, r2 \n"
                                                                              "bx lr \n"
                                                                              ".ltorg \n");
}

uint32_t port_measured_call(const void *params, void *const *arguments)
{
    paint_stack();
    check_call(params, arguments);
    return stack_used();
}
