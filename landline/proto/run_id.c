#include "landline/proto/run.h"

#include <string.h>

#include "landline/error.h"

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567"; /* RFC 4648 */

struct run_id run_id_make(uint64_t unix_ms, const uint8_t random[RUN_ID_RANDOM]) {
    struct run_id id;
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(unix_ms >> (8 * (5 - i)));
    memcpy(id.bytes + 6, random, RUN_ID_RANDOM);
    return id;
}

uint64_t run_id_birth(const struct run_id *id) {
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id->bytes[i];
    return ms;
}

bool run_id_equal(const struct run_id *a, const struct run_id *b) {
    return memcmp(a->bytes, b->bytes, RUN_ID_SIZE) == 0;
}

bool run_id_is_zero(const struct run_id *id) {
    static const struct run_id zero;
    return run_id_equal(id, &zero);
}

void run_id_print(const struct run_id *id, char out[RUN_ID_TEXT + 1]) {
    for (unsigned i = 0; i < RUN_ID_TEXT; i++) {
        unsigned bit = i * 5, at = bit / 8, shift = bit % 8;
        unsigned pair = (unsigned)id->bytes[at] << 8 | (at + 1 < RUN_ID_SIZE ? id->bytes[at + 1] : 0);
        out[i] = alphabet[pair >> (11 - shift) & 31];
    }
    out[RUN_ID_TEXT] = 0;
}

static int digit(char c) {
    if (c >= 'A' && c <= 'Z')
        c = (char)(c - 'A' + 'a');
    const char *at = c != 0 ? strchr(alphabet, c) : NULL;
    return at != NULL ? (int)(at - alphabet) : -1;
}

int run_id_parse(const char *text, struct run_id *id) {
    if (strlen(text) != RUN_ID_TEXT)
        return LL_EFORMAT;
    uint32_t bits = 0;
    unsigned have = 0, at = 0;
    for (int i = 0; i < RUN_ID_TEXT; i++) {
        int d = digit(text[i]);
        if (d < 0)
            return LL_EFORMAT;
        bits = bits << 5 | (uint32_t)d;
        have += 5;
        if (have >= 8) {
            have -= 8;
            id->bytes[at++] = (uint8_t)(bits >> have);
        }
    }
    return (bits & 3) == 0 ? 0 : LL_EFORMAT; /* 130 bits for 128: the last two are 0 */
}

void run_id_put(struct buf *b, const struct run_id *id) {
    buf_add(b, id->bytes, RUN_ID_SIZE);
}

int run_id_get(struct slice payload, struct run_id *id) {
    if (payload.size != RUN_ID_SIZE)
        return LL_EFORMAT;
    memcpy(id->bytes, payload.data, RUN_ID_SIZE);
    return 0;
}
