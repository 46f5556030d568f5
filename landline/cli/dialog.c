#include "landline/cli/dialog.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/escape.h"
#include "lib/base/limits.h"

enum { READ_AT_ONCE = 4096, LINE_SHOWN = 1024 };

/* 0 while the connection is there, also when something has arrived early. */
static int look_after(ll_socket *server, struct pollfd *poll) {
    char byte;
    if (poll->revents == 0)
        return 0;
    int rc = ll_socket_settimeout(server, 0);
    if (rc < 0)
        return rc;
    ssize_t n = ll_socket_recv(server, &byte, 1, MSG_PEEK);
    if (n > 0)
        poll->fd = -1;
    return n == 0 ? LL_ECLOSED : n < 0 && n != -EAGAIN ? (int)n : 0;
}

static int read_more(struct dialog *d) {
    uint8_t *into = buf_reserve(&d->input, READ_AT_ONCE);
    if (into == NULL)
        return d->input.failed;
    ssize_t n = read(STDIN_FILENO, into, READ_AT_ONCE);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    buf_commit(&d->input, (size_t)n);
    d->input_over = n == 0;
    return 0;
}

static bool take_line(struct dialog *d, const char **line, size_t *size) {
    const char *start = (const char *)buf_front(&d->input);
    size_t held = buf_size(&d->input);
    const char *end = held > 0 ? memchr(start, '\n', held) : NULL;
    if (end == NULL && (!d->input_over || held == 0))
        return false;
    *line = start;
    *size = end != NULL ? (size_t)(end - start) : held;
    d->used = end != NULL ? *size + 1 : *size;
    return true;
}

static int ask(void *arg, const char *prompt, ll_socket *server, const char **line, size_t *size) {
    struct dialog *d = arg;
    struct pollfd polls[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = ll_socket_fileno(server), .events = POLLIN | POLLRDHUP}};
    buf_consume(&d->input, d->used);
    d->used = 0;
    if (d->prompts)
        fputs(prompt, stdout);
    if (fflush(stdout) != 0)
        return -errno;
    while (!take_line(d, line, size)) {
        if (d->input_over)
            return LL_EOF;
        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            return -errno;
        int rc = look_after(server, &polls[1]);
        if (rc == 0 && polls[0].revents != 0)
            rc = read_more(d);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Escaped, but for tabs. */
static void put_line(const char *bytes, size_t n) {
    char out[4 * LINE_SHOWN + 1];
    while (n > 0) {
        const char *tab = memchr(bytes, '\t', n);
        size_t part = tab != NULL ? (size_t)(tab - bytes) : n;
        fwrite(out, 1, escape_bytes(out, sizeof out, bytes, part), stdout);
        if (tab != NULL) {
            putchar('\t');
            part++;
        }
        bytes += part;
        n -= part;
    }
}

/* Whole lines only, so that no character is torn; very long ones in parts. */
static void put_lines(struct dialog *d, bool all) {
    size_t held;
    while ((held = buf_size(&d->shown)) > 0) {
        const char *start = (const char *)buf_front(&d->shown);
        size_t look = held < LINE_SHOWN ? held : LINE_SHOWN;
        const char *end = memchr(start, '\n', look);
        if (end == NULL && held < LINE_SHOWN && !all)
            return;
        size_t line = end != NULL ? (size_t)(end - start) : look;
        put_line(start, line);
        if (end != NULL)
            putchar('\n');
        buf_consume(&d->shown, end != NULL ? line + 1 : line);
    }
}

static int show(void *arg, const void *bytes, size_t n, bool last) {
    struct dialog *d = arg;
    if (n > 0)
        d->last = ((const char *)bytes)[n - 1];
    if (!d->escapes) {
        fwrite(bytes, 1, n, stdout);
    } else {
        buf_add(&d->shown, bytes, n);
        if (d->shown.failed)
            return d->shown.failed;
        put_lines(d, last);
    }
    if (last && d->last != '\n')
        putchar('\n');
    if (last)
        d->last = '\n';
    return fflush(stdout) != 0 || ferror(stdout) ? -EIO : 0;
}

__attribute__((format(printf, 2, 3))) static int tell(void *arg, const char *format, ...) {
    va_list arguments;
    (void)arg;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    return fflush(stdout) != 0 ? -errno : 0;
}

void dialog_init(struct dialog *d) {
    *d = (struct dialog){
        .terminal = {.ask = ask, .show = show, .tell = tell, .arg = d},
        .prompts = isatty(STDIN_FILENO) == 1,
        .escapes = isatty(STDOUT_FILENO) == 1,
        .last = '\n',
    };
    buf_init(&d->input, LIMIT_CLASSIC_LINE);
    buf_init(&d->shown, LIMIT_BUFFER);
}

void dialog_free(struct dialog *d) {
    buf_free(&d->input);
    buf_free(&d->shown);
}
