/* The driver's port to a board under the emulator: semihosting, and a pool of memory. */
#include "driver.h"

#include "mcugen_rt.h"

#define POOL_BYTES 1000000U

const uint32_t port_guard = 48;

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
