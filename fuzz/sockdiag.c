/* What the kernel says about sockets: any bytes as a batch of its answers. Each socket that is told has a family, the port
 * that was asked for and a name of its congestion control that ends; who wants no more is told no more.
 *
 * Two bytes for the port, one for how many sockets are wanted, then the batch. */
#include "lib/os/sockdiag.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENOUGH = 1 };

struct asked {
    uint16_t port;
    unsigned wanted, told;
};

static int take(void *context, const struct sockdiag_tcp *s) {
    struct asked *asked = context;
    if ((s->local.family != 4 && s->local.family != 6) || s->peer.family != s->local.family)
        abort();
    if (asked->port != 0 && s->local.port != asked->port && s->peer.port != asked->port)
        abort();
    if (memchr(s->congestion, '\0', sizeof s->congestion) == NULL || sockdiag_state(s->state)[0] == '\0')
        abort();
    return ++asked->told == asked->wanted ? ENOUGH : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    struct asked asked = {.port = reader_u16(&r), .wanted = reader_u8(&r)};
    struct sockdiag_walk walk = {.port = asked.port, .each = take, .context = &asked};
    if (r.failed)
        return 0;
    struct slice batch = reader_rest(&r);
    int code = sockdiag_take(&walk, batch.data, batch.size);
    bool enough = asked.wanted > 0 && asked.told == asked.wanted;
    if (enough != (code == ENOUGH) || (walk.over && code != 0) || (asked.wanted > 0 && asked.told > asked.wanted))
        abort();
    return 0;
}
