#include "lib/tls/crypto.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "landline/error.h"

int tls_random(void *out, size_t n) {
    uint8_t *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno != EINTR)
            return LL_ETLS;
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
    return 0;
}

bool tls_equal(const void *a, const void *b, size_t n) {
    const volatile uint8_t *x = a, *y = b;
    uint8_t differ = 0;
    for (size_t i = 0; i < n; i++)
        differ |= x[i] ^ y[i];
    return differ == 0;
}

void tls_wipe(void *bytes, size_t n) {
    explicit_bzero(bytes, n);
}
