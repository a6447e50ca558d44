/*
 * Runs a generated model on this computer. MODEL is its name. Reads the inputs of one case after the other
 * from standard input until there are no more, and writes the outputs of each to standard output. State is
 * kept. With SET_ROWS, a function of the model's, the only input comes by rows of ROW_BYTES.
 */
#include <stdio.h>
#include <stdlib.h>

#include MODEL_HEADER

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define MODEL_FN(name) JOIN(MODEL, name)

#ifdef SET_ROWS
static int read_rows(void *user, void *rows, uint32_t first, uint32_t count)
{
    uint32_t *const next = user;
    if (first != *next) {
        return 1;
    }
    *next += count;
    return fread(rows, ROW_BYTES, count, stdin) != count;
}

/* Runs until the rows end, which is the first row of a case. */
static int run_all(MODEL_FN(_context) * context, const mcugen_model_info *info)
{
    uint32_t next = 0;
    if (MODEL_FN(_run)(context) != MCUGEN_ERROR_NULL) {
        return 5;
    }
    SET_ROWS(context, read_rows, &next);
    while (MODEL_FN(_run)(context) == MCUGEN_OK) {
        fwrite(MODEL_FN(_output_data)(context, 0), 1, info->outputs[0].bytes, stdout);
        next = 0;
    }
    return MODEL_FN(_run)(context) == MCUGEN_ERROR_INPUT ? 0 : 6;
}
#else
static int read_case(const MODEL_FN(_context) * context, const mcugen_model_info *info)
{
    for (uint32_t i = 0; i < info->input_count; ++i) {
        if (fread(MODEL_FN(_input_data)(context, i), 1, info->inputs[i].bytes, stdin) !=
            info->inputs[i].bytes) {
            return 0;
        }
    }
    return 1;
}

static int run_all(MODEL_FN(_context) * context, const mcugen_model_info *info)
{
    while (read_case(context, info)) {
        if (MODEL_FN(_run)(context) != MCUGEN_OK) {
            return 4;
        }
        for (uint32_t i = 0; i < info->output_count; ++i) {
            fwrite(MODEL_FN(_output_data)(context, i), 1, info->outputs[i].bytes, stdout);
        }
    }
    return 0;
}
#endif

int main(void)
{
    const mcugen_model_info *info = MODEL_FN(_info)();
    /* From the heap and no larger than needed, so that the address sanitizer sees every byte beyond it. */
    const size_t size = info->arena_size;
    uint8_t *memory = malloc(size + 15u);
    if (memory == NULL) {
        return 2;
    }
    uint8_t *arena = memory + (16u - (uintptr_t)memory % 16u) % 16u;
    MODEL_FN(_context) context;
    if (MODEL_FN(_init)(&context, arena, size) != MCUGEN_OK) {
        return 3;
    }
    const int result = run_all(&context, info);
    free(memory);
    return result;
}
