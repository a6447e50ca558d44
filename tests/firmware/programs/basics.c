/* Prints every kind of number, checks .data and .bss, copies in.bin to out.bin with each byte inverted. */
#include "mcugen_rt.h"

static volatile uint32_t initialized[3] = {1, 22, 333};
static volatile uint32_t zeroed[1000];
static uint8_t bytes[300];

static void print_numbers(void)
{
    mcugen_rt_print_u32(0);
    mcugen_rt_print(" ");
    mcugen_rt_print_u32(UINT32_MAX);
    mcugen_rt_print(" ");
    mcugen_rt_print_i32(INT32_MIN);
    mcugen_rt_print(" ");
    mcugen_rt_print_i32(-1);
    mcugen_rt_print(" ");
    mcugen_rt_print_u64(UINT64_MAX);
    mcugen_rt_print(" ");
    mcugen_rt_print_hex32(0x00C0FFEEU);
    mcugen_rt_print("\n");
}

static void print_memory(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        sum += zeroed[i];
    }
    mcugen_rt_print_u32(initialized[0] + initialized[1] + initialized[2]);
    mcugen_rt_print(" ");
    mcugen_rt_print_u32(sum);
    mcugen_rt_print("\n");
}

static void copy_file(void)
{
    int32_t in = mcugen_rt_open("in.bin", MCUGEN_RT_READ);
    mcugen_rt_print_i32(mcugen_rt_length(in));
    int32_t count = mcugen_rt_read(in, bytes, sizeof bytes);
    mcugen_rt_print(" ");
    mcugen_rt_print_i32(count);
    mcugen_rt_print(" ");
    mcugen_rt_print_i32(mcugen_rt_read(in, bytes, sizeof bytes));
    for (int32_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)~bytes[i];
    }
    int32_t out = mcugen_rt_open("out.bin", MCUGEN_RT_WRITE);
    mcugen_rt_print(" ");
    mcugen_rt_print_i32(mcugen_rt_write(out, bytes, (uint32_t)count));
    mcugen_rt_print(" ");
    mcugen_rt_print_i32(mcugen_rt_close(in) + mcugen_rt_close(out));
    mcugen_rt_print(" ");
    mcugen_rt_print_i32(mcugen_rt_open("missing.bin", MCUGEN_RT_READ));
    mcugen_rt_print("\n");
}

int main(void)
{
    print_numbers();
    print_memory();
    copy_file();
    return 7;
}
