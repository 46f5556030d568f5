/* The streams of a session: a table by number. Numbers go up, so a mask spreads them evenly, and chains that descend let
 * session_each() go on where a stream has gone. */
#include "landline/proto/session_state.h"

#include <stdlib.h>

enum { FEWEST = 8 };

static struct session_stream **bucket_of(const struct session *s, uint32_t number) {
    return &s->buckets[number & (s->bucket_count - 1)];
}

struct session_stream *session_streams_find(const struct session *s, uint32_t number) {
    if (s->bucket_count == 0)
        return NULL;
    struct session_stream *at = *bucket_of(s, number);
    while (at != NULL && at->number != number)
        at = at->next;
    return at;
}

static void insert(struct session *s, struct session_stream *stream) {
    struct session_stream **at = bucket_of(s, stream->number);
    while (*at != NULL && (*at)->number > stream->number)
        at = &(*at)->next;
    stream->next = *at;
    *at = stream;
}

static int grow(struct session *s) {
    uint32_t old_count = s->bucket_count, count = old_count == 0 ? FEWEST : old_count * 2;
    struct session_stream **old = s->buckets, **buckets = calloc(count, sizeof(struct session_stream *));
    if (buckets == NULL)
        return -1;
    s->buckets = buckets;
    s->bucket_count = count;
    for (uint32_t i = 0; i < old_count; i++)
        for (struct session_stream *at = old[i], *next; at != NULL; at = next) {
            next = at->next;
            insert(s, at);
        }
    free(old);
    return 0;
}

struct session_stream *session_streams_add(struct session *s, uint32_t number) {
    if (s->stream_count >= s->bucket_count && grow(s) < 0)
        return NULL;
    struct session_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->number = number;
    insert(s, stream);
    s->stream_count++;
    if (number > s->highest)
        s->highest = number;
    return stream;
}

void session_streams_remove(struct session *s, struct session_stream *stream) {
    struct session_stream **at = bucket_of(s, stream->number);
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    session_flow_forget(stream);
    free(stream);
    s->stream_count--;
    if (s->stream_count == 0 && s->bucket_count > FEWEST) {
        free(s->buckets);
        s->buckets = NULL;
        s->bucket_count = 0;
    }
}

void session_streams_free(struct session *s) {
    for (uint32_t i = 0; i < s->bucket_count; i++)
        for (struct session_stream *at = s->buckets[i], *next; at != NULL; at = next) {
            next = at->next;
            free(at);
        }
    free(s->buckets);
    s->buckets = NULL;
    s->bucket_count = s->stream_count = 0;
    s->due = s->waiting = NULL;
}

uint32_t session_each(const struct session *s, uint32_t number) {
    uint32_t i = 0;
    if (s->bucket_count > 0 && number > 0) {
        i = number & (s->bucket_count - 1);
        for (struct session_stream *at = s->buckets[i++]; at != NULL; at = at->next)
            if (at->number < number)
                return at->number;
    }
    for (; i < s->bucket_count; i++)
        if (s->buckets[i] != NULL)
            return s->buckets[i]->number;
    return 0;
}

void session_set_tag(struct session *s, uint32_t number, void *tag) {
    struct session_stream *stream = session_streams_find(s, number);
    if (stream != NULL)
        stream->tag = tag;
}

void *session_tag(const struct session *s, uint32_t number) {
    struct session_stream *stream = session_streams_find(s, number);
    return stream != NULL ? stream->tag : NULL;
}

uint32_t session_streams(const struct session *s) {
    return s->stream_count;
}

uint32_t session_max_streams(const struct session *s) {
    return s->max_streams;
}
