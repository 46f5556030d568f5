#include "lib/os/random.h"

#include <errno.h>
#include <sys/random.h>

int random_bytes(void *out, size_t n) {
    for (size_t got = 0; got < n;) {
        ssize_t more = getrandom((uint8_t *)out + got, n - got, 0);
        if (more < 0 && errno != EINTR)
            return -errno;
        if (more > 0)
            got += (size_t)more;
    }
    return 0;
}

uint64_t random_below(uint64_t below) {
    uint64_t value = 0;
    if (random_bytes(&value, sizeof value) != 0)
        return 0;
    return (uint64_t)(((unsigned __int128)value * below) >> 64);
}
