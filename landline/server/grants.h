/* Grants: the keys that may come in, one record each in the file `grants`. A revoked one stays, so that its client can be
 * told so. */
#ifndef LANDLINE_SERVER_GRANTS_H
#define LANDLINE_SERVER_GRANTS_H

#include "landline/server/terms_record.h"
#include "lib/tls/pin.h"

enum { GRANT_LABEL = 64 }; /* bytes, with the NUL */

struct grant {
    struct terms terms; /* first: see TERMS_WORDS */
    struct tls_pin pin;
    char label[GRANT_LABEL]; /* what the client calls itself, made unique */
    uint64_t created;        /* unix_ms */
    bool revoked;
};

struct grants {
    struct grant *list;
    size_t count;
};

void grants_free(struct grants *grants);
int grants_parse(struct grants *grants, const char *name, const void *text, size_t n, struct ll_error_info *info);
void grants_write(struct buf *out, const struct grants *grants);

/* A grant for a new key, or the record of a key that had one (its terms freed, revoked no more); the label is made
 * printable and, with a number behind it, unlike all others. Its terms are empty. NULL: no memory, or LIMIT_GRANTS. */
struct grant *grants_add(struct grants *grants, const struct tls_pin *pin, const void *label, size_t n);
struct grant *grants_find(const struct grants *grants, const struct tls_pin *pin);
/* By label or by "SHA256:…". */
struct grant *grants_find_name(const struct grants *grants, const char *name);

#endif
