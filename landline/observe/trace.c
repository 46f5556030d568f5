#include "landline/observe/trace.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/os/clock.h"
#include "lib/os/socket.h"

void trace_init(struct trace *t) {
    memset(t, 0, sizeof *t);
    flow_table_init(&t->table);
    buf_init(&t->kernel, LIMIT_TRACE_PICTURE);
}

void trace_free(struct trace *t) {
    capture_close(t->capture);
    t->capture = NULL;
    flow_table_free(&t->table);
    buf_free(&t->kernel);
}

int trace_begin(struct trace *t, const struct trace_place *place, const char *filter, struct ll_error_info *info) {
    const char *interface = place->interface != NULL ? place->interface : "any";
    int code = capture_open_live(&t->capture, interface, filter,
                                 place->keep != NULL ? LIMIT_CAPTURE_PACKET : LIMIT_CAPTURE_HEADERS, info);
    if (code == -EPERM || (code == LL_ENOTSUP && place->interface == NULL)) {
        t->blind = code;
        return 0;
    }
    if (code == 0 && place->keep != NULL)
        code = capture_keep(t->capture, place->keep, info);
    return code;
}

void trace_add_port(struct trace *t, uint16_t port) {
    t->ours[port / 8] |= (uint8_t)(1 << port % 8);
}

bool trace_is_ours(const struct trace *t, uint16_t port) {
    return (t->ours[port / 8] & 1 << port % 8) != 0;
}

int trace_drain(struct trace *t) {
    while (t->capture != NULL) {
        struct packet p;
        struct flow *which = NULL;
        int code = capture_next(t->capture, &p);
        if (code <= 0)
            return code;
        if (t->only_ours && !trace_is_ours(t, p.from.port) && !trace_is_ours(t, p.to.port))
            continue;
        code = flow_table_add(&t->table, &p, &which);
        if (code != 0)
            return code;
    }
    return 0;
}

void trace_judge(struct trace *t) {
    for (size_t i = 0; i < t->table.count; i++)
        flow_judge(t->table.flows[i]);
}

bool trace_settled(const struct trace *t) {
    for (size_t i = 0; i < t->table.count; i++) {
        if (!flow_ended(t->table.flows[i]))
            return false;
    }
    return true;
}

int trace_wait(struct trace *t, struct pollfd *fds, size_t count, int64_t deadline) {
    struct pollfd list[TRACE_WAIT_FDS + 1] = {{.fd = -1}};
    if (t->capture != NULL)
        list[0] = (struct pollfd){.fd = capture_fileno(t->capture), .events = POLLIN};
    for (size_t i = 0; i < count; i++)
        list[i + 1] = fds[i];
    int code = os_poll(list, count + 1, deadline);
    for (size_t i = 0; i < count; i++)
        fds[i].revents = code > 0 ? list[i + 1].revents : 0;
    if (code < 0 && code != -EINTR)
        return code;
    return trace_drain(t);
}

void trace_wait_late(struct trace *t) {
    int64_t deadline = clock_after(clock_now(), (int64_t)CAPTURE_DELAY_MS * 5 * 1000000);
    while (t->capture != NULL && clock_now() < deadline && trace_wait(t, NULL, 0, deadline) == 0)
        ;
}

/* An ended connection is kept for late segments while it is the last; its report is final all the same. */
size_t trace_report(struct trace *t, bool all) {
    size_t reported = 0;
    for (size_t i = 0; i < t->table.count; i++) {
        struct flow *f = t->table.flows[i];
        if (!f->reported) {
            flow_judge(f);
            if (!all && !flow_ended(f))
                continue;
            f->reported = true;
            if (t->each != NULL)
                t->each(t->context, f);
        }
        reported++;
    }
    return reported;
}

bool trace_stopped(const struct trace *t) {
    return t->stop != NULL && *t->stop != 0;
}

int trace_end(struct trace *t, struct ll_error_info *info) {
    if (t->capture == NULL)
        return 0;
    t->broken = capture_broken(t->capture);
    t->dropped = capture_dropped(t->capture);
    int code = capture_close(t->capture);
    t->capture = NULL;
    return code == 0 ? 0 : error_at(info, code, "write", "the capture file");
}

int trace_read(struct trace *t, const char *path, const char *keep, struct ll_error_info *info) {
    int code = capture_open_file(&t->capture, path, info);
    if (code == 0 && keep != NULL)
        code = capture_keep(t->capture, keep, info);
    if (code != 0)
        return code;
    code = trace_drain(t);
    int ended = trace_end(t, info);
    trace_judge(t);
    return code != LL_EOF ? error_at(info, code, "read", path) : ended;
}
