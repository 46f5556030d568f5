/* The server's folders: its key, grants and invites (config), its ledger, spools, audit log and address (state).
 *
 *   config/server/key        identity (lib/tls/identity.h)
 *   config/server/grants     grants.h     read by anyone who may, changed under the lock, replaced in one step
 *   config/server/invites    invites.h
 *   config/server/lock       between those who change them
 *   state/server/address     where the running server listens, one HOST:PORT a line
 *   state/server/audit.log   one JSON object a line
 *   state/server/runs/       ledger and spools
 *
 * Everything here blocks on the file system only. Errors come with their place in `info` (may be NULL). */
#ifndef LANDLINE_SERVER_STORE_H
#define LANDLINE_SERVER_STORE_H

#include "landline/proto/message.h"
#include "landline/server/grants.h"
#include "landline/server/invites.h"
#include "lib/os/paths.h"
#include "lib/tls/identity.h"

struct store {
    char config[PATHS_SIZE], state[PATHS_SIZE]; /* with the "/server" */
};

/* Finds the folders by lib/os/paths.h and makes what is missing. */
int store_open(struct store *store, struct ll_error_info *info);
/* The same beneath one given folder. */
int store_open_at(struct store *store, const char *folder, struct ll_error_info *info);

/* The key, made if there is none. *made (or NULL): there was none when this was called. */
int store_identity(const struct store *store, struct tls_identity **out, bool *made, struct ll_error_info *info);

/* A missing file is an empty list. Free the list, also after a failure. */
int store_grants(const struct store *store, struct grants *out, struct ll_error_info *info);

/* A change: begin locks and reads, commit writes what has changed, end unlocks and frees. */
struct store_change {
    const struct store *store;
    int lock;
    struct grants grants;
    struct invites invites;
};
int store_begin(struct store_change *change, const struct store *store, struct ll_error_info *info);
/* Invites first: a crash in between costs an invite and gives no key twice. */
int store_commit(struct store_change *change, struct ll_error_info *info);
void store_end(struct store_change *change);

/* Redeems an invite. 0, LL_EINVITE, LL_EINVITEEXPIRED, LL_EINVITEUSED, or what the
 * file system says. The key that used an invite may use it again: its answer got lost. */
int store_enrol(const struct store *store, const struct message_enrol *enrol, const struct tls_pin *server,
                const struct tls_pin *client, uint64_t unix_ms, struct ll_error_info *info);

/* The addresses of the running server, one a line: written by it, read by `invite`. */
int store_write_address(const struct store *store, const char *lines, struct ll_error_info *info);
int store_read_address(const struct store *store, struct buf *lines, struct ll_error_info *info);

#endif
