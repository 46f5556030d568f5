#include "lib/base/number.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "landline/error.h"

struct unit {
    const char *name;
    uint64_t value;
};

static const uint64_t NANO = 1000000000;

#define SECONDS(n) ((n)*1000000000ULL)

static const struct unit durations[] = {
    {"ns", 1},          {"us", 1000},         {"ms", 1000000},      {"s", SECONDS(1)},
    {"m", SECONDS(60)}, {"min", SECONDS(60)}, {"h", SECONDS(3600)}, {"d", SECONDS(86400)},
    {NULL, 0},
};

static const struct unit sizes[] = {
    {"", 1},
    {"B", 1},
    {"k", 1ULL << 10},
    {"K", 1ULL << 10},
    {"M", 1ULL << 20},
    {"G", 1ULL << 30},
    {"T", 1ULL << 40},
    {"KiB", 1ULL << 10},
    {"MiB", 1ULL << 20},
    {"GiB", 1ULL << 30},
    {"TiB", 1ULL << 40},
    {"kB", 1000ULL},
    {"KB", 1000ULL},
    {"MB", 1000000ULL},
    {"GB", 1000000000ULL},
    {"TB", 1000000000000ULL},
    {NULL, 0},
};

static const struct unit bits[] = {
    {"bit", 1}, {"kbit", 1000}, {"Mbit", 1000000}, {"Gbit", 1000000000}, {NULL, 0},
};

/* A decimal number with at most nine digits after the point, in billionths; moves *at behind it. */
struct decimal {
    uint64_t whole, billionths;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static int read_digits(const char **at, uint64_t *out) {
    uint64_t value = 0;
    if (!is_digit(**at))
        return LL_EFORMAT;
    for (; is_digit(**at); (*at)++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
            return -ERANGE;
    *out = value;
    return 0;
}

static int read_decimal(const char **at, struct decimal *out) {
    int error = read_digits(at, &out->whole);
    out->billionths = 0;
    if (error != 0 || **at != '.')
        return error;
    (*at)++;
    if (!is_digit(**at))
        return LL_EFORMAT;
    for (uint64_t place = NANO / 10; is_digit(**at); (*at)++, place /= 10)
        out->billionths += place * (uint64_t)(**at - '0');
    return 0;
}

static int scale(const struct decimal *number, uint64_t unit, uint64_t *out) {
    uint64_t whole;
    if (__builtin_mul_overflow(number->whole, unit, &whole))
        return -ERANGE;
    uint64_t part = (uint64_t)((unsigned __int128)number->billionths * unit / NANO);
    return __builtin_add_overflow(whole, part, out) ? -ERANGE : 0;
}

static const struct unit *find_unit(const struct unit *units, const char *name, size_t length) {
    for (; units->name != NULL; units++)
        if (strlen(units->name) == length && memcmp(units->name, name, length) == 0)
            return units;
    return NULL;
}

int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    uint64_t value;
    int error = read_digits(&text, &value);
    if (error != 0)
        return error;
    if (*text != '\0')
        return LL_EFORMAT;
    if (value < min || value > max)
        return -ERANGE;
    *out = value;
    return 0;
}

int number_parse_octal(const char *text, unsigned max, unsigned *out) {
    unsigned value = 0;
    if (*text == '\0')
        return LL_EFORMAT;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '7')
            return LL_EFORMAT;
        value = value * 8 + (unsigned)(*text - '0');
        if (value > max)
            return -ERANGE;
    }
    *out = value;
    return 0;
}

int number_parse_duration(const char *text, int64_t *out) {
    uint64_t sum = 0;
    bool first = true;
    do {
        struct decimal number;
        int error = read_decimal(&text, &number);
        if (error != 0)
            return error;
        size_t length = 0;
        while (text[length] != '\0' && !is_digit(text[length]))
            length++;
        const struct unit *unit =
            length == 0 && first ? &(struct unit){"s", SECONDS(1)} : find_unit(durations, text, length);
        uint64_t part;
        if (unit == NULL)
            return LL_EFORMAT;
        if (scale(&number, unit->value, &part) != 0 || __builtin_add_overflow(sum, part, &sum) || sum > INT64_MAX)
            return -ERANGE;
        text += length;
        first = false;
    } while (*text != '\0');
    *out = (int64_t)sum;
    return 0;
}

static int parse_with_unit(const struct unit *units, const char *text, size_t length, uint64_t *out) {
    struct decimal number;
    const char *at = text;
    int error = read_decimal(&at, &number);
    if (error != 0)
        return error;
    /* What ends the text is no part of a number, so `at` is not behind it. */
    const struct unit *unit = find_unit(units, at, (size_t)(text + length - at));
    return unit == NULL ? LL_EFORMAT : scale(&number, unit->value, out);
}

int number_parse_size(const char *text, uint64_t *out) {
    return parse_with_unit(sizes, text, strlen(text), out);
}

int number_parse_rate(const char *text, uint64_t *out) {
    size_t length = strlen(text);
    if (length >= 2 && strcmp(text + length - 2, "/s") == 0)
        length -= 2;
    uint64_t in_bits;
    int error = parse_with_unit(bits, text, length, &in_bits);
    if (error != 0)
        return parse_with_unit(sizes, text, length, out);
    *out = in_bits / 8;
    return 0;
}

const char *number_format_duration(char *out, size_t size, int64_t ns) {
    int64_t s = ns / (int64_t)NANO;
    if (s < 1)
        snprintf(out, size, "%d ms", (int)(ns / 1000000));
    else if (s < 60)
        snprintf(out, size, "%d.%02d s", (int)s, (int)(ns / 10000000 % 100));
    else if (s < 3600)
        snprintf(out, size, "%d min %02d s", (int)(s / 60), (int)(s % 60));
    else if (s < 86400)
        snprintf(out, size, "%d h %02d min", (int)(s / 3600), (int)(s / 60 % 60));
    else
        snprintf(out, size, "%d d %02d h", (int)(s / 86400), (int)(s / 3600 % 24));
    return out;
}

const char *number_format_size(char *out, size_t size, uint64_t bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(out, size, "%u B", (unsigned)bytes);
        return out;
    }
    size_t unit = 0;
    uint64_t tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
    for (; tenths >= 10240 && unit + 1 < sizeof units / sizeof *units; unit++)
        tenths /= 1024;
    snprintf(out, size, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10), units[unit]);
    return out;
}
