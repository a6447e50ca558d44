/*
 * Runs a generated model on this computer. MODEL is its name. Reads the inputs of one case after the other
 * from standard input until there are no more, and writes the outputs of each to standard output. State is
 * kept.
 */
#include <stdio.h>
#include <stdlib.h>

#include MODEL_HEADER

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define MODEL_FN(name) JOIN(MODEL, name)

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
    while (read_case(&context, info)) {
        if (MODEL_FN(_run)(&context) != MCUGEN_OK) {
            return 4;
        }
        for (uint32_t i = 0; i < info->output_count; ++i) {
            fwrite(MODEL_FN(_output_data)(&context, i), 1, info->outputs[i].bytes, stdout);
        }
    }
    free(memory);
    return 0;
}
