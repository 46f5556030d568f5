/* The quickest connection to a host: happy eyeballs, RFC 8305. Attempts are plain non-blocking sockets; one poll(2) waits
 * for all of them, the next start and the deadline. */
#include "landline/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/net/resolve.h"
#include "lib/net/socket.h"

struct attempt {
    ll_socket *socket;
    struct ll_address address;
};

struct race {
    const struct ll_connection_options *options;
    int64_t deadline, stagger, next_start;
    size_t next, count; /* of the sorted addresses: the next to try, and all */
    struct ll_address sorted[LIMIT_ATTEMPTS];
    size_t running_count;
    struct attempt running[LIMIT_ATTEMPTS];
    size_t failures;
    struct ll_error_info first; /* the failure that came first */
    ll_socket *winner;
};

static void note_failure(struct race *race, int code, const char *call, const struct ll_address *address) {
    const struct ll_connection_options *o = race->options;
    char text[LL_ADDRESS_TEXT];
    ll_address_format(address, text, sizeof text);
    if (race->failures == 0)
        error_at(&race->first, code, call, text);
    if (o->errors != NULL && race->failures < o->errors_max)
        error_at(&o->errors[race->failures], code, call, text);
    race->failures++;
}

/* ---- The order: families by turns, each in the resolver's order (RFC 8305 section 4) ---- */

static int wanted(const struct race *race, const struct ll_address *address) {
    const struct ll_address *source = race->options->source;
    return source == NULL || ll_address_family(source) == ll_address_family(address);
}

/* The next answer from *at on that is (or is not) of the family. */
static const struct ll_address *next_of(const struct ll_addrinfo *answers, size_t count, size_t *at, int family,
                                        int same) {
    while (*at < count) {
        const struct ll_addrinfo *a = &answers[(*at)++];
        if ((a->family == family) == same)
            return &a->address;
    }
    return NULL;
}

static void sort_addresses(struct race *race, const struct ll_addrinfo *answers, size_t count) {
    size_t at[2] = {0, 0};
    int turn = 0;
    for (int none_left = 0; none_left < 2 && race->count < LIMIT_ATTEMPTS; turn = !turn) {
        const struct ll_address *a = next_of(answers, count, &at[turn], answers[0].family, turn == 0);
        none_left = a == NULL ? none_left + 1 : 0;
        if (a != NULL && wanted(race, a))
            race->sorted[race->count++] = *a;
    }
}

/* ---- The race ---- */

static int begin(struct race *race, const struct ll_address *address, struct attempt *attempt, const char **call) {
    *call = "socket";
    *attempt = (struct attempt){.address = *address};
    int r = ll_socket_open(ll_address_family(address), SOCK_STREAM | SOCK_NONBLOCK, 0, &attempt->socket);
    if (r == 0 && race->options->source != NULL) {
        *call = "bind";
        r = ll_socket_bind(attempt->socket, race->options->source);
    }
    if (r == 0) {
        *call = "connect";
        r = ll_socket_connect(attempt->socket, address);
    }
    return r;
}

static void start_next(struct race *race) {
    struct attempt *attempt = &race->running[race->running_count];
    const struct ll_address *address = &race->sorted[race->next++];
    const char *call;
    int r = begin(race, address, attempt, &call);
    race->next_start = clock_after(clock_now(), race->stagger);
    if (r == 0) {
        race->winner = attempt->socket;
    } else if (r == -EINPROGRESS) {
        race->running_count++;
    } else {
        ll_socket_free(attempt->socket);
        note_failure(race, r, call, address);
        race->next_start = 0;
    }
}

/* Looks how an attempt ended, if it did: see socket_name.c. One that failed makes room for the next at once. */
static void finish(struct race *race, size_t i) {
    struct attempt *attempt = &race->running[i];
    int r = ll_socket_connect(attempt->socket, &attempt->address);
    if (r == -EALREADY)
        return;
    ll_socket *socket = attempt->socket;
    struct ll_address address = attempt->address;
    race->running[i] = race->running[--race->running_count];
    if (r == 0 || r == -EISCONN) {
        socket_set_peer(socket, &address);
        race->winner = socket;
        return;
    }
    ll_socket_free(socket);
    note_failure(race, r, "connect", &address);
    race->next_start = 0;
}

/* Waits until something happens, and deals with it. */
static int watch(struct race *race) {
    struct pollfd fds[LIMIT_ATTEMPTS];
    for (size_t i = 0; i < race->running_count; i++)
        fds[i] = (struct pollfd){.fd = ll_socket_fileno(race->running[i].socket), .events = POLLOUT};
    int64_t until = race->deadline;
    if (race->next < race->count && race->next_start < until)
        until = race->next_start;
    int r = os_poll(fds, race->running_count, until);
    if (r == -EINTR)
        return socket_ask(NULL);
    if (r < 0)
        return r;
    /* From the last: finish() moves the last one into the gap, and that has been looked at. */
    for (size_t i = race->running_count; i-- > 0 && race->winner == NULL;)
        if (fds[i].revents != 0)
            finish(race, i);
    return race->winner == NULL && clock_now() >= race->deadline ? LL_ETIMEOUT : 0;
}

static int run_race(struct race *race) {
    int r = 0;
    while (race->winner == NULL && r == 0) {
        if (race->next < race->count && (race->running_count == 0 || clock_now() >= race->next_start))
            start_next(race);
        else if (race->running_count > 0)
            r = watch(race);
        else
            r = race->first.code;
    }
    return r;
}

/* Ends the attempts that did not win; those that were cut off by `code` are noted. */
static void end_race(struct race *race, int code) {
    for (size_t i = 0; i < race->running_count; i++) {
        ll_socket_free(race->running[i].socket);
        if (code < 0)
            note_failure(race, code, "connect", &race->running[i].address);
    }
    if (race->options->error_count != NULL)
        *race->options->error_count = race->failures;
}

static int race_to(const char *host, int port, struct race *race, struct ll_error_info *info) {
    struct ll_addrinfo_hints hints = {.family = race->options->family, .type = SOCK_STREAM};
    struct ll_addrinfo *answers = NULL;
    char service[8];
    if (port < 0 || port > 65535)
        return error_at(info, -ERANGE, "connect", host);
    snprintf(service, sizeof service, "%d", port);
    int r = resolve_all(host, service, &hints, race->deadline, NULL, &answers);
    if (r < 0)
        return error_at(info, r, "getaddrinfo", host);
    sort_addresses(race, answers, (size_t)r);
    ll_addrinfo_free(answers);
    if (race->count == 0)
        return error_at(info, LL_EADDRESS, "bind", host);
    r = run_race(race);
    end_race(race, r);
    if (r == 0)
        r = ll_socket_setblocking(race->winner, true);
    else if (r == race->first.code && race->running_count == 0)
        error_at(info, r, race->first.call, race->first.subject);
    else
        error_at(info, r, "connect", host);
    return r;
}

static int set_times(struct race *race) {
    const struct ll_connection_options *o = race->options;
    int r = resolve_deadline(o->timeout_s == 0 ? LL_FOREVER : o->timeout_s, &race->deadline);
    if (r == 0)
        r = socket_nanoseconds(o->stagger_s, &race->stagger);
    if (r == 0 && race->stagger == SOCKET_FOREVER)
        race->stagger = CLOCK_NEVER;
    else if (r == 0 && race->stagger == 0)
        race->stagger = (int64_t)LIMIT_STAGGER_MS * 1000 * 1000;
    return r;
}

int ll_create_connection(const char *host, int port, const struct ll_connection_options *options, ll_socket **out,
                         struct ll_error_info *info) {
    static const struct ll_connection_options usual = {0};
    if (out == NULL || host == NULL)
        return error_at(info, -EINVAL, "connect", host);
    *out = NULL;
    struct race *race = calloc(1, sizeof *race);
    if (race == NULL)
        return error_at(info, -ENOMEM, "connect", host);
    race->options = options != NULL ? options : &usual;
    if (race->options->error_count != NULL)
        *race->options->error_count = 0;
    int r = set_times(race);
    if (r < 0)
        error_at(info, r, "connect", host);
    else
        r = race_to(host, port, race, info);
    if (r == 0)
        *out = race->winner;
    else
        ll_socket_free(race->winner);
    free(race);
    return r;
}
