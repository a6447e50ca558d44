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
    uint8_t *contents;
    uint32_t guard_below; /* bytes on that side that are compared */
    uint32_t guard_above;
} buffer;

/* What the calls of all cases took. */
typedef struct {
    uint64_t ticks;
    uint32_t stack_bytes; /* the most */
} usage;

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

/* Puts a buffer at an edge of the island if there is one large enough: at its end or its start. */
static int place_at_edge(buffer *b, uint32_t alignment, int at_end)
{
    uint32_t island_bytes;
    uint8_t *island = port_island(&island_bytes);
    if (alignment == 0 || b->bytes + port_guard + alignment > island_bytes) {
        return 0;
    }
    const uint32_t start = at_end ? (island_bytes - b->bytes) / alignment * alignment : 0;
    b->contents = island + start;
    b->guard_below = at_end ? port_guard : 0;
    b->guard_above = at_end ? island_bytes - start - b->bytes : port_guard;
    return 1;
}

static void place(buffer *b, uint32_t misalignment)
{
    b->contents = port_allocate(b->bytes + 2U * port_guard, misalignment) + port_guard;
    b->guard_below = port_guard;
    b->guard_above = port_guard;
}

static void fill(const buffer *b, uint32_t case_index)
{
    memset(b->contents - b->guard_below, GUARD_BYTE, b->guard_below);
    memset(b->contents + b->bytes, GUARD_BYTE, b->guard_above);
    if (b->before != NULL) {
        memcpy(b->contents, b->before, b->bytes);
    } else {
        memset(b->contents, rubbish(case_index), b->bytes);
    }
}

/* Reads one buffer's description; returns what follows. at_edge: whether this is the case's buffer for the
 * edge. */
static const uint32_t *read_buffer(const uint32_t *cursor, buffer *b, uint32_t case_index, int at_edge)
{
    const uint32_t misalignment = cursor[2];
    const uint32_t alignment = cursor[3];
    b->kind = (buffer_kind)cursor[0];
    b->bytes = cursor[1];
    b->before = NULL;
    b->expected = NULL;
    cursor += 4;
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
    if (!at_edge || !place_at_edge(b, alignment, case_index % 4U != 0)) {
        place(b, misalignment);
    }
    fill(b, case_index);
    return cursor;
}

static const uint32_t *run_call(const uint32_t *cursor, uint32_t case_index, usage *total)
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
        arguments[i] = buffers[indices[2U * i]].contents + indices[2U * i + 1U];
    }
    const uint64_t start = port_ticks();
    const uint32_t stack_bytes = port_measured_call(params, arguments);
    total->ticks += port_ticks() - start;
    if (stack_bytes > total->stack_bytes) {
        total->stack_bytes = stack_bytes;
    }
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

static void check_guard(uint32_t case_index, uint32_t index, const char *what, const buffer *b, int32_t first,
                        uint32_t bytes)
{
    for (int32_t i = first; i < first + (int32_t)bytes; i++) {
        if (b->contents[i] != GUARD_BYTE) {
            report(case_index, index, what, i, GUARD_BYTE, b->contents[i]);
            return;
        }
    }
}

static void check_buffer(uint32_t case_index, uint32_t index, const buffer *b)
{
    static const char *const names[] = {"input", "state", "output", "scratch"};
    if (b->expected != NULL) {
        compare(case_index, index, names[b->kind], b->contents, (const uint8_t *)b->expected, b->bytes);
    }
    check_guard(case_index, index, "below", b, -(int32_t)b->guard_below, b->guard_below);
    check_guard(case_index, index, "above", b, (int32_t)b->bytes, b->guard_above);
}

static void run_case(uint32_t case_index, usage *total)
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
        cursor = read_buffer(cursor, &buffers[i], case_index, i == case_index / 4U % buffer_count);
    }
    for (uint32_t i = 0; i < call_count; i++) {
        cursor = run_call(cursor, case_index, total);
    }
    for (uint32_t i = 0; i < buffer_count; i++) {
        check_buffer(case_index, i, &buffers[i]);
    }
    port_release_all();
}

int main(void)
{
    uint32_t header[2];
    usage total = {0, 0};
    uint32_t i;
    port_read(header, 2);
    for (i = 0; i < header[1] && reports < MAX_REPORTS; i++) {
        if (header[0]) {
            port_print("CASE ");
            port_print_number((int32_t)i);
            port_print("\n");
        }
        run_case(i, &total);
    }
    port_print("DONE ");
    port_print_number((int32_t)i);
    port_print(" ");
    port_print_number((int32_t)(total.ticks / 1000U));
    port_print(" ");
    port_print_number((int32_t)(total.ticks % 1000U));
    port_print(" ");
    port_print_number((int32_t)total.stack_bytes);
    port_print("\n");
    return 0;
}
