#include "lib/base/ascii.h"

#include <stdint.h>
#include <string.h>

#define EACH_BYTE(x) ((uint64_t)0x0101010101010101 * (x))

/* Eight at a time. With the high bit of each byte set aside no sum carries into the next: adding 0x80 - 'a' raises it
 * for what is 'a' or more, 0x7f - 'z' for what is more than 'z'; a letter has the one and not the other, and its
 * upper case is 0x20 lower. */
static uint64_t upper_eight(uint64_t x) {
    uint64_t low = x & EACH_BYTE(0x7f);
    uint64_t from_a = low + EACH_BYTE(0x80 - 'a');
    uint64_t above_z = low + EACH_BYTE(0x7f - 'z');
    uint64_t letter = (from_a ^ above_z) & ~x & EACH_BYTE(0x80);
    return x - (letter >> 2);
}

void ascii_upper(unsigned char *bytes, size_t n) {
    uint64_t eight;
    for (; n >= sizeof eight; bytes += sizeof eight, n -= sizeof eight) {
        memcpy(&eight, bytes, sizeof eight);
        eight = upper_eight(eight);
        memcpy(bytes, &eight, sizeof eight);
    }
    for (; n > 0; bytes++, n--)
        if (*bytes >= 'a' && *bytes <= 'z')
            *bytes = (unsigned char)(*bytes - 'a' + 'A');
}
