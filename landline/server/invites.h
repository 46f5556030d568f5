/* Invites: tokens that enrol one key each, one record each in the file `invites`. The token itself is never kept, only
 * what PROTOCOL 5.1 needs to check the proof. */
#ifndef LANDLINE_SERVER_INVITES_H
#define LANDLINE_SERVER_INVITES_H

#include "landline/proto/invite.h"
#include "landline/server/terms_record.h"
#include "lib/tls/pin.h"

enum { INVITATION_KEY = 32 };

/* The server's side of an invite. */
struct invitation {
    struct terms terms; /* first: see TERMS_WORDS */
    uint8_t id[INVITE_TOKEN_ID];
    uint8_t key[INVITATION_KEY];
    uint64_t expires; /* unix_ms */
    bool used;
    struct tls_pin by; /* where used */
};

struct invites {
    struct invitation *list;
    size_t count;
};

void invites_free(struct invites *invites);
int invites_parse(struct invites *invites, const char *name, const void *text, size_t n, struct ll_error_info *info);
void invites_write(struct buf *out, const struct invites *invites);
struct invitation *invites_find(const struct invites *invites, const uint8_t id[INVITE_TOKEN_ID]);
/* A new record for a token, its terms empty. NULL: no memory, LIMIT_INVITES, or no crypto. */
struct invitation *invites_add(struct invites *invites, const uint8_t token[INVITE_TOKEN], uint64_t expires);
/* Drops records that expired more than LIMIT_INVITE_MEMORY ago. */
void invites_prune(struct invites *invites, uint64_t unix_ms);

/* Whether `proof` ties the invite's token to these two keys (PROTOCOL 5.1). */
bool invitation_proves(const struct invitation *invite, const struct tls_pin *server, const struct tls_pin *client,
                       const uint8_t proof[32]);

#endif
