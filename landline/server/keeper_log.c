/* The server's log. What others can cause has a share of its own for each kind of line: a gate that was taken over, or who fails to
 * enrol again and again, fills no disk and hides nothing of another kind. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "landline/server/keeper.h"
#include "lib/base/escape.h"

enum { READS = 64 }; /* more than a pipe holds */

static const int64_t MS = 1000000;

static void say(struct keeper *keeper, const char *text) {
    if (keeper->config.log != NULL)
        keeper->config.log(keeper->config.arg, text);
}

static void begin_share(struct keeper *keeper) {
    if (ll_timer_deadline(keeper->log_timer) == LL_NEVER)
        ll_timer_set(keeper->log_timer, ll_loop_now(keeper->loop) + LIMIT_LOG_MS * MS);
}

void keeper_log(struct keeper *keeper, enum keeper_line kind, const char *format, ...) {
    char text[1024];
    va_list args;
    if (kind != LINE_OWN) {
        begin_share(keeper);
        if (++keeper->lines[kind] > LIMIT_LOG_LINES)
            return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(keeper, text);
}

void keeper_log_rest(void *arg) {
    static const char *const about[LINE_KINDS] = {
        [LINE_GATE] = "from the gate",
        [LINE_GATE_END] = "about gates that ended",
        [LINE_ENROL] = "about keys that were not enrolled",
    };
    struct keeper *keeper = arg;
    char text[128];
    for (int kind = 0; kind < LINE_KINDS; kind++) {
        if (keeper->lines[kind] > LIMIT_LOG_LINES) {
            snprintf(text, sizeof text, "%llu more lines %s were left out",
                     (unsigned long long)(keeper->lines[kind] - LIMIT_LOG_LINES), about[kind]);
            say(keeper, text);
        }
        keeper->lines[kind] = 0;
    }
}

/* --- what a gate writes to its standard error: the last words of the C library, mostly --- */

static void say_lines(struct keeper *keeper, const char *bytes, size_t n) {
    char text[1024];
    while (n > 0) {
        const char *end = memchr(bytes, '\n', n);
        size_t length = end != NULL ? (size_t)(end - bytes) : n;
        escape_sentence(text, sizeof text, bytes, length);
        keeper_log(keeper, LINE_GATE, "gate: %s", text);
        length += end != NULL;
        bytes += length;
        n -= length;
    }
}

static void hear(struct keeper *keeper) {
    char bytes[4096];
    ssize_t n = 1;
    for (int i = 0; i < READS && n > 0; i++) {
        n = read(keeper->gate_said, bytes, sizeof bytes);
        if (n > 0)
            say_lines(keeper, bytes, (size_t)n);
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        ll_watch_set(keeper->said_watch, 0);
}

static void said(void *arg, unsigned events) {
    (void)events;
    hear(arg);
}

int keeper_hear_gate(struct keeper *keeper) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    keeper->gate_said = ends[0];
    int e = fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0
                ? -errno
                : ll_loop_fd(keeper->loop, ends[0], LL_READ, said, keeper, &keeper->said_watch);
    if (e == 0)
        return ends[1];
    close(ends[1]);
    return e;
}

void keeper_unhear_gate(struct keeper *keeper) {
    if (keeper->gate_said < 0)
        return;
    if (keeper->said_watch != NULL)
        hear(keeper);
    ll_watch_free(keeper->said_watch);
    keeper->said_watch = NULL;
    close(keeper->gate_said);
    keeper->gate_said = -1;
}
