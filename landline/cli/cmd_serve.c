#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/server/keeper.h"
#include "landline/socket.h"
#include "lib/base/number.h"
#include "lib/os/clock.h"
#include "lib/os/whole.h"
#include "lib/os/notify.h"
#include "lib/os/process.h"

enum {
    DEFAULT_PORT = 7227,
    BACKLOG = 4096,
    LISTEN_EVERY_MS = 20,      /* where the port is in use … */
    LISTEN_PATIENCE_MS = 2000, /* … for so long */
};

static const char keeper_name[] = "landline: keeper";
static const char gate_name[] = "landline: gate";

struct server {
    struct store store;
    ll_loop *loop;
    struct keeper *keeper;
    int listeners[LIMIT_LISTENERS];
    char addresses[LIMIT_LISTENERS][LL_ADDRESS_TEXT];
    size_t count;
    uint64_t clients;
    bool told; /* where it listens */
    char program[PATHS_SIZE];
    ll_signal *signals[3];
};

/* --- the gate's process --- */

/* The command line shows the title and nothing else; what stood behind it was for us. */
static int run_gate(int argc, char **argv) {
    char key[PATHS_SIZE], user[LIMIT_USER_NAME + 1];
    if (argc < 4)
        return EXIT_USAGE;
    size_t listeners = strtoul(argv[1], NULL, 10);
    snprintf(key, sizeof key, "%s", argv[2]);
    snprintf(user, sizeof user, "%s", argv[3]);
    for (int i = 1; i < cli_argc; i++)
        memset(cli_argv[i], 0, strlen(cli_argv[i]));
    return gate_main(key, listeners, user);
}

/* --- listeners --- */

static int add_listener(struct server *s, ll_socket *socket) {
    struct ll_address address;
    int e = ll_socket_getsockname(socket, &address);
    if (e == 0 && s->count == LIMIT_LISTENERS)
        e = LL_ELIMIT;
    if (e == 0)
        e = ll_socket_setblocking(socket, false);
    if (e == 0) {
        ll_address_format(&address, s->addresses[s->count], sizeof s->addresses[0]);
        s->listeners[s->count++] = ll_socket_detach(socket);
    }
    ll_socket_free(socket);
    return e;
}

/* "ADDR:PORT", ":PORT", "ADDR"; no address is every address. */
static int read_address(const char *text, struct ll_address *address, bool *dual) {
    char host[256];
    int port = DEFAULT_PORT;
    int e = text[0] == '\0' ? LL_EADDRESS : ll_address_split(text, host, sizeof host, &port);
    bool any = host[0] == '\0' || strcmp(host, "*") == 0;
    *dual = any && ll_has_dualstack_ipv6() == 1;
    if (e == 0)
        e = ll_address_ip(address,
                          any                              ? (*dual ? "::" : "0.0.0.0")
                          : strcmp(host, "localhost") == 0 ? "127.0.0.1"
                                                           : host,
                          port);
    if (e != 0)
        cli_error("--listen '%s': not an address; write 192.0.2.1:%d, [::1]:%d or :%d", text, DEFAULT_PORT,
                  DEFAULT_PORT, DEFAULT_PORT);
    return e;
}

/* A server that was killed leaves a gate, which has the port until it notices. */
static int listen_soon(const struct ll_address *address, bool dual, ll_socket **socket) {
    const struct timespec pause = {.tv_nsec = LISTEN_EVERY_MS * 1000000L};
    struct ll_error_info info = {0};
    int e;
    for (int waited = 0;; waited += LISTEN_EVERY_MS) {
        e = ll_create_server(address, &(struct ll_server_options){.backlog = BACKLOG, .dual_stack = dual}, socket,
                             &info);
        if (e != -EADDRINUSE || waited >= LISTEN_PATIENCE_MS)
            return e;
        nanosleep(&pause, NULL);
    }
}

static int listen_on(struct server *s, const char *text) {
    struct ll_address address;
    ll_socket *socket;
    bool dual;
    int e = read_address(text, &address, &dual);
    if (e != 0)
        return e;
    e = listen_soon(&address, dual, &socket);
    if (e == 0)
        e = add_listener(s, socket);
    if (e != 0)
        cli_error("cannot listen on %s: %s", text, ll_strerror(e));
    return e;
}

/* A socket that accepts nobody would make a server that is ready and never answers. */
static int adopt_listener(struct server *s, ll_socket *socket) {
    int listens = 0;
    int e = ll_socket_getsockopt_int(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens);
    if (e == 0 && listens)
        return add_listener(s, socket);
    ll_socket_free(socket);
    return e != 0 ? e : -EOPNOTSUPP;
}

static int adopt_listeners(struct server *s) {
    struct ll_activated given[LIMIT_LISTENERS];
    int n = ll_listen_fds(given, LIMIT_LISTENERS), e = n < 0 ? n : 0;
    for (int i = 0; i < n; i++) {
        int failed = adopt_listener(s, given[i].socket);
        e = e != 0 ? e : failed;
    }
    if (e != 0)
        cli_error("the sockets of socket activation cannot be used: %s", ll_strerror(e));
    return e;
}

static int open_listeners(struct server *s, const struct option_list *wanted) {
    int e = adopt_listeners(s);
    for (size_t i = 0; e == 0 && i < wanted->count; i++)
        e = listen_on(s, wanted->values[i]);
    if (e == 0 && s->count == 0)
        e = listen_on(s, ":7227");
    return e;
}

static int note_addresses(struct server *s) {
    char lines[LIMIT_LISTENERS * (LL_ADDRESS_TEXT + 1)];
    struct ll_error_info info = {0};
    size_t used = 0;
    for (size_t i = 0; i < s->count; i++)
        used += (size_t)snprintf(lines + used, sizeof lines - used, "%s\n", s->addresses[i]);
    int e = store_write_address(&s->store, lines, &info);
    if (e != 0) {
        char text[512];
        ll_error_format(&info, text, sizeof text);
        cli_error("%s", text);
    }
    return e;
}

/* --- what the keeper tells us --- */

static void say(void *arg, const char *text) {
    (void)arg;
    cli_error("%s", text);
}

static void is_ready(void *arg) {
    struct server *s = arg;
    for (size_t i = 0; i < s->count && !s->told; i++)
        cli_error("listening on %s", s->addresses[i]);
    s->told = true;
    notify_send("READY=1");
}

static void end(void *arg, int signo, pid_t pid) {
    struct server *s = arg;
    (void)signo;
    (void)pid;
    notify_send("STOPPING=1");
    keeper_stop(s->keeper);
}

/* The service manager takes the server for reloading until the new gate is ready. */
static void renew(void *arg, int signo, pid_t pid) {
    struct server *s = arg;
    char text[64];
    (void)signo;
    (void)pid;
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_now() / 1000));
    notify_send(text);
    keeper_replace_gate(s->keeper);
}

static int take_signals(struct server *s) {
    /* A program that does not read its input must not end us. */
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    int e = ll_loop_signal(s->loop, SIGTERM, end, s, &s->signals[0]);
    if (e == 0)
        e = ll_loop_signal(s->loop, SIGINT, end, s, &s->signals[1]);
    if (e == 0)
        e = ll_loop_signal(s->loop, SIGHUP, renew, s, &s->signals[2]);
    return e;
}

static int serve(struct server *s) {
    struct ll_error_info info = {0};
    const struct keeper_config config = {
        .store = &s->store,
        .listeners = s->listeners,
        .listener_count = s->count,
        .program = s->program,
        .clients = (uint32_t)s->clients,
        .gate_user = "nobody",
        .log = say,
        .ready = is_ready,
        .arg = s,
    };
    int e = ll_loop_new(&s->loop);
    if (e == 0)
        e = take_signals(s); /* first: what starts commands looks once which signals it has to give back */
    if (e == 0)
        e = keeper_open(&s->keeper, s->loop, &config, &info);
    if (e != 0) {
        char text[512];
        ll_error_format(&info, text, sizeof text);
        cli_error("the server cannot start: %s", info.code != 0 ? text : ll_strerror(e));
    }
    while (e >= 0 && s->keeper != NULL && keeper_settle(s->keeper))
        e = ll_loop_step(s->loop, keeper_pending(s->keeper) ? 0 : LL_NEVER);
    keeper_close(s->keeper);
    ll_loop_free(s->loop);
    return e < 0 ? EXIT_FAILED : EXIT_OK;
}

/* One server per folder: two would write one ledger. */
static int lock_folder(struct server *s) {
    char path[PATHS_SIZE];
    int e = paths_join(path, s->store.state, "running");
    int lock = e != 0 ? e : whole_try_lock(path, NULL);
    if (lock == -EWOULDBLOCK)
        cli_error("another server runs on %s; set LANDLINE_HOME to give this one a folder of its own", s->store.state);
    else if (lock < 0)
        cli_error("cannot lock %s: %s", path, ll_strerror(lock));
    return lock < 0 ? lock : 0;
}

static int start(struct server *s, const struct option_list *wanted) {
    struct ll_error_info info = {0};
    char text[512];
    process_set_name(keeper_name);
    ssize_t n = readlink("/proc/self/exe", s->program, sizeof s->program - 1);
    s->program[n > 0 ? n : 0] = '\0';
    if (store_open(&s->store, &info) != 0) {
        ll_error_format(&info, text, sizeof text);
        cli_error("%s", text);
        return EXIT_FAILED;
    }
    if (lock_folder(s) != 0 || open_listeners(s, wanted) != 0 || note_addresses(s) != 0)
        return EXIT_FAILED;
    return serve(s);
}

/* The command line begins with the title from now on, as ps(1) shows it. */
static int become_keeper(void) {
    char *name = cli_argv[0];
    cli_argv[0] = (char *)(uintptr_t)keeper_name;
    execv("/proc/self/exe", cli_argv);
    cli_argv[0] = name;
    return -errno;
}

static const char *take_clients(void *target, const char *value) {
    uint64_t n;
    if (number_parse(value, 1, LIMIT_CONNECTIONS, &n) != 0)
        return "is not a number from 1 to 16384";
    *(uint64_t *)target = n;
    return NULL;
}

int cmd_serve(const struct command *self, int argc, char **argv) {
    if (strcmp(program_invocation_name, gate_name) == 0)
        return run_gate(argc, argv);
    struct option_list wanted = {0};
    struct server server = {0};
    const struct option_row rows[] = {
        {"listen", 'l', OPTION_LIST, &wanted, "ADDR:PORT", "where to listen; may be repeated; port 0 takes a free one",
         NULL},
        {"clients", 0, OPTION_CALL, &server.clients, "N",
         "how many may be connected at once; who comes above that is told to come back", take_clients},
        {0},
    };
    const struct options options = {
        .command = self,
        .rows = rows,
        .about =
            "Serves clients that were invited with landline invite. Without --listen and without socket activation it\n"
            "listens on port 7227 of every address. TERM ends it; HUP replaces the process that faces the network, as\n"
            "after an upgrade, and no run is lost.",
    };
    struct operands operands;
    int leave = options_parse(&options, argc, argv, &operands);
    /* What is wrong with the command line is said before anything is made. */
    for (size_t i = 0; leave < 0 && i < wanted.count; i++) {
        struct ll_address address;
        bool dual;
        leave = read_address(wanted.values[i], &address, &dual) != 0 ? EXIT_USAGE : leave;
    }
    if (leave >= 0) {
        option_list_free(&wanted);
        return leave;
    }
    if (strcmp(program_invocation_name, keeper_name) != 0)
        become_keeper(); /* if it cannot be, the server runs under the name it has */
    leave = start(&server, &wanted);
    option_list_free(&wanted);
    return leave;
}
