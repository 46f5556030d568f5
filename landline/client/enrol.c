#include "landline/client/enrol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "landline/client/client_state.h"
#include "landline/client/failure.h"
#include "lib/base/escape.h"
#include "lib/os/clock.h"
#include "lib/tls/crypto.h"
#include "lib/tls/sha256.h"

struct enrolment {
    const struct invite *invite;
    const char *host, *own_name;
    char address[INVITE_LINE];
    struct tls_pin server;
    struct tls_identity *identity;
    struct tls_policy *policy;
    ll_loop *loop;
    int64_t deadline;
    struct dial *dial;
    struct link *link;
    bool done;
    int error;
    struct enrol_welcome *welcome;
    struct ll_failure *failure;
};

static struct failure_place place(const struct enrolment *e) {
    return (struct failure_place){e->host, e->address, &e->server, e->identity};
}

static void finish(struct enrolment *e, int error) {
    e->done = true;
    e->error = error;
}

/* ---- the proof ---- */

static int prove(const struct enrolment *e, struct message_enrol *out) {
    uint8_t text[64], key[TLS_SHA256_SIZE], hash[TLS_SHA256_SIZE];
    const struct tls_pin *client = tls_identity_pin(e->identity);
    size_t n = sizeof INVITE_TOKEN_ID_LABEL - 1;
    memcpy(text, INVITE_TOKEN_ID_LABEL, n);
    memcpy(text + n, e->invite->token, INVITE_TOKEN);
    int error = tls_sha256(hash, text, n + INVITE_TOKEN);
    memcpy(out->token_id, hash, INVITE_TOKEN_ID);

    n = sizeof INVITE_KEY_LABEL - 1;
    memcpy(text, INVITE_KEY_LABEL, n);
    memcpy(text + n, e->invite->token, INVITE_TOKEN);
    if (error == 0)
        error = tls_sha256(key, text, n + INVITE_TOKEN);

    uint8_t proved[sizeof INVITE_PROOF_LABEL - 1 + 2 * TLS_PIN_SIZE];
    n = sizeof INVITE_PROOF_LABEL - 1;
    memcpy(proved, INVITE_PROOF_LABEL, n);
    memcpy(proved + n, e->server.bytes, TLS_PIN_SIZE);
    memcpy(proved + n + TLS_PIN_SIZE, client->bytes, TLS_PIN_SIZE);
    if (error == 0)
        error = tls_mac(out->proof, key, sizeof key, proved, sizeof proved);
    tls_wipe(text, sizeof text);
    tls_wipe(key, sizeof key);
    return error;
}

/* ---- the link ---- */

static void opened(void *arg) {
    struct enrolment *e = arg;
    struct message_enrol enrol = {.name = {(const uint8_t *)e->own_name, strlen(e->own_name)}};
    int error = prove(e, &enrol);
    if (error == 0)
        error = session_enrol(link_session(e->link), &enrol);
    if (error < 0)
        finish(e, failure_set(e->failure, error, "%s: the proof cannot be made: %s", e->host, ll_strerror(error)));
}

static void welcomed(void *arg, const struct message_welcome *welcome) {
    struct enrolment *e = arg;
    e->welcome->verbs = welcome->verbs;
    escape_bytes(e->welcome->server_name, sizeof e->welcome->server_name, welcome->name.data, welcome->name.size);
    finish(e, 0);
}

static void ended(void *arg, const struct link_end *end) {
    struct enrolment *e = arg;
    struct failure_place where = place(e);
    if (!e->done)
        finish(e, failure_link(e->failure, &where, end));
    link_free(e->link);
    e->link = NULL;
}

static const struct link_owner owner = {.open = opened, .welcome = welcomed, .end = ended};

static void dialled(void *arg, const struct dial_end *end) {
    struct enrolment *e = arg;
    struct failure_place where = place(e);
    struct link_config config = {
        .loop = e->loop, .enrol = true, .greeting_deadline = e->deadline, .owner = &owner, .arg = e};
    struct wire *wire = NULL;
    if (end->error != 0) {
        finish(e, failure_dial(e->failure, &where, end));
        return;
    }
    int error = wire_new_tls(&wire, e->policy, &e->server, end->host, client_unix_ms() / 1000);
    if (error == 0)
        error = link_new(&e->link, &config, end->socket, wire);
    else
        ll_socket_free(end->socket);
    if (error != 0)
        finish(e, failure_set(e->failure, error, "%s: cannot connect: %s", e->host, ll_strerror(error)));
    else
        link_start(e->link);
}

static int connect_and_wait(struct enrolment *e) {
    int error = tls_policy_new(&e->policy, TLS_CLIENT, e->identity);
    if (error == 0)
        error = ll_loop_new(&e->loop);
    if (error == 0)
        error = dial_start(&e->dial, e->loop, e->address, e->deadline, dialled, e);
    if (error != 0)
        return failure_set(e->failure, error, "%s: cannot connect to %s: %s", e->host, e->address, ll_strerror(error));
    while (!e->done) {
        int n = ll_loop_step(e->loop, LL_NEVER);
        if (n < 0)
            return failure_set(e->failure, n, "%s: %s", e->host, ll_strerror(n));
    }
    return e->error;
}

int enrol_host(const char *host, const struct invite *invite, const char *key_file, const char *own_name,
               double timeout_s, struct enrol_welcome *welcome, struct ll_failure *failure) {
    struct enrolment e = {.invite = invite,
                          .host = host,
                          .own_name = own_name,
                          .deadline = clock_after(clock_now(), (int64_t)(timeout_s * 1e9)),
                          .welcome = welcome,
                          .failure = failure};
    struct ll_error_info info;
    bool v6 = strchr(invite->host, ':') != NULL;
    snprintf(e.address, sizeof e.address, v6 ? "[%s]:%u" : "%s:%u", invite->host, invite->port);
    memcpy(e.server.bytes, invite->pin, TLS_PIN_SIZE);
    int error = tls_identity_open(&e.identity, key_file, &info);
    if (error != 0)
        return failure_info(failure, host, error, &info);
    error = connect_and_wait(&e);
    link_free(e.link);
    dial_free(e.dial);
    tls_policy_free(e.policy);
    tls_identity_close(e.identity);
    ll_loop_free(e.loop);
    return error;
}
