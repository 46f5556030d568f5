#include "landline/classic/serve.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/classic/command.h"
#include "landline/classic/service.h"
#include "lib/base/error.h"
#include "lib/base/escape.h"
#include "lib/base/limits.h"
#include "lib/os/clock.h"

enum { ACCEPT_AT_ONCE = 64, MILLISECOND = 1000000 };

static const struct classic_service *const services[] = {&classic_service_upper, &classic_service_exec,
                                                         &classic_service_file, &classic_service_ssh};
enum { SERVICES = sizeof services / sizeof *services };

const struct classic_service *classic_find(const char *name) {
    for (size_t i = 0; i < SERVICES; i++)
        if (strcmp(services[i]->name, name) == 0)
            return services[i];
    return NULL;
}

int classic_port(const struct classic_service *service) {
    return service->port;
}

static void say(struct classic_server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct classic_server *server, const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    server->say(server->say_arg, line);
}

void classic_say(struct classic_peer *peer, const char *format, ...) {
    char text[512], where[LL_ADDRESS_TEXT] = "a client that has gone";
    struct ll_address address;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (ll_socket_getpeername(peer->socket, &address) == 0)
        ll_address_format(&address, where, sizeof where);
    say(peer->server, "%s: %s", where, text);
}

void classic_close(struct classic_peer *peer) {
    if (peer->server->service->end != NULL)
        peer->server->service->end(peer);
    ll_watch_free(peer->watch);
    ll_socket_free(peer->socket);
    *peer->link = peer->next;
    if (peer->next != NULL)
        peer->next->link = peer->link;
    free(peer);
}

ssize_t classic_receive(struct classic_peer *peer, size_t most) {
    size_t room = sizeof peer->server->scratch - 1;
    ssize_t got = ll_socket_recv(peer->socket, peer->server->scratch, most < room ? most : room, 0);
    if (got > 0)
        return got;
    if (got == -EAGAIN)
        return 0;
    classic_close(peer);
    return -1;
}

/* Takes the socket, also on failure. */
static int admit(struct classic_server *server, ll_socket *socket) {
    const struct classic_service *service = server->service;
    struct classic_peer *peer = calloc(1, service->peer_size);
    int rc = -ENOMEM;
    if (peer == NULL)
        goto refuse;
    peer->server = server;
    peer->socket = socket;
    rc = ll_loop_fd(server->loop, ll_socket_fileno(socket), service->events, service->ready, peer, &peer->watch);
    if (rc < 0)
        goto refuse;
    peer->next = server->peers;
    peer->link = &server->peers;
    if (peer->next != NULL)
        peer->next->link = &peer->next;
    server->peers = peer;
    return 0;
refuse:
    free(peer);
    ll_socket_free(socket);
    return rc;
}

static void accept_again(void *arg) {
    struct classic_server *server = arg;
    ll_watch_set(server->watch, LL_READ);
}

static void accept_clients(void *arg, unsigned events) {
    struct classic_server *server = arg;
    (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        ll_socket *socket;
        int rc = ll_socket_accept4(server->listener, SOCK_NONBLOCK, &socket, NULL);
        if (rc == 0)
            rc = admit(server, socket);
        if (rc == -EAGAIN)
            return;
        if (rc == 0 || rc == -ECONNABORTED || rc == -EPERM)
            continue;
        /* Out of descriptors or memory. The connection stays in the queue and would wake the loop for ever. */
        say(server, "cannot accept for now: %s", ll_strerror(rc));
        ll_watch_set(server->watch, 0);
        ll_timer_set(server->retry, ll_loop_now(server->loop) + (int64_t)LIMIT_CLASSIC_RETRY_MS * MILLISECOND);
        return;
    }
}

static void stop(void *arg, int signo, pid_t pid) {
    struct classic_server *server = arg;
    (void)signo;
    (void)pid;
    ll_loop_stop(server->loop);
}

/* Set on the listener, inherited by what it accepts. */
static int set_options(ll_socket *listener, const struct classic_service *service) {
    const struct {
        int level, option, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1}, /* a client whose machine vanished is noticed after 60 + 3 × 20 s */
        {IPPROTO_TCP, TCP_KEEPIDLE, 60},
        {IPPROTO_TCP, TCP_KEEPINTVL, 20},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
        {IPPROTO_TCP, TCP_MAXSEG, service->segment},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (options[i].value == 0)
            continue;
        int rc = ll_socket_setsockopt_int(listener, options[i].level, options[i].option, options[i].value);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int begin(struct classic_server *server, const struct classic_config *config, struct ll_error_info *info) {
    const struct ll_server_options options = {.backlog = LIMIT_CLASSIC_BACKLOG};
    int rc = ll_create_server(&config->address, &options, &server->listener, info);
    if (rc < 0)
        return rc;
    if ((rc = set_options(server->listener, server->service)) < 0)
        return error_at(info, rc, "setsockopt", NULL);
    if ((rc = ll_socket_setblocking(server->listener, false)) < 0)
        return error_at(info, rc, "fcntl", NULL);
    rc = ll_loop_new(&server->loop);
    if (rc == 0)
        rc = ll_loop_fd(server->loop, ll_socket_fileno(server->listener), LL_READ, accept_clients, server,
                        &server->watch);
    if (rc == 0)
        rc = ll_loop_timer(server->loop, LL_NEVER, accept_again, server, &server->retry);
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals && rc == 0; i++) {
        ll_signal *ignored; /* freed with the loop */
        rc = ll_loop_signal(server->loop, signals[i], stop, server, &ignored);
    }
    return rc < 0 ? error_at(info, rc, "loop", NULL) : 0;
}

static int announce(struct classic_server *server, struct ll_error_info *info) {
    char where[LL_ADDRESS_TEXT];
    struct ll_address address;
    int rc = ll_socket_getsockname(server->listener, &address);
    if (rc < 0)
        return error_at(info, rc, "getsockname", NULL);
    ll_address_format(&address, where, sizeof where);
    say(server, "classic %s: plain text, no encryption, no identity; whoever reaches this port can %s",
        server->service->name, server->service->about);
    say(server, "listening on %s", where);
    return 0;
}

static void end(struct classic_server *server) {
    while (server->peers != NULL)
        classic_close(server->peers);
    int64_t deadline = clock_now() + (int64_t)LIMIT_CLASSIC_GOODBYE_MS * MILLISECOND;
    while (server->commands != NULL && clock_now() < deadline && ll_loop_step(server->loop, deadline) >= 0)
        ;
    while (server->commands != NULL)
        classic_command_forget(server->commands);
    ll_loop_free(server->loop);
    ll_socket_free(server->listener);
    free(server);
}

int classic_serve(const struct classic_config *config, struct ll_error_info *info) {
    struct classic_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return error_at(info, -ENOMEM, "server", NULL);
    server->service = config->service;
    server->say = config->say;
    server->say_arg = config->arg;
    server->descriptors.resource = RLIMIT_NOFILE;
    int rc = spawn_raise_descriptors(&server->descriptors.value);
    if (rc < 0)
        error_at(info, rc, "setrlimit", NULL);
    else
        rc = begin(server, config, info);
    if (rc == 0)
        rc = announce(server, info);
    if (rc == 0 && (rc = ll_loop_run(server->loop)) < 0)
        error_at(info, rc, "loop", NULL);
    end(server);
    return rc;
}
