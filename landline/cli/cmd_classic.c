/* landline classic: the four plain protocols, both ends. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "landline/classic/client.h"
#include "landline/classic/serve.h"
#include "landline/cli/cli.h"
#include "landline/cli/commands.h"
#include "landline/cli/dialog.h"
#include "landline/cli/options.h"
#include "lib/base/limits.h"

static const char about[] =
    "Old plain-text protocols for learning and for old peers: no encryption, no identity.\n"
    "\n"
    "  upper   text comes back in upper case (port 6969)\n"
    "  exec    the output of shell commands (port 6969)\n"
    "  file    files, their size first; its client is called get (port 2222)\n"
    "  ssh     the output of shell commands, its length first (port 9999)\n"
    "\n"
    "Servers listen on the loopback address, unless --insecure-listen is given. The clients read lines from standard\n"
    "input. get without a PATH asks for paths; a file is saved as DEST, or under its own name with .new behind it.";

enum { NAME_SIZE = 256, CONNECT_SECONDS = 30, LOOKUP_SECONDS = 10, SECOND = 1000000000 };

struct arguments {
    const struct command *command;
    struct operands operands;
    const char *listen;
    bool insecure;
    int64_t patience; /* nanoseconds */
};

static void say(void *arg, const char *line) {
    (void)arg;
    cli_error("%s", line);
}

static bool is_loopback(const struct ll_address *address) {
    if (ll_address_family(address) == AF_INET)
        return ntohl(address->as.ipv4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return ll_address_family(address) == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->as.ipv6.sin6_addr);
}

static int resolve(const char *host, int port, struct ll_address *out, struct ll_error_info *info) {
    struct ll_addrinfo *answers;
    const struct ll_addrinfo_hints hints = {.type = SOCK_STREAM};
    if (ll_address_ip(out, host, port) == 0)
        return 0;
    int rc = ll_getaddrinfo(host, NULL, &hints, LOOKUP_SECONDS, &answers, info);
    if (rc < 0)
        return rc;
    *out = answers[0].address;
    ll_addrinfo_free(answers);
    return ll_address_set_port(out, port);
}

/* ADDR:PORT, ADDR, :PORT or PORT. */
static int listen_address(const struct arguments *a, int port, struct ll_address *out, struct ll_error_info *info) {
    char host[NAME_SIZE] = "", text[NAME_SIZE];
    const char *listen = a->listen != NULL ? a->listen : "";
    bool only_port = *listen != '\0' && strspn(listen, "0123456789") == strlen(listen);
    int length = snprintf(text, sizeof text, "%s%s", only_port ? ":" : "", listen);
    int rc = length < (int)sizeof text ? 0 : LL_ELIMIT;
    if (rc == 0 && length > 0)
        rc = ll_address_split(text, host, sizeof host, &port);
    info->code = rc;
    info->call = "--listen";
    if (rc < 0)
        return rc;
    if (host[0] == '\0')
        snprintf(host, sizeof host, "%s", a->insecure ? "0.0.0.0" : "127.0.0.1");
    return resolve(host, port, out, info);
}

static int serve(const struct arguments *a) {
    const char *name = a->operands.values[1];
    const struct classic_service *service = classic_find(name);
    struct classic_config config = {.service = service, .say = say};
    struct ll_error_info info = {0};
    char text[512], where[LL_ADDRESS_TEXT];
    if (service == NULL || a->operands.count != 2)
        return cli_usage(a->command, service == NULL ? "there is no classic server '%s'" : "too many words after '%s'",
                         name);
    if (listen_address(a, classic_port(service), &config.address, &info) < 0) {
        ll_error_format(&info, text, sizeof text);
        return cli_usage(a->command, "cannot listen on '%s': %s", a->listen, text);
    }
    ll_address_format(&config.address, where, sizeof where);
    if (!is_loopback(&config.address) && !a->insecure) {
        cli_error("%s is not a loopback address, and classic %s has no encryption and no identity: "
                  "give --insecure-listen as well if that is what you want",
                  where, name);
        return EXIT_USAGE;
    }
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL); /* standard error may go away first */
    if (classic_serve(&config, &info) < 0) {
        ll_error_format(&info, text, sizeof text);
        cli_error("classic %s cannot serve on %s: %s", name, where, text);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

/* Where a file goes: DEST, or into it if it is a folder, or beside nothing under the old clients' name. */
static int destination(const char *path, const char *dest, char *out, size_t size) {
    struct stat status;
    if (dest == NULL)
        return classic_new_name(path, out, size);
    const char *slash = strrchr(path, '/');
    bool folder = stat(dest, &status) == 0 && S_ISDIR(status.st_mode);
    int length = snprintf(out, size, "%s%s%s", dest, folder ? "/" : "",
                          !folder         ? ""
                          : slash != NULL ? slash + 1
                                          : path);
    return length < 0 || (size_t)length >= size ? LL_ELIMIT : 0;
}

static int get_one(const struct arguments *a, ll_socket *socket) {
    const char *path = a->operands.values[2];
    const char *dest = a->operands.count > 3 ? a->operands.values[3] : NULL;
    char to[LIMIT_CLASSIC_NAME + 1], text[512];
    struct ll_error_info info;
    uint64_t size;
    int rc = destination(path, dest, to, sizeof to);
    if (rc < 0) {
        cli_error("cannot make a name for '%s': %s", path, ll_strerror(rc));
        return EXIT_FAILED;
    }
    rc = classic_get(socket, path, to, &size, &info);
    if (rc < 0) {
        ll_error_format(&info, text, sizeof text);
        cli_error("cannot get '%s': %s%s", path, text,
                  rc == LL_EOF && size == 0 ? "; it may not exist there, be a folder, or not be readable" : "");
        return EXIT_FAILED;
    }
    printf("size: %llu\nsaved as: %s\n", (unsigned long long)size, to);
    return EXIT_OK;
}

static int talk(const struct arguments *a, const struct classic_client *client, ll_socket *socket) {
    struct dialog dialog;
    if (a->operands.count > 2)
        return get_one(a, socket);
    dialog_init(&dialog);
    dialog.terminal.patience_s = (double)a->patience / SECOND;
    int rc = client->talk(socket, &dialog.terminal);
    dialog_free(&dialog);
    if (rc < 0)
        cli_error("classic %s with %s: %s", client->name, a->operands.values[1], ll_strerror(rc));
    return rc < 0 ? EXIT_FAILED : EXIT_OK;
}

static int ask(const struct arguments *a) {
    const char *name = a->operands.values[0], *target = a->operands.values[1];
    const struct classic_client *client = classic_client_find(name);
    char host[NAME_SIZE], text[512];
    struct ll_error_info info = {0};
    ll_socket *socket;
    if (client == NULL)
        return cli_usage(a->command, "there is no classic client '%s'%s", name,
                         classic_find(name) != NULL ? "; the one of the file server is 'get'" : "");
    if (a->listen != NULL || a->insecure)
        return cli_usage(a->command, "--listen and --insecure-listen are for 'classic serve'");
    if (a->operands.count > 2 && strcmp(name, "get") != 0)
        return cli_usage(a->command, "too many words after '%s'", target);
    int port = client->port;
    int rc = ll_address_split(target, host, sizeof host, &port);
    if (rc < 0)
        return cli_usage(a->command, "'%s' is no HOST[:PORT]: %s", target, ll_strerror(rc));
    const struct ll_connection_options options = {.timeout_s = CONNECT_SECONDS};
    rc = ll_create_connection(host[0] != '\0' ? host : "localhost", port, &options, &socket, &info);
    if (rc < 0) {
        ll_error_format(&info, text, sizeof text);
        cli_error("cannot reach %s: %s; is the classic server running there?", target, text);
        return EXIT_FAILED;
    }
    int status = talk(a, client, socket);
    ll_socket_free(socket);
    return status;
}

int cmd_classic(const struct command *self, int argc, char **argv) {
    struct arguments a = {.command = self, .patience = (int64_t)LIMIT_CLASSIC_ANSWER_MS * (SECOND / 1000)};
    const struct option_row rows[] = {
        {"listen", 0, OPTION_TEXT, &a.listen, "ADDR:PORT", "serve there; port 0 takes a free one", NULL},
        {"insecure-listen", 0, OPTION_FLAG, &a.insecure, NULL,
         "serve on addresses that others reach; all of them without --listen", NULL},
        {"patience", 0, OPTION_DURATION, &a.patience, "DURATION",
         "exec: wait so long for an answer (60s); some servers give none to a command without output", NULL},
        {0},
    };
    const struct options options = {.command = self, .rows = rows, .about = about, .min = 2, .max = 4};
    int leave = options_parse(&options, argc, argv, &a.operands);
    if (leave >= 0)
        return leave;
    int status = strcmp(a.operands.values[0], "serve") == 0 ? serve(&a) : ask(&a);
    return cli_finish(status);
}
