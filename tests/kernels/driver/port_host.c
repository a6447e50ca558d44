/* The driver's port to the computer that compiles: buffers are of the exact size, for the address sanitizer.
 */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_ALLOCATIONS 16U

const uint32_t port_guard = 0;

static void *allocations[MAX_ALLOCATIONS];
static uint32_t allocated;
static FILE *file;

void port_read(uint32_t *words, uint32_t count)
{
    if (file == NULL) {
        file = fopen("cases.bin", "rb");
    }
    if (file == NULL || fread(words, sizeof *words, count, file) != count) {
        fputs("cannot read cases.bin\n", stderr);
        exit(2);
    }
}

uint8_t *port_allocate(uint32_t bytes, uint32_t misalignment)
{
    uint8_t *memory = malloc(bytes + misalignment);
    if (memory == NULL || allocated == MAX_ALLOCATIONS) {
        fputs("out of memory\n", stderr);
        exit(2);
    }
    allocations[allocated++] = memory;
    return memory + misalignment;
}

void port_release_all(void)
{
    while (allocated > 0) {
        free(allocations[--allocated]);
    }
}

void port_print(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

void port_print_number(int32_t value)
{
    printf("%d", (int)value);
}

uint64_t port_ticks(void)
{
    return 0;
}

uint8_t *port_island(uint32_t *bytes)
{
    *bytes = 0;
    return NULL;
}

uint32_t port_measured_call(const void *params, void *const *arguments)
{
    check_call(params, arguments);
    return 0;
}
