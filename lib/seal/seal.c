#include "lib/seal/seal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/os/ktls.h"
#include "lib/os/socket.h"

/* The key that the engine would seal with goes to the kernel. */
static int give_key(const struct tls_engine *engine, int fd) {
    struct tls_sending_key now;
    int r = tls_engine_sending_key(engine, &now);
    if (r != 0)
        return r;
    struct ktls_key key = {.sequence = now.sequence};
    memcpy(key.key, now.key, sizeof key.key);
    memcpy(key.iv, now.iv, sizeof key.iv);
    r = ktls_set_key(fd, &key);
    explicit_bzero(&key, sizeof key);
    explicit_bzero(&now, sizeof now);
    return r;
}

static void hand_over(struct seal *seal, struct tls_engine *engine, int fd) {
    seal->tried = true;
    if (!tls_engine_can_offload(engine) || ktls_begin(fd) != 0)
        return;
    if (give_key(engine, fd) == 0)
        tls_engine_offload(engine);
}

static ssize_t send_run(const struct tls_engine *engine, int fd, const uint8_t *bytes, size_t n) {
    uint8_t type = tls_engine_pending_type(engine);
    ssize_t sent;
    do
        sent = type != TLS_TYPE_DATA ? ktls_send_record(fd, type, bytes, n)
                                     : os_send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent == -EINTR);
    return sent;
}

ssize_t seal_send(struct seal *seal, struct tls_engine *engine, int fd) {
    const uint8_t *bytes;
    size_t n;
    tls_engine_pending(engine, &bytes, &n);
    ssize_t sent = n > 0 ? send_run(engine, fd, bytes, n) : 0;
    if (sent <= 0)
        return sent;
    tls_engine_sent(engine, (size_t)sent);
    if (tls_engine_key_changed(engine) && give_key(engine, fd) != 0)
        tls_engine_lose(engine, "the kernel cannot change the key of this connection");
    if (n >= SEAL_LARGE && !seal->tried)
        seal->bulk += (size_t)sent;
    if (seal->bulk >= SEAL_BULK && !seal->tried && tls_engine_pending_size(engine) == 0)
        hand_over(seal, engine, fd);
    return sent;
}

/* Makes the parts what is left of them after n bytes; returns how many of them are empty now. */
static int skip(struct iovec *parts, int count, size_t n) {
    int at = 0;
    for (; at < count && n >= parts[at].iov_len; at++)
        n -= parts[at].iov_len;
    if (at < count) {
        parts[at].iov_base = (uint8_t *)parts[at].iov_base + n;
        parts[at].iov_len -= n;
    }
    return at;
}

int seal_write(struct tls_engine *engine, int fd, struct iovec *parts, int count, size_t *sent) {
    *sent = 0;
    if (!tls_engine_may_pass(engine))
        return tls_engine_write(engine, parts, count);
    ssize_t n = ktls_send(fd, parts, (size_t)count);
    if (n == -EAGAIN || n == -EINTR)
        n = 0;
    if (n < 0)
        return (int)n;
    tls_engine_passed(engine, (size_t)n);
    *sent = (size_t)n;
    int done = skip(parts, count, (size_t)n);
    return done < count ? tls_engine_write(engine, parts + done, count - done) : 0;
}
