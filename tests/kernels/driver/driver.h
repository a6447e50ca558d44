/*
 * Calls one kernel on a file of cases and compares every byte it may write with the expected ones.
 *
 * The file "cases.bin" holds little-endian 32-bit words: 1 to announce every case on the output else 0, the
 * number of cases, then per case its size in words and that many words:
 *
 *   buffers, calls;
 *   per buffer: kind, bytes, misalignment, alignment, then its contents padded to words
 *   (inputs: 1 copy, states: before and after, outputs: after, scratch: none);
 *   per call: bytes of parameters, arguments, parameters padded to words,
 *   per argument the index of its buffer and where in it the argument starts.
 *
 * Where the port has an edge of memory, one buffer of each case in turn, if it has an alignment other than 0,
 * ends or starts there: kernels that read outside it fault.
 *
 * An output that overlaps an input is a state: before it holds the input, afterwards the output
 * above the rest.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdint.h>

/* ---- from the wrapper made for one kernel -------------------------------------------------------------- */

extern const uint32_t check_params_size;
extern const uint32_t check_argument_count;
void check_call(const void *params, void *const *arguments);

/* Where large arrays go; the build says it for boards. */
#ifdef DRIVER_POOL_SECTION
#define DRIVER_POOL __attribute__((aligned(16), section(DRIVER_POOL_SECTION)))
#else
#define DRIVER_POOL
#endif

/* ---- from the port: target or host ----------------------------------------------------------------------
 */

/* Guard bytes on each side of a buffer; 0 where the port's own buffers have guards. */
extern const uint32_t port_guard;

/* The next count words of the file. Ends the program if there are fewer. */
void port_read(uint32_t *words, uint32_t count);

/* Memory at an address that is misalignment above a multiple of 16, until port_release_all. */
uint8_t *port_allocate(uint32_t bytes, uint32_t misalignment);

/* Memory that can be touched, with nothing readable on either side; its bytes, 0 where there is none. */
uint8_t *port_island(uint32_t *bytes);
void port_release_all(void);

void port_print(const char *text);
void port_print_number(int32_t value);

/* Ticks of the instruction counter, 0 where there is none. */
uint64_t port_ticks(void);

/* Calls the kernel; gives the bytes of stack that it took, PORT_STACK_LIMIT if it may be more, 0 if unknown.
 */
#define PORT_STACK_LIMIT 2048
uint32_t port_measured_call(const void *params, void *const *arguments);

#endif
