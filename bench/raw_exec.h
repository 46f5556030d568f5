/* What bench/raw_exec_server.c and bench/raw_exec_client.c say to each other: plain TCP, no security, no resume. */
#ifndef BENCH_RAW_EXEC_H
#define BENCH_RAW_EXEC_H

#include <stdint.h>

#include "bench/plain.h"

/* A request: this and `size` bytes of a command line for `sh -c`. An answer: this and `size` bytes of its output. */
struct raw_head {
    uint32_t id, size, status;
};

/* A request with this id: the command writes to the connection itself, until its end. */
enum { RAW_STREAM = 0x7fffffff, RAW_COMMAND = 4096, RAW_OUTPUT = 65536 };

#endif
