#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "landline/address.h"
#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/proto/invite.h"
#include "landline/server/store.h"
#include "lib/base/limits.h"
#include "lib/base/number.h"
#include "lib/os/account.h"
#include "lib/tls/crypto.h"

static const char default_verbs[] = "run,shell,get,put,upper";

struct request {
    const char *verbs, *root, *as, *address;
    int64_t duration; /* ns */
    struct option_list argv;
    uint64_t runs;
    bool any_environment;
};

static int fail(const struct ll_error_info *info) {
    char text[512];
    ll_error_format(info, text, sizeof text);
    cli_error("%s", text);
    return EXIT_FAILED;
}

/* --- the address --- */

/* The machine's first address that is not for itself alone. */
static int own_address(char host[INVITE_HOST + 1]) {
    struct ifaddrs *all = NULL;
    int e = -1;
    if (getifaddrs(&all) != 0)
        return -1;
    for (int family = AF_INET; e != 0 && family != 0; family = family == AF_INET ? AF_INET6 : 0)
        for (const struct ifaddrs *a = all; e != 0 && a != NULL; a = a->ifa_next) {
            struct ll_address address;
            if (a->ifa_addr == NULL || a->ifa_addr->sa_family != family || (a->ifa_flags & IFF_LOOPBACK) != 0)
                continue;
            size_t size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
            if (ll_address_raw(&address, a->ifa_addr, size) == 0 &&
                !(family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&address.as.ipv6.sin6_addr)))
                e = ll_address_host(&address, host, INVITE_HOST + 1);
        }
    freeifaddrs(all);
    return e;
}

/* Where a server listens on every address, the machine's own name, if it has a domain, or its first address is meant. */
static int name_for(const struct ll_address *address, char host[INVITE_HOST + 1]) {
    bool any = ll_address_family(address) == AF_INET ? address->as.ipv4.sin_addr.s_addr == INADDR_ANY
                                                     : IN6_IS_ADDR_UNSPECIFIED(&address->as.ipv6.sin6_addr);
    if (!any)
        return ll_address_host(address, host, INVITE_HOST + 1);
    if (gethostname(host, INVITE_HOST) == 0 && strchr(host, '.') != NULL)
        return 0;
    if (own_address(host) == 0)
        return 0;
    snprintf(host, INVITE_HOST + 1, "127.0.0.1");
    return 0;
}

static int recorded_address(const struct store *store, struct invite *invite) {
    struct buf lines;
    struct ll_address address;
    buf_init(&lines, LIMIT_STORE_LINE * LIMIT_LISTENERS);
    int e = store_read_address(store, &lines, NULL);
    if (e == 0) {
        buf_add_u8(&lines, 0);
        char *line = (char *)buf_front(&lines);
        line[strcspn(line, "\n")] = '\0';
        e = ll_address_parse(&address, line);
    }
    buf_free(&lines);
    if (e != 0) {
        cli_error("it is not known where the server listens: start landline serve first, or give --address HOST:PORT");
        return EXIT_FAILED;
    }
    invite->port = (uint16_t)ll_address_port(&address);
    return name_for(&address, invite->host) == 0 ? EXIT_OK : EXIT_FAILED;
}

static int given_address(const struct command *self, const char *given, struct invite *invite) {
    if (invite_split_address(given, strlen(given), 7227, invite->host, &invite->port) == 0)
        return EXIT_OK;
    return cli_usage(self, "--address %s: write HOST:PORT, or [ADDRESS]:PORT for IPv6", given);
}

/* --- the terms --- */

static int set_terms(const struct command *self, struct terms *terms, const struct request *r) {
    if (invite_verbs_parse(r->verbs, &terms->verbs) != 0)
        return cli_usage(self, "--grant %s: name some of run, shell, get, put, upper, others", r->verbs);
    if (r->root != NULL && (!record_value_ok(r->root) || terms_set_root(terms, r->root) != 0))
        return cli_usage(self, "--root %s: an absolute path is needed", r->root);
    if (r->as != NULL && terms_set_as(terms, r->as) != 0)
        return cli_usage(self, "--as %s: not a user's name", r->as);
    if (geteuid() == 0 && r->as == NULL && (terms->verbs & ~(uint32_t)VERB_UPPER) != 0)
        return cli_usage(
            self, "the server runs as root: say with --as USER whom this key may become (--as root, if it must be)");
    for (size_t i = 0; i < r->argv.count; i++)
        if (!record_value_ok(r->argv.values[i]) || terms_set_argv(terms, r->argv.values[i]) != 0)
            return cli_usage(self, "--argv %s: not a pattern, or too many", r->argv.values[i]);
    terms->runs = (uint32_t)(r->runs < LIMIT_RUNS ? r->runs : LIMIT_RUNS);
    terms->any_environment = r->any_environment;
    return EXIT_OK;
}

/* What is wrong with them is said before anything is made. -1: nothing is. */
static int check_request(const struct command *self, const struct request *r) {
    struct terms terms = {0};
    struct account account;
    struct invite ignored;
    int status = set_terms(self, &terms, r);
    terms_free(&terms);
    if (status == EXIT_OK && r->address != NULL)
        status = given_address(self, r->address, &ignored);
    if (status != EXIT_OK)
        return status;
    if (r->as != NULL && account_find(&account, r->as) != 0)
        return cli_usage(self, "--as %s: there is no such user here", r->as);
    if (r->as != NULL)
        account_free(&account);
    return -1;
}

/* What was just given away, so that nobody has to guess. */
static void tell(const struct terms *terms, int64_t duration) {
    char verbs[INVITE_VERBS_TEXT], time[64];
    invite_verbs_print(terms->verbs, verbs);
    cli_error("this invite lets one key %s%s%s%s%s; it is good for %s and one use", verbs,
              terms->as != NULL ? " as " : "", terms->as != NULL ? terms->as : "", terms->root != NULL ? " in " : "",
              terms->root != NULL ? terms->root : "", number_format_duration(time, sizeof time, duration));
    cli_error("on the client: landline add NAME, and paste the line");
}

static int put(struct store_change *change, struct invite *invite, const struct command *self,
               const struct request *r) {
    struct ll_error_info info = {0};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (tls_random(invite->token, sizeof invite->token) != 0) {
        cli_error("there is no randomness to be had for a token");
        return EXIT_FAILED;
    }
    invite->expiry_ms = now_ms + (uint64_t)r->duration / 1000000;
    invites_prune(&change->invites, now_ms);
    struct invitation *record = invites_add(&change->invites, invite->token, invite->expiry_ms);
    if (record == NULL) {
        cli_error("there are %d invites already: wait until some have expired", LIMIT_INVITES);
        return EXIT_FAILED;
    }
    int status = set_terms(self, &record->terms, r);
    if (status != EXIT_OK)
        return status;
    if (store_commit(change, &info) != 0)
        return fail(&info);
    char line[INVITE_LINE];
    if (invite_print(invite, line) != 0) {
        cli_error("'%s' cannot stand in an invite: give --address HOST:PORT", invite->host);
        return EXIT_FAILED;
    }
    printf("%s\n", line);
    tell(&record->terms, r->duration);
    return EXIT_OK;
}

static int make_invite(const struct command *self, const struct request *r) {
    struct store store;
    struct store_change change;
    struct tls_identity *identity = NULL;
    struct ll_error_info info = {0};
    struct invite invite = {0};
    if (store_open(&store, &info) != 0 || store_identity(&store, &identity, NULL, &info) != 0)
        return fail(&info);
    memcpy(invite.pin, tls_identity_pin(identity)->bytes, sizeof invite.pin);
    tls_identity_close(identity);
    int status = r->address != NULL ? given_address(self, r->address, &invite) : recorded_address(&store, &invite);
    if (status != EXIT_OK)
        return status;
    if (store_begin(&change, &store, &info) != 0)
        return fail(&info);
    status = put(&change, &invite, self, r);
    store_end(&change);
    tls_wipe(&invite, sizeof invite);
    return cli_finish(status);
}

int cmd_invite(const struct command *self, int argc, char **argv) {
    struct request r = {.verbs = default_verbs, .duration = 600LL * 1000000000};
    const struct option_row rows[] = {
        {"grant", 'g', OPTION_TEXT, &r.verbs, "VERBS", "what the key may do: some of run,shell,get,put,upper,others",
         NULL},
        {"root", 0, OPTION_TEXT, &r.root, "DIR", "files beneath it only, and where commands start", NULL},
        {"as", 0, OPTION_TEXT, &r.as, "USER", "the user that the key becomes, where the server runs as root", NULL},
        {"argv", 0, OPTION_LIST, &r.argv, "PATTERN", "allow only such commands: words, * is any word, ... the rest",
         NULL},
        {"runs", 0, OPTION_NUMBER, &r.runs, "N", "how many commands may run at once", NULL},
        {"any-env", 0, OPTION_FLAG, &r.any_environment, NULL,
         "also environment variables that change how programs load", NULL},
        {"for", 'f', OPTION_DURATION, &r.duration, "DURATION", "how long the invite is good (10m)", NULL},
        {"address", 'a', OPTION_TEXT, &r.address, "HOST:PORT", "what the client dials (where the server listens)",
         NULL},
        {0},
    };
    struct operands operands;
    int leave = options_parse(
        &(struct options){
            .command = self,
            .rows = rows,
            .about = "Prints one line that lets one client in, once. Whoever has the line has the access: hand\n"
                     "it over as you would a password."},
        argc, argv, &operands);
    if (leave < 0 && (r.duration < 1000000000 || r.duration > 30LL * 24 * 3600 * 1000000000))
        leave = cli_usage(self, "--for: between 1s and 30d");
    if (leave < 0)
        leave = check_request(self, &r);
    if (leave < 0)
        leave = make_invite(self, &r);
    option_list_free(&r.argv);
    return leave;
}
