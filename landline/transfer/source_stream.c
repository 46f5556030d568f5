/* Contents that come from a descriptor that cannot be rewound, though there may be several attempts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/transfer/source_state.h"

/* Copies between the ring and `bytes`, from where `at` lies in it. */
static void copy(struct source_stream *t, uint64_t at, char *to, const char *from, size_t n) {
    for (size_t piece; n > 0; n -= piece, at += piece) {
        size_t place = (size_t)(at % t->keeps), room = t->keeps - place;
        piece = n < room ? n : room;
        if (to != NULL) {
            memcpy(to, t->kept + place, piece);
            to += piece;
        } else {
            memcpy(t->kept + place, from, piece);
            from += piece;
        }
    }
}

static ssize_t read_again(struct source_stream *t, uint64_t at, void *bytes, size_t n) {
    if (t->kept == NULL || t->taken - at > t->keeps)
        return -ESPIPE;
    n = t->taken - at < n ? (size_t)(t->taken - at) : n;
    copy(t, at, bytes, NULL, n);
    return (ssize_t)n;
}

ssize_t source_stream_read(struct source_stream *t, uint64_t at, void *bytes, size_t n) {
    if (at > t->taken)
        return -ESPIPE;
    if (at < t->taken)
        return read_again(t, at, bytes, n);
    if (t->ended)
        return 0;
    if (t->kept == NULL && (t->kept = malloc(t->keeps)) == NULL)
        return -ENOMEM;
    ssize_t got = read(t->fd, bytes, n < t->keeps ? n : t->keeps);
    if (got < 0)
        return -errno;
    t->ended = got == 0;
    copy(t, t->taken, NULL, bytes, (size_t)got);
    t->taken += (uint64_t)got;
    return got;
}

void source_stream_free(struct source_stream *t) {
    free(t->kept);
    t->kept = NULL;
}
