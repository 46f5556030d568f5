/* landline trace: what TCP did, drawn. */
#include "landline/cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "landline/address.h"
#include "landline/cli/options.h"
#include "landline/client/hosts.h"
#include "landline/observe/draw.h"
#include "landline/observe/trace.h"
#include "lib/base/limits.h"
#include "lib/base/number.h"

enum { USUAL_COLUMNS = 100 };

struct request {
    const struct command *command;
    struct draw_style style;
    struct trace_place place;
    struct trace_target target;
    const char *read, *svg, *language, *watch, *send;
    uint64_t columns, count;
    int64_t duration;
    bool json, ipv4, ipv6;
    struct buf bytes; /* of --send */
};

static volatile sig_atomic_t stopped;

static void stop(int signo) {
    (void)signo;
    stopped = 1;
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int complain(const struct ll_error_info *info) {
    char text[256];
    ll_error_format(info, text, sizeof text);
    cli_error("trace: %s", text);
    return EXIT_FAILED;
}

static void write_out(const struct buf *out) {
    fwrite(buf_front(out), 1, buf_size(out), stdout);
    fflush(stdout);
}

static int save(const char *path, const struct buf *out) {
    FILE *file = fopen(path, "we");
    bool written = file != NULL && fwrite(buf_front(out), 1, buf_size(out), file) == buf_size(out);
    int failed = written ? 0 : errno;
    if (file != NULL && fclose(file) != 0 && failed == 0)
        failed = errno;
    if (failed == 0)
        return EXIT_OK;
    cli_error("trace: cannot write %s: %s", path, strerror(failed));
    return EXIT_FAILED;
}

static void put_kernel_json(struct buf *out, const struct buf *kernel) {
    const char *at = (const char *)buf_front(kernel), *end = at + buf_size(kernel);
    words_format(out, "\"kernel\":[");
    for (const char *between = ""; at < end; between = ",") {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        words_format(out, "%s", between);
        draw_json_string(out, at, (size_t)((line_end != NULL ? line_end : end) - at));
        at = line_end != NULL ? line_end + 1 : end;
    }
    words_format(out, "]");
    buf_add_u8(out, '\0');
}

static int show_json(const struct request *r, const struct trace *t) {
    struct buf out, kernel;
    buf_init(&out, LIMIT_TRACE_PICTURE);
    buf_init(&kernel, LIMIT_TRACE_PICTURE);
    put_kernel_json(&kernel, &t->kernel);
    draw_json(&out, &t->table, r->style.language, kernel.failed == 0 ? (const char *)buf_front(&kernel) : NULL);
    if (out.failed == 0)
        write_out(&out);
    else
        cli_error("trace: %s", ll_strerror(out.failed));
    int status = out.failed == 0 ? EXIT_OK : EXIT_FAILED;
    buf_free(&kernel);
    buf_free(&out);
    return status;
}

/* A connection as soon as it is ready to be drawn; without one, the news of the kernel. */
struct show {
    const struct request *request;
    struct trace *trace;
    bool ready;
};

static void show_flow(void *context, const struct flow *f) {
    struct show *show = context;
    struct buf out;
    buf_init(&out, LIMIT_TRACE_PICTURE);
    if (f != NULL && !show->request->json) {
        draw_terminal(&out, f, &show->request->style);
        words_format(&out, "\n");
    } else if (f == NULL && buf_size(&show->trace->kernel) > 0 && !show->request->json) {
        buf_add(&out, buf_front(&show->trace->kernel), buf_size(&show->trace->kernel));
        buf_clear(&show->trace->kernel);
    }
    write_out(&out);
    buf_free(&out);
    if (f == NULL && !show->ready) {
        show->ready = true;
        cli_error("watching port %s; Ctrl-C ends it", show->request->watch);
    }
}

static void say_blind(const struct trace *t) {
    if (t->blind == -EPERM)
        cli_error(
            "trace: no privilege to capture packets (CAP_NET_RAW); what follows is what the kernel tells everybody. "
            "Run it as root, or once: setcap cap_net_raw+ep %s",
            cli_argv[0]);
    else if (t->blind != 0)
        cli_error("trace: this landline was built without libpcap; what follows is what the kernel tells everybody");
}

static int show_end(const struct request *r, struct trace *t) {
    int status = EXIT_OK;
    struct buf out;
    buf_init(&out, LIMIT_TRACE_PICTURE);
    if (r->svg != NULL) {
        draw_svg(&out, &t->table, &r->style);
        status = save(r->svg, &out);
        buf_clear(&out);
    }
    if (r->json) {
        status = show_json(r, t) != EXIT_OK ? EXIT_FAILED : status;
    } else {
        draw_kernel(&out, &t->kernel, &r->style);
        write_out(&out);
    }
    if (t->dropped + t->broken + t->table.refused > 0)
        cli_error("trace: %llu packets were lost by the capture, %llu were broken, %llu belonged to more connections "
                  "than are followed",
                  (unsigned long long)t->dropped, (unsigned long long)t->broken, (unsigned long long)t->table.refused);
    buf_free(&out);
    return status;
}

static int finish(const struct request *r, struct trace *t, int code, const struct ll_error_info *info) {
    int status = show_end(r, t);
    return code != 0 ? complain(info) : status;
}

static int run_read(struct request *r, struct trace *t) {
    struct ll_error_info info;
    int code = trace_read(t, r->read, r->place.keep, &info);
    trace_report(t, true);
    return finish(r, t, code, &info);
}

/* A name of the list of hosts stands for its first address; any other text for itself. */
static const char *known_address(const char *text, char address[LIMIT_HOST_ADDRESSES + 1]) {
    struct hosts hosts = {0};
    const struct host *host = hosts_load(&hosts, NULL) == 0 ? hosts_find(&hosts, text) : NULL;
    if (host != NULL) {
        snprintf(address, LIMIT_HOST_ADDRESSES + 1, "%s", host->addresses);
        address[strcspn(address, ",")] = '\0';
    }
    hosts_free(&hosts);
    return host != NULL ? address : text;
}

static int run_target(struct request *r, struct trace *t, const char *text) {
    char host[256], address[LIMIT_HOST_ADDRESSES + 1];
    struct ll_error_info info;
    r->target.port = CLI_PORT;
    int code = ll_address_split(known_address(text, address), host, sizeof host, &r->target.port);
    if (code != 0)
        return cli_usage(r->command, "'%s' is not HOST[:PORT]: %s", text, ll_strerror(code));
    r->target.host = host;
    r->target.family = r->ipv4 ? AF_INET : r->ipv6 ? AF_INET6 : 0;
    code = trace_connect(t, &r->place, &r->target, &info);
    say_blind(t);
    trace_report(t, true);
    return finish(r, t, code, &info);
}

static int run_watch(struct request *r, struct trace *t) {
    struct ll_error_info info;
    uint64_t port = 0;
    if (number_parse(r->watch, 1, 65535, &port) != 0)
        return cli_usage(r->command, "--watch: '%s' is not a port", r->watch);
    int code = trace_watch(t, &r->place, (uint16_t)port, r->count, r->duration, &info);
    say_blind(t);
    return finish(r, t, code, &info);
}

static int run_command(struct request *r, struct trace *t, const struct operands *words) {
    struct ll_error_info info;
    char **argv = words->values;
    argv[words->count] = NULL; /* the parser has moved the words to the front; what is behind them is old */
    int status = EXIT_OK;
    int code = trace_command(t, &r->place, argv, &status, &info);
    say_blind(t);
    int shown = finish(r, t, code, &info);
    if (code == -ENOENT)
        return EXIT_NOT_FOUND;
    return shown != EXIT_OK ? shown : status;
}

static int run(struct request *r, const struct operands *operands, bool command) {
    struct trace t;
    int status = EXIT_USAGE;
    trace_init(&t);
    struct show show = {.request = r, .trace = &t};
    t.stop = &stopped;
    t.each = show_flow;
    t.context = &show;
    catch_signals();
    if (r->read != NULL && operands->count == 0)
        status = run_read(r, &t);
    else if (r->watch != NULL && operands->count == 0)
        status = run_watch(r, &t);
    else if (command && operands->count > 0)
        status = run_command(r, &t, operands);
    else if (operands->count == 1)
        status = run_target(r, &t, operands->values[0]);
    else
        status = cli_usage(r->command, "one HOST[:PORT], -- and a command, --watch PORT, or --read FILE");
    trace_free(&t);
    return cli_finish(status);
}

/* C escapes in --send: \n \r \t \\ \0 \xNN. */
static const char *take_bytes(void *target, const char *value) {
    struct buf *out = target;
    for (const char *at = value; *at != '\0'; at++) {
        static const char letters[] = "n\nr\rt\t\\\\";
        const char *known = *at == '\\' && at[1] != '\0' ? strchr(letters, at[1]) : NULL;
        unsigned int byte = 0;
        int used = 0;
        if (*at != '\\')
            buf_add_u8(out, (uint8_t)*at);
        else if (known != NULL && (known - letters) % 2 == 0)
            buf_add_u8(out, (uint8_t)known[1]), at++;
        else if (at[1] == 'x' && sscanf(at + 2, "%2x%n", &byte, &used) == 1 && used == 2)
            buf_add_u8(out, (uint8_t)byte), at += 3;
        else if (at[1] == '0')
            buf_add_u8(out, 0), at++;
        else
            return "has an escape other than \\n \\r \\t \\\\ \\0 \\xNN";
    }
    return out->failed == 0 ? NULL : "is too long";
}

static const char *take_columns(void *target, const char *value) {
    static_assert(DRAW_NARROWEST == 60 && DRAW_WIDEST == 200, "the sentence says so");
    return number_parse(value, DRAW_NARROWEST, DRAW_WIDEST, target) != 0 ? "is not a number from 60 to 200" : NULL;
}

static int terminal_columns(void) {
    struct winsize size;
    const char *set = getenv("COLUMNS");
    uint64_t columns = 0;
    if (set != NULL && number_parse(set, 1, 10000, &columns) == 0)
        return (int)columns;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return USUAL_COLUMNS;
}

/* The first of LC_ALL, LC_CTYPE and LANG that is set says whether the terminal understands more than ASCII. */
static bool speaks_utf8(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && *value != '\0')
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

static int prepare(struct request *r) {
    int language = words_language(r->language);
    if (language < 0)
        return cli_usage(r->command, "--lang: '%s' is not en or zh", r->language);
    r->style.language = (enum words_language)language;
    r->style.columns = r->columns > 0 ? (int)r->columns : terminal_columns();
    r->style.ascii = r->style.ascii || (language == WORDS_EN && isatty(STDOUT_FILENO) && !speaks_utf8());
    r->style.color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    r->target.send = buf_front(&r->bytes);
    r->target.send_size = buf_size(&r->bytes);
    return -1;
}

static const char about[] =
    "Connects to HOST (known to landline, or any other; port 7227 unless it is named), closes, and draws what the two "
    "machines said to each other: every\n"
    "segment with its flags, numbers, options and time, the state of both ends, and what it means. With -- it runs a\n"
    "command and draws the connections that the command and its children open or accept; with --watch it draws those\n"
    "of a local port. Capturing needs CAP_NET_RAW; without it the kernel's own account is shown (TCP_INFO, ss).";

static bool has_dashes(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            return true;
    }
    return false;
}

int cmd_trace(const struct command *self, int argc, char **argv) {
    struct request r = {.command = self, .language = "en", .target.timeout_ns = 5000000000};
    buf_init(&r.bytes, LIMIT_TRACE_SEND);
    const struct option_row rows[] = {
        {"explain", 'e', OPTION_FLAG, &r.style.explain, NULL, "explain every step in full sentences", NULL},
        {"lang", 'l', OPTION_TEXT, &r.language, "LANG", "en or zh", NULL},
        {"svg", 0, OPTION_TEXT, &r.svg, "FILE", "also write the picture as SVG", NULL},
        {"json", 'j', OPTION_FLAG, &r.json, NULL, "print one JSON object instead", NULL},
        {"pcap", 'w', OPTION_TEXT, &r.place.keep, "FILE", "also keep the packets in a pcap file", NULL},
        {"read", 'r', OPTION_TEXT, &r.read, "FILE", "draw the connections of a capture file", NULL},
        {"watch", 0, OPTION_TEXT, &r.watch, "PORT", "draw what reaches or leaves this local port", NULL},
        {"count", 'c', OPTION_NUMBER, &r.count, "N", "with --watch: end after N connections", NULL},
        {"duration", 0, OPTION_DURATION, &r.duration, "TIME", "with --watch: end after so long", NULL},
        {"send", 's', OPTION_CALL, &r.bytes, "TEXT", "send this (\\n, \\xNN are understood), wait for one answer",
         take_bytes},
        {"hold", 0, OPTION_DURATION, &r.target.hold_ns, "TIME", "stay connected so long", NULL},
        {"keepalive", 0, OPTION_DURATION, &r.target.keepalive_ns, "TIME", "ask after so much silence", NULL},
        {"reset", 0, OPTION_FLAG, &r.target.reset, NULL, "end with RST instead of FIN", NULL},
        {"timeout", 't', OPTION_DURATION, &r.target.timeout_ns, "TIME", "wait no longer for an answer (5s)", NULL},
        {"interface", 'i', OPTION_TEXT, &r.place.interface, "NAME", "capture there only", NULL},
        {"ipv4", '4', OPTION_FLAG, &r.ipv4, NULL, "IPv4 only", NULL},
        {"ipv6", '6', OPTION_FLAG, &r.ipv6, NULL, "IPv6 only", NULL},
        {"columns", 0, OPTION_CALL, &r.columns, "N", "width of the picture, 60 to 200", take_columns},
        {"ascii", 0, OPTION_FLAG, &r.style.ascii, NULL, "draw with ASCII characters only", NULL},
        {0},
    };
    struct operands operands;
    bool command = has_dashes(argc, argv);
    int leave = options_parse(&(struct options){.command = self, .rows = rows, .about = about, .max = -1}, argc, argv,
                              &operands);
    if (leave < 0)
        leave = prepare(&r);
    if (leave < 0)
        leave = run(&r, &operands, command);
    buf_free(&r.bytes);
    return leave;
}
