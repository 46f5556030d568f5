#include "landline/server/store.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/os/whole.h"

static int make_folders(struct store *store, struct ll_error_info *info) {
    char runs[PATHS_SIZE];
    int e = paths_join(store->config, store->config, "server");
    if (e == 0)
        e = paths_join(store->state, store->state, "server");
    if (e == 0)
        e = paths_join(runs, store->state, "runs");
    if (e != 0)
        return error_at(info, e, "open", store->config);
    e = paths_make(store->config, info);
    return e == 0 ? paths_make(runs, info) : e;
}

int store_open(struct store *store, struct ll_error_info *info) {
    int e = paths_folder(PATHS_CONFIG, store->config);
    if (e == 0)
        e = paths_folder(PATHS_STATE, store->state);
    return e != 0 ? error_at(info, e, "find", "the server's folder (set HOME or LANDLINE_HOME)")
                  : make_folders(store, info);
}

int store_open_at(struct store *store, const char *folder, struct ll_error_info *info) {
    if (strlen(folder) >= sizeof store->config)
        return error_at(info, LL_ELIMIT, "open", folder);
    memcpy(store->config, folder, strlen(folder) + 1);
    memcpy(store->state, folder, strlen(folder) + 1);
    return make_folders(store, info);
}

int store_identity(const struct store *store, struct tls_identity **out, bool *made, struct ll_error_info *info) {
    char path[PATHS_SIZE];
    int e = paths_join(path, store->config, "key");
    if (made != NULL)
        *made = e == 0 && access(path, F_OK) != 0 && errno == ENOENT;
    return e != 0 ? error_at(info, e, "open", store->config) : tls_identity_open(out, path, info);
}

typedef int parse_fn(void *list, const char *name, const void *text, size_t n, struct ll_error_info *info);

static int parse_grants(void *list, const char *name, const void *text, size_t n, struct ll_error_info *info) {
    return grants_parse(list, name, text, n, info);
}

static int parse_invites(void *list, const char *name, const void *text, size_t n, struct ll_error_info *info) {
    return invites_parse(list, name, text, n, info);
}

static int load(const char *folder, const char *name, parse_fn *parse, void *list, struct ll_error_info *info) {
    char path[PATHS_SIZE];
    int e = paths_join(path, folder, name);
    if (e != 0)
        return error_at(info, e, "open", folder);
    struct buf text;
    buf_init(&text, LIMIT_STORE_FILE);
    e = whole_read(path, &text, info);
    if (e == 0)
        e = parse(list, path, buf_front(&text), buf_size(&text), info);
    buf_free(&text);
    return e == -ENOENT ? 0 : e;
}

int store_grants(const struct store *store, struct grants *out, struct ll_error_info *info) {
    *out = (struct grants){0};
    return load(store->config, "grants", parse_grants, out, info);
}

int store_begin(struct store_change *change, const struct store *store, struct ll_error_info *info) {
    *change = (struct store_change){.store = store, .lock = -1};
    char path[PATHS_SIZE];
    int e = paths_join(path, store->config, "lock");
    if (e != 0)
        return error_at(info, e, "open", store->config);
    change->lock = whole_lock(path, info);
    e = change->lock < 0 ? change->lock : load(store->config, "grants", parse_grants, &change->grants, info);
    if (e == 0)
        e = load(store->config, "invites", parse_invites, &change->invites, info);
    if (e != 0)
        store_end(change);
    return e;
}

static int save(const struct store *store, const char *name, struct buf *text, struct ll_error_info *info) {
    char path[PATHS_SIZE];
    int e = text->failed != 0 ? text->failed : paths_join(path, store->config, name);
    e = e != 0 ? error_at(info, e, "write", name) : whole_replace(path, buf_front(text), buf_size(text), 0600, info);
    buf_free(text);
    return e;
}

int store_commit(struct store_change *change, struct ll_error_info *info) {
    struct buf text;
    buf_init(&text, LIMIT_STORE_FILE);
    invites_write(&text, &change->invites);
    int e = save(change->store, "invites", &text, info);
    if (e != 0)
        return e;
    grants_write(&text, &change->grants);
    return save(change->store, "grants", &text, info);
}

void store_end(struct store_change *change) {
    grants_free(&change->grants);
    invites_free(&change->invites);
    if (change->lock >= 0)
        close(change->lock);
    change->lock = -1;
}

static int redeem(struct store_change *change, const struct message_enrol *enrol, const struct tls_pin *server,
                  const struct tls_pin *client, uint64_t unix_ms) {
    struct invitation *invite = invites_find(&change->invites, enrol->token_id);
    if (invite == NULL || !invitation_proves(invite, server, client, enrol->proof))
        return LL_EINVITE;
    if (invite->used)
        return tls_pin_equal(&invite->by, client) ? -EALREADY : LL_EINVITEUSED;
    if (invite->expires <= unix_ms)
        return LL_EINVITEEXPIRED;
    struct grant *grant = grants_add(&change->grants, client, enrol->name.data, enrol->name.size);
    if (grant == NULL)
        return LL_ELIMIT;
    grant->created = unix_ms;
    invite->used = true;
    invite->by = *client;
    return terms_copy(&grant->terms, &invite->terms);
}

int store_enrol(const struct store *store, const struct message_enrol *enrol, const struct tls_pin *server,
                const struct tls_pin *client, uint64_t unix_ms, struct ll_error_info *info) {
    struct store_change change;
    int e = store_begin(&change, store, info);
    if (e != 0)
        return e;
    e = redeem(&change, enrol, server, client, unix_ms);
    if (e == 0)
        e = store_commit(&change, info);
    else if (e == -EALREADY)
        e = grants_find(&change.grants, client) != NULL && !grants_find(&change.grants, client)->revoked
                ? 0
                : LL_EINVITEUSED;
    else
        error_at(info, e, "enrol", "");
    store_end(&change);
    return e;
}

int store_write_address(const struct store *store, const char *lines, struct ll_error_info *info) {
    char path[PATHS_SIZE];
    int e = paths_join(path, store->state, "address");
    return e != 0 ? error_at(info, e, "write", store->state) : whole_replace(path, lines, strlen(lines), 0600, info);
}

int store_read_address(const struct store *store, struct buf *lines, struct ll_error_info *info) {
    char path[PATHS_SIZE];
    int e = paths_join(path, store->state, "address");
    return e != 0 ? error_at(info, e, "read", store->state) : whole_read(path, lines, info);
}
