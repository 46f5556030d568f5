#include "landline/classic/size.h"

#include <string.h>

#include "lib/base/limits.h"

static bool can_grow(const struct size *size) {
    return !size->digits_over && size->digit_count < SIZE_DIGITS && (size->digit_count == 0 || size->digits[0] != '0');
}

size_t size_feed(struct size *size, const void *bytes, size_t n) {
    const char *at = bytes;
    size_t taken = 0;
    while (taken < n && can_grow(size)) {
        if (at[taken] < '0' || at[taken] > '9')
            size->digits_over = true;
        else
            size->digits[size->digit_count++] = at[taken++];
    }
    if (size->total == 0 && taken == n)
        size->hint = n;
    size->total += n;
    return taken;
}

static uint64_t number(const struct size *size, size_t length) {
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++)
        value = value * 10 + (uint64_t)(size->digits[i] - '0');
    return value;
}

enum size_verdict size_judge(const struct size *size, uint64_t *value, size_t *length) {
    size_t longest = size->digit_count;
    if (size->total == 0)
        return SIZE_MORE;
    if (longest == 0)
        return SIZE_WRONG;
    for (size_t i = longest; i > 0; i--) {
        *value = number(size, i);
        *length = i;
        if (*value + i == size->total)
            return i == longest && !can_grow(size) ? SIZE_COMPLETE : SIZE_IF_SILENT;
        if (i == longest && !can_grow(size) && size->total > *value + i)
            return SIZE_WRONG;
    }
    return SIZE_MORE;
}

int size_silence(const struct size *size, size_t length) {
    return length > 1 && length == size->hint ? LIMIT_CLASSIC_SILENCE_HINTED_MS : LIMIT_CLASSIC_SILENCE_MS;
}
