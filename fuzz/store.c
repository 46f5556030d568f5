/* The text files: any bytes as grants, invites and hosts. What is taken is written, taken again, and written the same.
 *
 * The first byte, modulo 3, says which. */
#include <stdlib.h>
#include <string.h>

#include "landline/client/hosts.h"
#include "landline/server/grants.h"
#include "landline/server/invites.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_same(const struct buf *one, const struct buf *two) {
    if (one->failed != 0 || two->failed != 0 || buf_size(one) != buf_size(two) ||
        (buf_size(one) > 0 && memcmp(buf_front(one), buf_front(two), buf_size(one)) != 0))
        abort();
}

static void as_grants(const void *text, size_t n, struct buf *one, struct buf *two) {
    struct grants first = {0}, again = {0};
    struct ll_error_info info = {0};
    if (grants_parse(&first, "grants", text, n, &info) == 0) {
        grants_write(one, &first);
        if (grants_parse(&again, "grants", buf_front(one), buf_size(one), NULL) != 0 || first.count != again.count)
            abort();
        grants_write(two, &again);
        must_be_same(one, two);
    }
    grants_free(&first);
    grants_free(&again);
}

static void as_invites(const void *text, size_t n, struct buf *one, struct buf *two) {
    struct invites first = {0}, again = {0};
    struct ll_error_info info = {0};
    if (invites_parse(&first, "invites", text, n, &info) == 0) {
        invites_write(one, &first);
        if (invites_parse(&again, "invites", buf_front(one), buf_size(one), NULL) != 0 || first.count != again.count)
            abort();
        invites_write(two, &again);
        must_be_same(one, two);
        invites_prune(&first, UINT64_MAX);
    }
    invites_free(&first);
    invites_free(&again);
}

static void as_hosts(const void *text, size_t n, struct buf *one, struct buf *two) {
    struct hosts first = {0}, again = {0};
    struct ll_error_info info = {0};
    if (hosts_parse(&first, "hosts", text, n, &info) == 0) {
        hosts_write(one, &first);
        if (hosts_parse(&again, "hosts", buf_front(one), buf_size(one), NULL) != 0 || first.count != again.count)
            abort();
        hosts_write(two, &again);
        must_be_same(one, two);
    }
    hosts_free(&first);
    hosts_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const kinds[])(const void *, size_t, struct buf *, struct buf *) = {as_grants, as_invites, as_hosts};
    struct buf one, two;
    if (size == 0)
        return 0;
    buf_init(&one, 16 << 20);
    buf_init(&two, 16 << 20);
    kinds[data[0] % 3](data + 1, size - 1, &one, &two);
    buf_free(&one);
    buf_free(&two);
    return 0;
}
