/* trace.h: what reaches a port, and what a command does. */
#include "landline/observe/trace.h"

#include <signal.h>
#include <stdio.h>

#include "landline/observe/kernel.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/os/clock.h"
#include "lib/os/follow.h"

static const int64_t look_every_ns = 50000000;    /* blind: how often the kernel is asked */
static const int64_t report_every_ns = 500000000; /* at the latest, what ended is reported */
static const int64_t last_packets_ns = 300000000;

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* With eyes closed: what the socket diagnostics show, until the deadline. */
static void watch_blind(struct trace *t, uint16_t port, int64_t deadline) {
    struct buf before;
    buf_init(&before, LIMIT_TRACE_PICTURE);
    while (!trace_stopped(t) && clock_now() < deadline) {
        kernel_changes(&t->kernel, &before, port);
        trace_wait(t, NULL, 0, earlier(deadline, clock_after(clock_now(), look_every_ns)));
        if (t->each != NULL && buf_size(&t->kernel) > 0)
            t->each(t->context, NULL);
    }
    buf_free(&before);
}

int trace_watch(struct trace *t, const struct trace_place *place, uint16_t port, uint64_t count, int64_t duration_ns,
                struct ll_error_info *info) {
    char filter[80];
    int64_t deadline = duration_ns > 0 ? clock_after(clock_now(), duration_ns) : CLOCK_NEVER;
    snprintf(filter, sizeof filter, "tcp port %u or icmp or icmp6", port);
    t->only_ours = true;
    trace_add_port(t, port);
    int code = trace_begin(t, place, filter, info);
    if (code != 0)
        return code;
    if (t->each != NULL)
        t->each(t->context, NULL); /* ready */
    if (t->blind != 0) {
        watch_blind(t, port, deadline);
        return 0;
    }
    while (code == 0 && !trace_stopped(t) && clock_now() < deadline) {
        code = trace_wait(t, NULL, 0, earlier(deadline, clock_after(clock_now(), report_every_ns)));
        if (count > 0 && trace_report(t, false) >= count)
            break;
        if (count == 0)
            trace_report(t, false);
    }
    trace_wait_late(t);
    trace_report(t, true);
    int ended = trace_end(t, info);
    return code != 0 ? error_at(info, code, "capture", "packets") : ended;
}

/* Lets the command's calls through and learns its ports, until nobody is left who could make one. */
static int follow_all(struct trace *t, struct follow *f, int *status) {
    bool running = true, filtered = true;
    int code = 0;
    while (code == 0 && (running || filtered) && !trace_stopped(t)) {
        struct pollfd fds[2] = {{.fd = filtered ? f->listener : -1, .events = POLLIN},
                                {.fd = running ? f->pidfd : -1, .events = POLLIN}};
        code = trace_wait(t, fds, 2, clock_after(clock_now(), report_every_ns));
        uint16_t port = 0;
        if ((fds[0].revents & POLLIN) != 0) {
            if (follow_next(f, &port) != FOLLOW_NOTHING)
                trace_add_port(t, port);
        } else if (fds[0].revents != 0) {
            filtered = false;
        }
        if (fds[1].revents != 0) {
            *status = follow_wait(f);
            running = false;
        }
    }
    if (running && code == 0)
        *status = 128 + SIGINT;
    return code;
}

/* What the diagnostics still know of the ports of a command that has ended. */
static void note_ports(struct trace *t) {
    for (uint32_t port = 1; port <= UINT16_MAX; port++) {
        if (trace_is_ours(t, (uint16_t)port))
            kernel_port(&t->kernel, "at the end", (uint16_t)port);
    }
}

int trace_command(struct trace *t, const struct trace_place *place, char *const argv[], int *status,
                  struct ll_error_info *info) {
    struct follow f;
    t->only_ours = true;
    int code = trace_begin(t, place, "tcp or icmp or icmp6", info);
    if (code != 0)
        return code;
    code = follow_start(&f, argv);
    if (code != 0)
        return error_at(info, code, "start", argv[0]);
    code = follow_all(t, &f, status);
    int64_t deadline = clock_after(clock_now(), last_packets_ns);
    while (code == 0 && t->capture != NULL && clock_now() < deadline && !(t->table.count > 0 && trace_settled(t))) {
        code = trace_wait(t, NULL, 0, deadline);
        trace_judge(t);
    }
    follow_close(&f);
    note_ports(t);
    trace_wait_late(t);
    trace_report(t, true);
    int ended = trace_end(t, info);
    return code != 0 ? error_at(info, code, "capture", "packets") : ended;
}
