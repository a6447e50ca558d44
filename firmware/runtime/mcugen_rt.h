/*
 * mcugen_rt: what a bare Cortex-M needs to run a model without an operating system or a vendor SDK.
 *
 * Reset code, vector table, fault report, semihosting I/O, an instruction counter on SysTick and a stack
 * high-water mark. No heap, no stdio. Runs in privileged thread mode on the main stack, on every core from
 * Cortex-M0 to Cortex-M55, together with the linker script made from templates/linker.ld.j2.
 *
 * All input and output is semihosting: an emulator or an attached debugger must serve it.
 */
#ifndef MCUGEN_RT_H
#define MCUGEN_RT_H

#include <stddef.h>
#include <stdint.h>

/* Exit codes of the runtime itself; keep a program's own codes below. */
#define MCUGEN_RT_EXIT_STACK_OVERFLOW 124
#define MCUGEN_RT_EXIT_FAULT 125

/* Ends the program. The code becomes the emulator's exit code; call with 0 to 123. Reports a stack overflow
 * instead if the last word of the stack has been overwritten. Returning from main does the same. */
_Noreturn void mcugen_rt_exit(int code);

/* ---- printing, to the emulator's standard output ------------------------------------------------------ */

void mcugen_rt_print(const char *text);
void mcugen_rt_print_u32(uint32_t value);
void mcugen_rt_print_i32(int32_t value);
void mcugen_rt_print_u64(uint64_t value);
void mcugen_rt_print_hex32(uint32_t value); /* 0x and eight digits */

/* ---- files, relative to the working directory of the emulator ----------------------------------------- */

typedef enum {
    MCUGEN_RT_READ = 1,   /* "rb" */
    MCUGEN_RT_WRITE = 5,  /* "wb" */
    MCUGEN_RT_APPEND = 9, /* "ab" */
} mcugen_rt_mode;

/* A handle, or -1. */
int32_t mcugen_rt_open(const char *path, mcugen_rt_mode mode);

/* Bytes transferred, less than size at the end of the file, or -1 on errors. */
int32_t mcugen_rt_read(int32_t handle, void *data, uint32_t size);
int32_t mcugen_rt_write(int32_t handle, const void *data, uint32_t size);

/* Length of an open file in bytes, or -1. */
int32_t mcugen_rt_length(int32_t handle);

/* 0, or -1. */
int32_t mcugen_rt_close(int32_t handle);

/* ---- counting instructions ---------------------------------------------------------------------------- */

/* SysTick counts processor clocks. Under QEMU's -icount shift=0 the clock of the guest advances with executed
 * instructions: one tick is a fixed number of them per machine (the board file's instructions_per_tick). On
 * silicon a tick is a clock cycle. */

/* Starts or restarts the counter at 0. Uses the SysTick exception, which counts the wraps. */
void mcugen_rt_ticks_start(void);

/* Ticks since the start. Right across wraps, from threads and handlers, also with interrupts masked (then for
 * at most one wrap: 2^24 ticks). */
uint64_t mcugen_rt_ticks(void);

/* ---- stack -------------------------------------------------------------------------------------------- */

/* Bytes reserved for the stack by the linker script. */
uint32_t mcugen_rt_stack_size(void);

/* Fills the unused part of the stack with a pattern, so that mcugen_rt_stack_used starts afresh. The reset
 * code does it once. */
void mcugen_rt_stack_paint(void);

/* The deepest use of the stack since the last painting, in bytes from its top, interrupts included. */
uint32_t mcugen_rt_stack_used(void);

/* The depth of the stack right now in the caller, in bytes: the difference of mcugen_rt_stack_used
 * after a call and this before it is what the call needed. */
uint32_t mcugen_rt_stack_depth(void);

#endif
