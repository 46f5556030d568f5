/* broker.h: leaving one behind. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/client/broker.h"
#include "landline/client/client_state.h"
#include "lib/base/number.h"
#include "lib/os/daemon.h"
#include "lib/os/process.h"

/* Nobody else can hand it over, and nothing is under way on it. */
static bool may_leave(const ll_client *client) {
    return !client->no_broker && broker_enabled() && !client->over_broker && client->state == CLIENT_LINKED &&
           client->is_in && client->jobs == NULL;
}

/* LANDLINE_BROKER may say how long it stays without work. */
static double idle_s(void) {
    const char *said = getenv("LANDLINE_BROKER");
    int64_t ns;
    if (said != NULL && number_parse_duration(said, &ns) == 0 && ns > 0)
        return (double)ns / 1e9;
    return LIMIT_BROKER_IDLE_MS / 1e3;
}

_Noreturn static void serve(const ll_client *client, const struct broker_start *start, char **argv) {
    char title[sizeof "landline: broker " + LIMIT_HOST_NAME];
    snprintf(title, sizeof title, "landline: broker %s", client->host);
    daemon_title(argv, title);
    process_raise_descriptors();
    daemon_end(broker_serve(start) == 0 ? 0 : 1);
}

void broker_leave(ll_client *client, char **argv) {
    struct broker_place place;
    struct broker_start start = {.welcome = &client->welcome, .unix_ms = client->welcomed_at_ms, .idle_s = idle_s()};
    int lock;
    if (!may_leave(client) || broker_place(&place, &client->pin, client->addresses, client->key_path) != 0 ||
        broker_claim(&place, &lock, &start.listener) != 0)
        return;
    int e = link_release(client->link, &start.server, &start.tls, &start.last_stream);
    if (e == 0) {
        client->link = NULL;
        client->link_is_open = client->is_in = false;
        client->state = CLIENT_IDLE;
        const int keep[] = {ll_socket_fileno(start.server), ll_socket_fileno(start.listener), lock};
        pid_t pid = daemon_fork(keep, sizeof keep / sizeof *keep);
        if (pid == 0)
            serve(client, &start, argv);
        if (pid > 0)
            broker_sign(lock, pid);
        /* The connection is the child's: nothing is said on it here. Without a child it is simply cut. */
        tls_engine_free(start.tls);
        ll_socket_free(start.server);
    }
    ll_socket_free(start.listener);
    close(lock);
}
