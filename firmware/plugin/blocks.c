/*
 * A plugin for QEMU that counts how often each block of straight-line code runs in one call of a function.
 *
 * Arguments: entry=ADDRESS, the function; out=FILE. A block is what QEMU translates at once: instructions up
 * to a jump. Counting starts when the function is entered and ends when it returns to where it was called;
 * every call starts afresh, so that the last one is left. At the end FILE gets a line "complete 0" or
 * "complete 1" (whether the last call returned) and a line per block: address, instructions, address of the
 * last one, executions, and how often what came next began 2 and how often 4 bytes behind that address. The
 * reader knows the instruction's size and so which of the two means that no jump was taken. (QEMU's own size
 * can include a look ahead at the end of a page.)
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of QEMU's plugin interface; distributions do not package its header. */
#ifndef QEMU_PLUGIN_API
#define QEMU_PLUGIN_API 1 /* the interface's version: 1 before QEMU 9, 2 from there on */
#endif
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                                  void (*callback)(qemu_plugin_id_t,
                                                                   struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
                                                 void (*callback)(unsigned int, void *),
                                                 enum qemu_plugin_cb_flags flags, void *data);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t, void *),
                                           void *data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);

EXPORT int qemu_plugin_version = QEMU_PLUGIN_API;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);

/* One translation of a block. QEMU may translate code again: then there are several of the same address. */
struct block {
    uint64_t start, last, instructions;
    uint64_t executions, next_at_2, next_at_4;
    struct block *next;
};

static struct block *blocks;
static const struct block *outside; /* the block before the current one, while not counting */
static struct block *previous;      /* the block before the current one, while counting */
static uint64_t entry, call;        /* addresses of the function and of the instruction that called it */
static bool counting, complete;
static const char *out_path;

static void start_counting(void)
{
    for (struct block *block = blocks; block != NULL; block = block->next) {
        block->executions = 0;
        block->next_at_2 = 0;
        block->next_at_4 = 0;
    }
    call = outside != NULL ? outside->last : 0; /* a call ends its block */
    previous = NULL;
    counting = true;
    complete = false;
}

static void on_execution(unsigned int cpu, void *data)
{
    (void)cpu;
    struct block *block = data;
    if (!counting && block->start == entry) {
        start_counting();
    } else if (counting && (block->start == call + 2 || block->start == call + 4)) {
        counting = false;
        complete = true;
    }
    if (!counting) {
        outside = block;
        return;
    }
    block->executions++;
    if (previous != NULL) {
        previous->next_at_2 += block->start == previous->last + 2;
        previous->next_at_4 += block->start == previous->last + 4;
    }
    previous = block;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    const size_t count = qemu_plugin_tb_n_insns(tb);
    struct block *block = calloc(1, sizeof *block);
    if (block == NULL) {
        fputs("blocks: out of memory\n", stderr);
        abort();
    }
    block->start = qemu_plugin_tb_vaddr(tb);
    block->last = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, count - 1));
    block->instructions = count;
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_execution, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void write_counts(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    FILE *out = fopen(out_path, "w");
    if (out == NULL) {
        perror(out_path);
        return;
    }
    fprintf(out, "complete %d\n", complete ? 1 : 0);
    for (const struct block *block = blocks; block != NULL; block = block->next) {
        if (block->executions > 0) {
            fprintf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                    block->start, block->instructions, block->last, block->executions, block->next_at_2,
                    block->next_at_4);
        }
    }
    if (fclose(out) != 0) {
        perror(out_path);
    }
}

/* The value of an argument NAME=VALUE, NULL if it is another's. */
static const char *value_of(const char *argument, const char *name)
{
    const size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : NULL;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; ++i) {
        const char *address = value_of(argv[i], "entry"), *path = value_of(argv[i], "out");
        if (address != NULL) {
            entry = strtoull(address, NULL, 0);
        } else if (path != NULL) {
            out_path = strdup(path);
        } else {
            fprintf(stderr, "blocks: unknown argument %s\n", argv[i]);
            return -1;
        }
    }
    if (entry == 0 || out_path == NULL) {
        fputs("blocks: needs entry=ADDRESS and out=FILE\n", stderr);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, write_counts, NULL);
    return 0;
}
