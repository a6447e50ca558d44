/* Printing, files and the exit code over Arm semihosting. */
#include "mcugen_rt.h"
#include "mcugen_rt_internal.h"

/* Operation numbers of the Arm semihosting specification, version 3. */
enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_FLEN = 0x0C,
    SYS_EXIT_EXTENDED = 0x20,
};

#define ADP_STOPPED_APPLICATION_EXIT 0x20026U

static uint32_t address_of(const void *pointer)
{
    return (uint32_t)(uintptr_t)pointer;
}

static int32_t semihosting(uint32_t operation, uint32_t argument)
{
    register uint32_t r0 __asm("r0") = operation;
    register uint32_t r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

static uint32_t text_length(const char *text)
{
    uint32_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    return length;
}

_Noreturn void mcugen_rt_semihosting_exit(int code)
{
    const uint32_t block[2] = {ADP_STOPPED_APPLICATION_EXIT, (uint32_t)code};
    (void)semihosting(SYS_EXIT_EXTENDED, address_of(block));
    for (;;) {
        /* a debugger may let the program go on */
    }
}

_Noreturn void mcugen_rt_exit(int code)
{
    if (!mcugen_rt_stack_intact()) {
        mcugen_rt_report_stack_overflow();
    }
    mcugen_rt_semihosting_exit(code);
}

void mcugen_rt_print(const char *text)
{
    (void)semihosting(SYS_WRITE0, address_of(text));
}

void mcugen_rt_print_u64(uint64_t value)
{
    char digits[21];
    char *cursor = digits + sizeof digits - 1;
    *cursor = '\0';
    do {
        *--cursor = (char)('0' + (int)(value % 10U));
        value /= 10U;
    } while (value != 0);
    mcugen_rt_print(cursor);
}

void mcugen_rt_print_u32(uint32_t value)
{
    mcugen_rt_print_u64(value);
}

void mcugen_rt_print_i32(int32_t value)
{
    if (value < 0) {
        mcugen_rt_print("-");
    }
    mcugen_rt_print_u32(value < 0 ? 0U - (uint32_t)value : (uint32_t)value);
}

void mcugen_rt_print_hex32(uint32_t value)
{
    char text[11] = "0x";
    for (uint32_t i = 0; i < 8; i++) {
        text[2 + i] = "0123456789abcdef"[(value >> (28 - 4 * i)) & 15U];
    }
    text[10] = '\0';
    mcugen_rt_print(text);
}

int32_t mcugen_rt_open(const char *path, mcugen_rt_mode mode)
{
    const uint32_t block[3] = {address_of(path), (uint32_t)mode, text_length(path)};
    return semihosting(SYS_OPEN, address_of(block));
}

/* SYS_READ and SYS_WRITE answer with the number of bytes not transferred. */
static int32_t transfer(uint32_t operation, int32_t handle, const void *data, uint32_t size)
{
    const uint32_t block[3] = {(uint32_t)handle, address_of(data), size};
    uint32_t left = (uint32_t)semihosting(operation, address_of(block));
    return left > size ? -1 : (int32_t)(size - left);
}

int32_t mcugen_rt_read(int32_t handle, void *data, uint32_t size)
{
    return transfer(SYS_READ, handle, data, size);
}

int32_t mcugen_rt_write(int32_t handle, const void *data, uint32_t size)
{
    return transfer(SYS_WRITE, handle, data, size);
}

int32_t mcugen_rt_length(int32_t handle)
{
    const uint32_t block[1] = {(uint32_t)handle};
    return semihosting(SYS_FLEN, address_of(block));
}

int32_t mcugen_rt_close(int32_t handle)
{
    const uint32_t block[1] = {(uint32_t)handle};
    return semihosting(SYS_CLOSE, address_of(block));
}
