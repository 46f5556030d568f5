/* File data on its way out: as it is, or compressed where that is wanted and pays. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "landline/error.h"
#include "landline/transfer/source_state.h"
#include "lib/os/clock.h"

enum {
    LEVEL = 1, /* of zstd: the fastest of its usual ones */
    WORTH_TRYING = 4096,
    TRY_AGAIN = 64, /* pieces sent plain before AUTO measures anew */
};

static int send_plain(struct source *s, uint64_t offset, const char *bytes, size_t n) {
    uint64_t front = htobe64(offset);
    return transfer_io_send(s->io, TREE_DATA, (struct slice){(const uint8_t *)&front, sizeof front},
                            (struct slice){(const uint8_t *)bytes, n});
}

static int prepare(struct source *s) {
    if (s->pack.context != NULL)
        return 0;
    s->pack.capacity = ZSTD_compressBound(TREE_PIECE);
    s->pack.out = malloc(s->pack.capacity);
    s->pack.context = ZSTD_createCCtx();
    return s->pack.out == NULL || s->pack.context == NULL ? -ENOMEM : 0;
}

/* Whether compressing has been worth it: the time it takes and the time that what is left of the bytes takes on the line, against
 * the time that all of them would take there. */
static bool pays(const struct source *s) {
    if (s->pack.ratio == 0 || s->io->write_bytes == 0)
        return true;
    double line = (double)s->io->write_ns / (double)s->io->write_bytes;
    if (s->io->rate != 0 && line < 1e9 / (double)s->io->rate)
        line = 1e9 / (double)s->io->rate;
    return s->pack.ns_per_byte + s->pack.ratio * line < line;
}

int source_pack(struct source *s, uint64_t offset, const char *bytes, size_t n) {
    bool automatic = s->options->compress == TREE_AUTO;
    if (s->options->compress == TREE_PLAIN || n < WORTH_TRYING)
        return send_plain(s, offset, bytes, n);
    if (automatic && !pays(s) && s->pack.skipped++ % TRY_AGAIN != TRY_AGAIN - 1)
        return send_plain(s, offset, bytes, n);
    int e = prepare(s);
    if (e != 0)
        return e;
    int64_t before = clock_now();
    size_t packed = ZSTD_compressCCtx(s->pack.context, s->pack.out, s->pack.capacity, bytes, n, LEVEL);
    if (ZSTD_isError(packed) || packed >= n) {
        s->pack.ratio = 1;
        return send_plain(s, offset, bytes, n);
    }
    s->pack.ns_per_byte = (double)(clock_now() - before) / (double)n;
    s->pack.ratio = (double)packed / (double)n;
    struct {
        uint64_t offset;
        uint32_t size;
    } __attribute__((packed)) front = {htobe64(offset), htobe32((uint32_t)n)};
    return transfer_io_send(s->io, TREE_PACKED, (struct slice){(const uint8_t *)&front, sizeof front},
                            (struct slice){(const uint8_t *)s->pack.out, packed});
}

void source_pack_free(struct source *s) {
    ZSTD_freeCCtx(s->pack.context);
    free(s->pack.out);
}
