/* What every kind of stream must do, run over each of them: include this, fill a `struct stream_maker` per kind, and
 * hand it to stream_suite(). */
#ifndef TESTS_UNIT_NET_STREAM_SUITE_H
#define TESTS_UNIT_NET_STREAM_SUITE_H

#include "landline/stream.h"

struct stream_maker {
    const char *name;
    /* Makes two connected ends; each direction holds at least 16 bytes and at most 4 MiB. */
    void (*make)(ll_stream **a, ll_stream **b);
    /* NULL, or what moves bytes between two ends that do not do so by themselves. */
    void (*pump)(ll_stream *a, ll_stream *b);
    int half_close; /* 0: ll_stream_shutdown_write is LL_ENOTSUP */
    int fileno;     /* 1: has a descriptor */
};

/* Runs all of it; returns the number of failures, as cmocka does. */
int stream_suite(const struct stream_maker *maker);

#endif
