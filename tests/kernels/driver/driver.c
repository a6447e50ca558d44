#include "driver.h"

#include <stddef.h>
#include <string.h>

#define MAX_CASE_WORDS 400000U
#define MAX_BUFFERS 16U
#define MAX_REPORTS 5U
#define GUARD_BYTE 0xC5U

typedef enum { INPUT = 0, STATE = 1, OUTPUT = 2, SCRATCH = 3 } buffer_kind;

typedef struct {
    buffer_kind kind;
    uint32_t bytes;
    const uint32_t *before;   /* contents at the start, or NULL */
    const uint32_t *expected; /* contents at the end, or NULL */
    uint8_t *memory;          /* with guards of port_guard bytes on each side */
} buffer;

static uint32_t words[MAX_CASE_WORDS] DRIVER_POOL;
static buffer buffers[MAX_BUFFERS];
static uint32_t reports;

static void report(uint32_t case_index, uint32_t index, const char *what, int32_t offset, uint32_t expected,
                   uint32_t got)
{
    port_print("FAIL ");
    port_print_number((int32_t)case_index);
    port_print(" ");
    port_print_number((int32_t)index);
    port_print(" ");
    port_print(what);
    port_print(" ");
    port_print_number(offset);
    port_print(" ");
    port_print_number((int32_t)expected);
    port_print(" ");
    port_print_number((int32_t)got);
    port_print("\n");
    reports++;
}

static uint32_t words_for(uint32_t bytes)
{
    return (bytes + 3U) / 4U;
}

/* What uninitialized memory holds: differs from case to case, so that kernels that read it are caught. */
static uint8_t rubbish(uint32_t case_index)
{
    return (uint8_t)(0x5AU + 41U * case_index);
}

static void prepare(buffer *b, uint32_t misalignment, uint32_t case_index)
{
    b->memory = port_allocate(b->bytes + 2U * port_guard, misalignment);
    memset(b->memory, GUARD_BYTE, port_guard);
    memset(b->memory + port_guard + b->bytes, GUARD_BYTE, port_guard);
    if (b->before != NULL) {
        memcpy(b->memory + port_guard, b->before, b->bytes);
    } else {
        memset(b->memory + port_guard, rubbish(case_index), b->bytes);
    }
}

/* Reads one buffer's description; returns what follows. */
static const uint32_t *read_buffer(const uint32_t *cursor, buffer *b, uint32_t case_index)
{
    const uint32_t misalignment = cursor[2];
    b->kind = (buffer_kind)cursor[0];
    b->bytes = cursor[1];
    b->before = NULL;
    b->expected = NULL;
    cursor += 3;
    if (b->kind == INPUT || b->kind == STATE) {
        b->before = cursor;
        cursor += words_for(b->bytes);
    }
    if (b->kind == STATE || b->kind == OUTPUT) {
        b->expected = cursor;
        cursor += words_for(b->bytes);
    } else {
        b->expected = b->before;
    }
    prepare(b, misalignment, case_index);
    return cursor;
}

static const uint32_t *run_call(const uint32_t *cursor, uint32_t case_index, uint64_t *ticks)
{
    const uint32_t params_bytes = cursor[0];
    const uint32_t count = cursor[1];
    const uint32_t *params = cursor + 2;
    const uint32_t *indices = params + words_for(params_bytes);
    void *arguments[MAX_BUFFERS];
    if (params_bytes != check_params_size || count != check_argument_count) {
        report(case_index, 0, "signature", 0, check_params_size, params_bytes);
        return indices + 2U * count;
    }
    for (uint32_t i = 0; i < count; i++) {
        arguments[i] = buffers[indices[2U * i]].memory + port_guard + indices[2U * i + 1U];
    }
    const uint64_t start = port_ticks();
    check_call(params, arguments);
    *ticks += port_ticks() - start;
    return indices + 2U * count;
}

static void compare(uint32_t case_index, uint32_t index, const char *what, const uint8_t *got,
                    const uint8_t *expected, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        if (got[i] != expected[i]) {
            report(case_index, index, what, (int32_t)i, expected[i], got[i]);
            return;
        }
    }
}

static void check_buffer(uint32_t case_index, uint32_t index, const buffer *b)
{
    static const char *const names[] = {"input", "state", "output", "scratch"};
    const uint8_t *contents = b->memory + port_guard;
    if (b->expected != NULL) {
        compare(case_index, index, names[b->kind], contents, (const uint8_t *)b->expected, b->bytes);
    }
    for (uint32_t i = 0; i < port_guard; i++) {
        if (b->memory[i] != GUARD_BYTE) {
            report(case_index, index, "below", (int32_t)i - (int32_t)port_guard, GUARD_BYTE, b->memory[i]);
            break;
        }
    }
    for (uint32_t i = 0; i < port_guard; i++) {
        if (contents[b->bytes + i] != GUARD_BYTE) {
            report(case_index, index, "above", (int32_t)(b->bytes + i), GUARD_BYTE, contents[b->bytes + i]);
            break;
        }
    }
}

static void run_case(uint32_t case_index, uint64_t *ticks)
{
    uint32_t size;
    port_read(&size, 1);
    if (size > MAX_CASE_WORDS) {
        report(case_index, 0, "size", 0, MAX_CASE_WORDS, size);
        return;
    }
    port_read(words, size);
    const uint32_t buffer_count = words[0];
    const uint32_t call_count = words[1];
    const uint32_t *cursor = words + 2;
    for (uint32_t i = 0; i < buffer_count; i++) {
        cursor = read_buffer(cursor, &buffers[i], case_index);
    }
    for (uint32_t i = 0; i < call_count; i++) {
        cursor = run_call(cursor, case_index, ticks);
    }
    for (uint32_t i = 0; i < buffer_count; i++) {
        check_buffer(case_index, i, &buffers[i]);
    }
    port_release_all();
}

int main(void)
{
    uint32_t header[2];
    uint64_t ticks = 0;
    uint32_t i;
    port_read(header, 2);
    for (i = 0; i < header[1] && reports < MAX_REPORTS; i++) {
        if (header[0]) {
            port_print("CASE ");
            port_print_number((int32_t)i);
            port_print("\n");
        }
        run_case(i, &ticks);
    }
    port_print("DONE ");
    port_print_number((int32_t)i);
    port_print(" ");
    port_print_number((int32_t)(ticks / 1000U));
    port_print(" ");
    port_print_number((int32_t)(ticks % 1000U));
    port_print("\n");
    return 0;
}
