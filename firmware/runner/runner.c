/*
 * Runs a generated model on cases from a file: what `mcugen run`, `verify` and `bench` build around it.
 *
 * MODEL (its name) and MODEL_HEADER come from the command line. Reads runner_input.bin: four words (number
 * of cases, 1 to reset the state before each case, 1 to write every layer's result, 0 or the byte that fills
 * what the plan leaves unused, see guard_begin), then the inputs of each case. Writes runner_output.bin: the
 * outputs of each case; with hooks runner_trace.bin: the layers' results. Prints one "key value" line per
 * figure: ticks of the last case, ticks of each of its layers, bytes of stack.
 */
#include <mcugen_rt.h>

#include <string.h>

#include MODEL_HEADER

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define MODEL_FN(name) JOIN(MODEL, name)
#define MODEL_CONTEXT JOIN(MODEL, _context)
#define MODEL_MEMORY JOIN(MODEL, _memory)

enum { EXIT_FILE = 10, EXIT_MODEL = 11, EXIT_GUARD = 12 };

#define GUARD_BYTES 64u
#define GUARD_VALUE 0xA5u

/* MODEL_REGIONS(X) has one X(name, size, section) per buffer of a model that is spread over several memories.
 */
#ifdef MODEL_REGIONS
#define REGIONS(X) MODEL_REGIONS(X)
#else
#define REGIONS(X) X(arena, MODEL_ARENA_SIZE, ".arena")
#endif

#define GUARDED_BUFFER(name, size, place)                                                                    \
    static struct {                                                                                          \
        _Alignas(16) uint8_t before[GUARD_BYTES];                                                            \
        _Alignas(16) uint8_t bytes[size];                                                                    \
        uint8_t after[GUARD_BYTES];                                                                          \
    } memory_##name __attribute__((section(place)));
REGIONS(GUARDED_BUFFER)

static void print_figure(const char *key, uint64_t value)
{
    mcugen_rt_print(key);
    mcugen_rt_print(" ");
    mcugen_rt_print_u64(value);
    mcugen_rt_print("\n");
}

static void fail(int code, const char *what)
{
    mcugen_rt_print("runner: ");
    mcugen_rt_print(what);
    mcugen_rt_print("\n");
    mcugen_rt_exit(code);
}

static void read_exactly(int32_t file, void *data, uint32_t size)
{
    if (mcugen_rt_read(file, data, size) != (int32_t)size) {
        fail(EXIT_FILE, "runner_input.bin is shorter than it says");
    }
}

static int32_t create(const char *path)
{
    const int32_t file = mcugen_rt_open(path, MCUGEN_RT_WRITE);
    if (file < 0) {
        fail(EXIT_FILE, "cannot create an output file");
    }
    return file;
}

static void write_exactly(int32_t file, const void *data, uint32_t size)
{
    if (mcugen_rt_write(file, data, size) != (int32_t)size) {
        fail(EXIT_FILE, "cannot write an output file");
    }
}

#ifdef MODEL_HOOKS
/* The bytes start <= i < end of all memory: the regions as if they lay one after the other. */
typedef struct {
    uint32_t start;
    uint32_t end;
} span;

/* The first bytes of a part of the memory that no buffer has which was made before `made` and is needed by
 * the layer or a later one; empty when there are none. The live ranges are in order of their offsets. */
static span first_unused(span part, int32_t made, int32_t layer)
{
    for (uint32_t i = 0; i < MODEL_FN(_live_range_count); ++i) {
        const mcugen_live_range *range = &MODEL_FN(_live_ranges)[i];
        if (range->made >= made || range->last < layer || range->offset + range->bytes <= part.start) {
            continue;
        }
        if (range->offset > part.start) {
            return (span){part.start, range->offset < part.end ? range->offset : part.end};
        }
        part.start = range->offset + range->bytes;
    }
    return (span){part.start, part.start < part.end ? part.end : part.start};
}

/* Fills what holds nothing when the layer begins: what no layer made that is needed still. base: where the
 * part of the memory begins. */
static void guard_begin(uint8_t *base, span part, int32_t layer, uint8_t pattern)
{
    span s = first_unused(part, layer, layer);
    while (s.start < s.end) {
        memset(base + (s.start - part.start), pattern, s.end - s.start);
        s = first_unused((span){s.end, part.end}, layer, layer);
    }
}

/* Ends the program when the layer wrote what it had no business to write. name: of the part of the memory. */
static void guard_end(const uint8_t *base, span part, int32_t layer, uint8_t pattern, const char *name)
{
    span s = first_unused(part, layer + 1, layer);
    while (s.start < s.end) {
        for (uint32_t i = s.start - part.start; i < s.end - part.start; ++i) {
            if (base[i] != pattern) {
                mcugen_rt_print("runner: layer ");
                mcugen_rt_print_u32((uint32_t)layer);
                mcugen_rt_print(" wrote byte ");
                mcugen_rt_print_u32(i);
                mcugen_rt_print(" of ");
                mcugen_rt_print(name);
                mcugen_rt_print(", which the plan leaves unused then\n");
                mcugen_rt_exit(EXIT_GUARD);
            }
        }
        s = first_unused((span){s.end, part.end}, layer + 1, layer);
    }
}

static uint8_t guard_pattern; /* 0: no guard */

/* Guards all regions, before the layer or after it. */
static void guard_layer(const MODEL_CONTEXT *context, uint32_t layer, int begin)
{
    if (guard_pattern == 0) {
        return;
    }
    span part = {0, 0};
#define GUARD_REGION(name, size, place)                                                                      \
    part = (span){part.end, part.end + (size)};                                                              \
    if (begin) {                                                                                             \
        guard_begin(context->name, part, (int32_t)layer, guard_pattern);                                     \
    } else {                                                                                                 \
        guard_end(context->name, part, (int32_t)layer, guard_pattern, #name);                                \
    }
    REGIONS(GUARD_REGION)
}

#define LAYER_SLOTS (MODEL_LAYER_COUNT + 1u) /* an array may not be empty */
static uint64_t layer_ticks[LAYER_SLOTS];
static uint64_t layer_start;
static int32_t trace_file = -1;

static const void *layer_data(const MODEL_CONTEXT *context, const mcugen_layer_output *output)
{
    if (output->offset & MCUGEN_LAYER_OUTPUT_OF_MODEL) {
        return MODEL_FN(_output_data)(context, output->offset & ~MCUGEN_LAYER_OUTPUT_OF_MODEL);
    }
    uint32_t offset = output->offset; /* as if the regions lay one after the other */
#define FIND_IN_REGION(name, size, place)                                                                    \
    if (offset < (size)) {                                                                                   \
        return context->name + offset;                                                                       \
    }                                                                                                        \
    offset -= (size);
    REGIONS(FIND_IN_REGION)
    return NULL;
}

void MODEL_FN(_layer_hook)(const MODEL_CONTEXT *context, uint32_t layer, int begin)
{
    if (begin) {
        guard_layer(context, layer, begin);
        layer_start = mcugen_rt_ticks();
        return;
    }
    layer_ticks[layer] = mcugen_rt_ticks() - layer_start;
    guard_layer(context, layer, begin);
    if (trace_file < 0) {
        return;
    }
    for (uint32_t i = 0; i < MODEL_FN(_layer_output_count); ++i) {
        const mcugen_layer_output *output = &MODEL_FN(_layer_outputs)[i];
        if (output->layer == layer) {
            write_exactly(trace_file, layer_data(context, output), output->bytes);
        }
    }
}

static void report_layers(void)
{
    for (uint32_t i = 0; i < MODEL_LAYER_COUNT; ++i) {
        mcugen_rt_print("layer ");
        mcugen_rt_print_u32(i);
        print_figure("", layer_ticks[i]);
    }
}
#else
static void report_layers(void)
{
}
#endif

static void check_guard(const uint8_t *before, const uint8_t *after)
{
    for (uint32_t i = 0; i < GUARD_BYTES; ++i) {
        if (before[i] != GUARD_VALUE || after[i] != GUARD_VALUE) {
            fail(EXIT_GUARD, "the model wrote outside its arena");
        }
    }
}

static void check_guards(void)
{
#define CHECK_REGION(name, size, place) check_guard(memory_##name.before, memory_##name.after);
    REGIONS(CHECK_REGION)
}

/* Fills all memory with the guards' pattern and binds the model to it. */
static int init_model(MODEL_CONTEXT *context)
{
#define PAINT_REGION(name, size, place) memset(&memory_##name, (int)GUARD_VALUE, sizeof memory_##name);
    REGIONS(PAINT_REGION)
#ifdef MODEL_REGIONS
    MODEL_MEMORY memory;
#define BIND_REGION(name, size, place)                                                                       \
    memory.name = memory_##name.bytes;                                                                       \
    memory.name##_size = sizeof memory_##name.bytes;
    REGIONS(BIND_REGION)
    return MODEL_FN(_init)(context, &memory);
#else
    return MODEL_FN(_init)(context, memory_arena.bytes, sizeof memory_arena.bytes);
#endif
}

#ifdef MODEL_COPY_HOOK
/* As a DMA controller might do it at worst: nothing moves before somebody waits. */
#define MOST_COPIES 64u
static struct {
    void *to;
    const void *from;
    uint32_t bytes;
} copies[MOST_COPIES];
static uint32_t copy_count;

void MODEL_FN(_copy_begin)(void *to, const void *from, uint32_t bytes)
{
    if (copy_count == MOST_COPIES) {
        fail(EXIT_MODEL, "too many copies at the same time");
    }
    copies[copy_count].to = to;
    copies[copy_count].from = from;
    copies[copy_count].bytes = bytes;
    ++copy_count;
}

void MODEL_FN(_copy_wait)(void)
{
    for (uint32_t i = 0; i < copy_count; ++i) {
        memcpy(copies[i].to, copies[i].from, copies[i].bytes);
    }
    copy_count = 0;
}
#endif

#ifdef MODEL_EXTERNAL_IO_BYTES
static _Alignas(16) uint8_t external_io[MODEL_EXTERNAL_IO_BYTES];

/* Inputs, then outputs, one after the other in memory of our own. */
static void bind_external(MODEL_CONTEXT *context, const mcugen_model_info *info)
{
    uint32_t offset = 0;
    for (uint32_t i = 0; i < info->input_count + info->output_count; ++i) {
        const uint32_t output = i - info->input_count;
        MODEL_FN(_bind)(context, i, external_io + offset);
        offset += (i < info->input_count ? info->inputs[i].bytes : info->outputs[output].bytes) + 15u;
        offset &= ~15u;
    }
}
#else
static void bind_external(MODEL_CONTEXT *context, const mcugen_model_info *info)
{
    (void)context;
    (void)info;
}
#endif

#ifdef MODEL_STREAMED_INPUT
static uint8_t streamed[MODEL_ROWS * MODEL_ROW_BYTES];
static uint32_t rows_given;

/* Gives rows of the whole input, which are to be asked for in order. */
static int give_rows(void *user, void *rows, uint32_t first, uint32_t count)
{
    (void)user;
    if (first != rows_given || count > MODEL_ROWS - first) {
        return 1;
    }
    memcpy(rows, streamed + first * MODEL_ROW_BYTES, count * MODEL_ROW_BYTES);
    rows_given += count;
    return 0;
}

static void *input_memory(const MODEL_CONTEXT *context, uint32_t index)
{
    rows_given = 0;
    return index == MODEL_STREAMED_INPUT ? streamed : MODEL_FN(_input_data)(context, index);
}

static void stream_input(MODEL_CONTEXT *context)
{
    MODEL_SET_ROWS(context, give_rows, NULL);
}
#else
static void *input_memory(const MODEL_CONTEXT *context, uint32_t index)
{
    return MODEL_FN(_input_data)(context, index);
}

static void stream_input(MODEL_CONTEXT *context)
{
    (void)context;
}
#endif

/* Runs one case and returns its ticks. */
static uint64_t run_case(MODEL_CONTEXT *context, const mcugen_model_info *info, int32_t input, int32_t output)
{
    for (uint32_t i = 0; i < info->input_count; ++i) {
        read_exactly(input, input_memory(context, i), info->inputs[i].bytes);
    }
    const uint64_t start = mcugen_rt_ticks();
    if (MODEL_FN(_run)(context) != MCUGEN_OK) {
        fail(EXIT_MODEL, "run failed");
    }
    const uint64_t ticks = mcugen_rt_ticks() - start;
    for (uint32_t i = 0; i < info->output_count; ++i) {
        write_exactly(output, MODEL_FN(_output_data)(context, i), info->outputs[i].bytes);
    }
    return ticks;
}

int main(void)
{
    const int32_t input = mcugen_rt_open("runner_input.bin", MCUGEN_RT_READ);
    if (input < 0) {
        fail(EXIT_FILE, "cannot open runner_input.bin");
    }
    uint32_t header[4];
    read_exactly(input, header, sizeof header);
    const uint32_t cases = header[0];
    const int32_t output = create("runner_output.bin");
#ifdef MODEL_HOOKS
    trace_file = header[2] ? create("runner_trace.bin") : -1;
    guard_pattern = (uint8_t)header[3];
#endif

    MODEL_CONTEXT context;
    if (init_model(&context) != MCUGEN_OK) {
        fail(EXIT_MODEL, "init failed");
    }
    const mcugen_model_info *info = MODEL_FN(_info)();
    bind_external(&context, info);
    stream_input(&context);
    mcugen_rt_ticks_start();
    mcugen_rt_stack_paint();
    const uint32_t depth = mcugen_rt_stack_depth();
    uint64_t ticks = 0;
    for (uint32_t i = 0; i < cases; ++i) {
        if (header[1]) {
            MODEL_FN(_reset_state)(&context);
        }
        ticks = run_case(&context, info, input, output);
    }
    check_guards();
    print_figure("ticks", ticks);
    report_layers();
    print_figure("stack", mcugen_rt_stack_used() - depth);
    (void)mcugen_rt_close(output);
    (void)mcugen_rt_close(input);
    return 0;
}
