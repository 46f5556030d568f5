#include "lib/base/ascii.h"

#include <string.h>

/* Sixteen at a time, where the machine can (both compilers make plain code of it where it cannot). */
typedef unsigned char sixteen __attribute__((vector_size(16)));
typedef signed char sixteen_signed __attribute__((vector_size(16)));

/* Moved so that 'a' becomes the least signed value, the letters are those below the least + 26: one comparison, which
 * gives all ones for a letter; its upper case is 0x20 lower. */
static sixteen upper_sixteen(sixteen x) {
    sixteen_signed moved = (sixteen_signed)(x - (unsigned char)('a' + 128));
    sixteen letter = (sixteen)(moved < (signed char)(-128 + 26));
    return x - (letter & ('a' - 'A'));
}

void ascii_upper(unsigned char *bytes, size_t n) {
    sixteen some;
    for (; n >= sizeof some; bytes += sizeof some, n -= sizeof some) {
        memcpy(&some, bytes, sizeof some);
        some = upper_sixteen(some);
        memcpy(bytes, &some, sizeof some);
    }
    for (; n > 0; bytes++, n--)
        if (*bytes >= 'a' && *bytes <= 'z')
            *bytes = (unsigned char)(*bytes - 'a' + 'A');
}
