/* landline ping: round trips by ICMP echo. */
#include "landline/cli/cli.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "landline/cli/options.h"
#include "landline/client/hosts.h"
#include "landline/observe/echo.h"
#include "landline/observe/pair.h"
#include "landline/observe/ping.h"

enum { USUAL_SIZE = 56 };

struct show {
    struct ping_request request;
    const char *paired; /* its name in the list of hosts, or NULL */
    bool quiet, json, ipv4, ipv6;
    const char *between; /* of JSON items */
};

static volatile sig_atomic_t stopped;

static void stop(int signo) {
    (void)signo;
    stopped = 1;
}

static void name_of(const struct ll_address *address, char *out, size_t size) {
    if (ll_address_host(address, out, size) != 0)
        snprintf(out, size, "?");
}

static void show_text(const struct show *show, const struct ping_line *l) {
    char name[LL_ADDRESS_TEXT];
    name_of(l->address, name, sizeof name);
    unsigned long long seq = l->sequence;
    switch (l->event) {
    case PING_STARTED:
        printf("PING %s (%s): %zu data bytes%s\n", show->request.host, name, l->size,
               l->raw ? "" : ", over an unprivileged echo socket");
        return;
    case PING_ANSWERED:
    case PING_REPEATED:
    case PING_DAMAGED:
        printf("%zu bytes from %s: icmp_seq=%llu ttl=%d time=%.3f ms%s\n", l->size, name, seq, l->hops,
               (double)l->time_ns / 1e6,
               l->event == PING_REPEATED  ? " (a second answer)"
               : l->event == PING_DAMAGED ? " (damaged)"
                                          : "");
        return;
    case PING_FAILED:
        printf("from %s: icmp_seq=%llu %s\n", name, seq, l->why);
        return;
    case PING_UNANSWERED:
        printf("no answer: icmp_seq=%llu within %.3g s\n", seq, (double)show->request.timeout_ns / 1e9);
    }
}

static void show_json(struct show *show, const struct ping_line *l) {
    static const char *const events[] = {"started", "answered", "repeated", "damaged", "failed", "unanswered"};
    char name[LL_ADDRESS_TEXT];
    name_of(l->address, name, sizeof name);
    if (l->event == PING_STARTED) {
        printf("{\"address\":\"%s\",\"raw\":%s,\"lines\":[", name, l->raw ? "true" : "false");
        return;
    }
    printf("%s\n{\"event\":\"%s\",\"from\":\"%s\",\"sequence\":%llu", show->between, events[l->event], name,
           (unsigned long long)l->sequence);
    if (l->time_ns >= 0 && l->event <= PING_DAMAGED)
        printf(",\"time\":%.9f,\"ttl\":%d,\"bytes\":%zu", (double)l->time_ns / 1e9, l->hops, l->size);
    if (l->why != NULL)
        printf(",\"why\":\"%s\"", l->why);
    printf("}");
    show->between = ",";
}

static void show_line(void *context, const struct ping_line *line) {
    struct show *show = context;
    if (show->json)
        show_json(show, line);
    else if (!show->quiet || line->event == PING_STARTED)
        show_text(show, line);
    fflush(stdout);
}

static void show_span(const char *name, int64_t ns) {
    if (ns >= 0)
        printf("%s %.3f ms", name, (double)ns / 1e6);
}

/* The same way through landline. */
static void show_pair(const struct show *show, const struct pair *p, int code) {
    if (show->json) {
        printf(",\"landline\":{\"code\":\"%s\"", code == 0 ? "" : ll_error_name(code));
        if (p->connect_ns >= 0)
            printf(",\"connect\":%.9f", (double)p->connect_ns / 1e9);
        if (p->ask_ns >= 0)
            printf(",\"round_trip\":%.9f", (double)p->ask_ns / 1e9);
        if (p->true_ns >= 0)
            printf(",\"true\":%.9f", (double)p->true_ns / 1e9);
        printf("}");
        return;
    }
    printf("landline:");
    show_span(" connected in", p->connect_code == 0 ? p->connect_ns : -1);
    show_span(", round trip", p->ask_ns);
    show_span(", `true` in", p->true_ns);
    printf("%s%s\n", code == 0 ? "" : " ", code == 0 ? "" : p->failure.sentence);
}

static int measure_pair(const struct show *show) {
    struct pair p;
    int code = pair_measure(&p, show->paired, (double)show->request.timeout_ns / 1e9);
    show_pair(show, &p, code);
    pair_close(&p);
    return code;
}

static void show_summary(const struct show *show, const struct ping_summary *s) {
    unsigned long long sent = s->sent, received = s->received;
    double lost = sent > 0 ? 100.0 * (double)(sent - received) / (double)sent : 0;
    double least = (double)s->least_ns / 1e6, most = (double)s->most_ns / 1e6;
    if (show->json) {
        printf("],\"sent\":%llu,\"received\":%llu,\"repeated\":%llu,\"damaged\":%llu,\"failed\":%llu,\"elapsed\":%.6f",
               sent, received, (unsigned long long)s->repeated, (unsigned long long)s->damaged,
               (unsigned long long)s->failed, (double)s->elapsed_ns / 1e9);
        if (received > 0)
            printf(",\"min\":%.9f,\"avg\":%.9f,\"max\":%.9f,\"mdev\":%.9f", least / 1e3, s->mean_ns / 1e9, most / 1e3,
                   s->deviation_ns / 1e9);
        return;
    }
    printf("\n--- %s ping statistics ---\n", show->request.host);
    printf("%llu packets transmitted, %llu received, ", sent, received);
    if (s->repeated > 0)
        printf("%llu repeated, ", (unsigned long long)s->repeated);
    if (s->damaged > 0)
        printf("%llu damaged, ", (unsigned long long)s->damaged);
    if (s->failed > 0)
        printf("%llu errors, ", (unsigned long long)s->failed);
    printf("%.4g%% packet loss, time %.0f ms\n", lost, (double)s->elapsed_ns / 1e6);
    if (received > 0)
        printf("rtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", least, s->mean_ns / 1e6, most, s->deviation_ns / 1e6);
}

static void complain(int code, const struct ll_error_info *info) {
    char text[256];
    ll_error_format(info, text, sizeof text);
    cli_error("ping: %s%s", text,
              code == -EPERM ? ": ICMP needs CAP_NET_RAW, or your group in the sysctl net.ipv4.ping_group_range" : "");
}

static int run(struct show *show) {
    struct ping_summary summary;
    struct ll_error_info info;
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int code = ping_run(&show->request, show_line, show, &summary, &info), pair_code = -1;
    bool started = summary.sent > 0 || code == 0;
    if (show->json && !started)
        printf("{\"lines\":[");
    if (started || show->json)
        show_summary(show, &summary);
    if (show->paired != NULL)
        pair_code = measure_pair(show);
    if (show->json)
        printf("}\n");
    if (code != 0)
        complain(code, &info);
    if (pair_code == 0 || summary.received > 0)
        return cli_finish(EXIT_OK);
    return cli_finish(code != 0 ? EXIT_USAGE : EXIT_FAILED);
}

/* A name of the list of hosts: ICMP goes to its first address, and landline is measured as well. */
static void find_paired(struct show *show, const char *name, char host[LIMIT_HOST_ADDRESSES + 1]) {
    struct hosts hosts = {0};
    const struct host *found = hosts_load(&hosts, NULL) == 0 ? hosts_find(&hosts, name) : NULL;
    show->request.host = name;
    if (found != NULL) {
        char first[LIMIT_HOST_ADDRESSES + 1];
        int port = CLI_PORT;
        snprintf(first, sizeof first, "%s", found->addresses);
        first[strcspn(first, ",")] = '\0';
        show->paired = name;
        if (ll_address_split(first, host, LIMIT_HOST_ADDRESSES + 1, &port) == 0)
            show->request.host = host;
    }
    hosts_free(&hosts);
}

static const char about[] =
    "Sends ICMP echo requests until Ctrl-C and shows how long the answers take; to a host that landline knows, also\n"
    "how long landline takes to connect, to answer, and to run `true` there.\n"
    "Exit status: 0 an answer came, 1 none came, 2 it could not be tried.";

int cmd_ping(const struct command *self, int argc, char **argv) {
    struct show show = {.request = {.interval_ns = 1000000000, .timeout_ns = 2000000000, .stop = &stopped},
                        .between = ""};
    uint64_t size = USUAL_SIZE;
    char host[LIMIT_HOST_ADDRESSES + 1];
    const struct option_row rows[] = {
        {"count", 'c', OPTION_NUMBER, &show.request.count, "N", "stop after N requests", NULL},
        {"interval", 'i', OPTION_DURATION, &show.request.interval_ns, "TIME", "between requests (1s)", NULL},
        {"wait", 'W', OPTION_DURATION, &show.request.timeout_ns, "TIME", "for an answer, at most (2s)", NULL},
        {"size", 's', OPTION_NUMBER, &size, "BYTES", "of payload (56)", NULL},
        {"quiet", 'q', OPTION_FLAG, &show.quiet, NULL, "only the summary", NULL},
        {"json", 'j', OPTION_FLAG, &show.json, NULL, "print one JSON object instead", NULL},
        {"ipv4", '4', OPTION_FLAG, &show.ipv4, NULL, "IPv4 only", NULL},
        {"ipv6", '6', OPTION_FLAG, &show.ipv6, NULL, "IPv6 only", NULL},
        {0},
    };
    struct operands operands;
    int leave = options_parse(&(struct options){.command = self, .rows = rows, .about = about, .min = 1, .max = 1},
                              argc, argv, &operands);
    if (leave >= 0)
        return leave;
    if (size > ECHO_LARGEST)
        return cli_usage(self, "--size: at most %d bytes fit into a packet", ECHO_LARGEST);
    if (show.request.interval_ns < 1000000)
        return cli_usage(self, "--interval: no shorter than 1ms");
    show.request.size = size;
    find_paired(&show, operands.values[0], host);
    show.request.family = show.ipv4 ? AF_INET : show.ipv6 ? AF_INET6 : 0;
    return run(&show);
}
