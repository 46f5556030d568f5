/* A client and a server session with nothing between them, and what came out of each as text. */
#ifndef TESTS_UNIT_PROTO_PAIR_H
#define TESTS_UNIT_PROTO_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "landline/proto/session.h"

#define SECOND INT64_C(1000000000)

static inline struct slice text_slice(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static inline struct session *make_client(bool enrol) {
    const struct session_client_config config = {
        .agent = text_slice("client/1"), .greeting_deadline = 10 * SECOND, .enrol = enrol};
    struct session *s = session_new_client(&config, 0);
    assert_non_null(s);
    return s;
}

static inline struct session *make_server(enum session_access access, uint32_t max_streams) {
    const struct session_server_config config = {
        .access = access,
        .verbs = 3,
        .unix_ms = 2000,
        .instance = "0123456789abcde",
        .max_streams = max_streams,
        .horizon_s = 77,
        .agent = text_slice("server/1"),
        .name = text_slice("box"),
        .greeting_deadline = 10 * SECOND,
    };
    struct session *s = session_new_server(&config, 0);
    assert_non_null(s);
    return s;
}

/* All that waits to be sent, appended. */
static inline void take_output(struct session *s, struct buf *to) {
    struct slice out = session_output(s);
    buf_add(to, out.data, out.size);
    session_sent(s, out.size);
    assert_int_equal(session_output(s).size, 0);
}

/* Feeds bytes; the last event of a kind is the caller's to look at by `want`: returns the code after all were taken, or
 * stops behind the first event of type `want` (0: none) with 1. */
static inline int feed(struct session *s, const void *bytes, size_t n, int64_t now, struct session_event *event,
                       int want) {
    const uint8_t *at = bytes;
    int e;
    do {
        size_t used = 0;
        e = session_next(s, at, n, now, &used, event);
        assert_true(used <= n);
        at += used;
        n -= used;
    } while (e == 1 && (int)event->type != want);
    if (e == 1)
        assert_int_equal(n, 0); /* what is wanted is the last */
    return e;
}

/* Everything from one to the other; the last event must be `want` (0: any or none). */
static inline void pass(struct session *from, struct session *to, int64_t now, struct session_event *event, int want) {
    static struct buf wire; /* the event's slices point into it */
    buf_free(&wire);
    buf_init(&wire, 64 << 20);
    take_output(from, &wire);
    assert_int_equal(wire.failed, 0);
    assert_int_equal(feed(to, wire.data, buf_size(&wire), now, event, want), want != 0);
}

/* Both sides greeted. */
static inline void greet(struct session *client, struct session *server) {
    struct session_event event;
    pass(client, server, 0, &event, MESSAGE_HELLO);
    pass(server, client, 0, &event, MESSAGE_WELCOME);
}

static inline uint32_t open_stream(struct session *client, struct session *server, uint8_t flags) {
    struct session_event event;
    int64_t stream = session_open(client, flags, text_slice("run"), text_slice("request"), SESSION_BULK);
    assert_true(stream > 0);
    pass(client, server, 0, &event, MESSAGE_OPEN);
    assert_int_equal(event.stream, stream);
    return (uint32_t)stream;
}

static inline void answer_stream(struct session *client, struct session *server, uint32_t stream) {
    struct session_event event;
    const struct session_start start = {.window0 = 65536};
    assert_int_equal(session_opened(server, stream, &start, text_slice("response")), 0);
    pass(server, client, 0, &event, MESSAGE_OPENED);
}

/* One frame, appended. */
static inline void put_frame(struct buf *b, uint8_t type, uint8_t channel, uint32_t stream, const void *payload,
                             size_t n) {
    size_t mark = message_begin(b, type, channel, stream);
    buf_add(b, payload, n);
    message_finish(b, mark);
}

#endif
