/* Contents that go to a descriptor that cannot be rewound, though there may be several attempts. */
#include <errno.h>
#include <unistd.h>

#include "landline/transfer/sink_state.h"

void sink_stream_begin(struct sink_stream *t) {
    t->passed = 0;
    XXH64_reset(&t->again, 0);
    if (t->written == 0)
        XXH64_reset(&t->out, 0);
}

bool sink_stream_is_whole(const struct sink_stream *t) {
    return t->passed == t->written && !t->differs;
}

/* What an earlier attempt has written is compared with what comes in its place: how much of n bytes that is, or -ESTALE. */
static ssize_t pass(struct sink_stream *t, const void *bytes, size_t n) {
    n = t->written - t->passed < n ? (size_t)(t->written - t->passed) : n;
    if (n == 0)
        return 0;
    XXH64_update(&t->again, bytes, n);
    t->passed += n;
    t->differs = t->passed == t->written && XXH64_digest(&t->again) != XXH64_digest(&t->out);
    return t->differs ? -ESTALE : (ssize_t)n;
}

int sink_stream_write(struct sink_stream *t, int fd, const void *bytes, size_t n) {
    const char *next = bytes;
    ssize_t done = t->differs ? -ESTALE : pass(t, bytes, n);
    if (done < 0)
        return (int)done;
    for (next += done, n -= (size_t)done; n > 0; next += done, n -= (size_t)done) {
        done = write(fd, next, n);
        if (done < 0 && errno != EINTR)
            return -errno;
        done = done > 0 ? done : 0;
        XXH64_update(&t->out, next, (size_t)done);
        t->written += (uint64_t)done;
        t->passed += (uint64_t)done;
    }
    return 0;
}
