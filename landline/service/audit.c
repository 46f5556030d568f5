#include "landline/service/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/limits.h"

enum { MOST_ARGUMENTS = 64 << 10 }; /* bytes of argv in a line */

int audit_open(const char *path) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : fd;
}

static void add(struct buf *line, const char *text) {
    buf_add(line, text, strlen(text));
}

/* Length of the valid UTF-8 sequence at the start, 0 if there is none. */
static size_t utf8_length(const uint8_t *at, size_t n) {
    size_t length = at[0] >= 0xf1 && at[0] <= 0xf3   ? 4
                    : at[0] >= 0xe1 && at[0] <= 0xec ? 3
                    : at[0] >= 0xc2 && at[0] <= 0xdf ? 2
                                                     : 0;
    if (length == 0 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return length == 2 && at[0] == 0xc2 && at[1] < 0xa0 ? 0 : length;
}

static void add_string(struct buf *line, const void *bytes, size_t n) {
    const uint8_t *at = bytes;
    char escape[8];
    add(line, "\"");
    while (n > 0) {
        size_t length =
            at[0] >= 0x80 ? utf8_length(at, n) : at[0] >= ' ' && at[0] < 0x7f && at[0] != '"' && at[0] != '\\';
        if (length == 0) {
            snprintf(escape, sizeof escape, "\\u%04x", at[0]);
            add(line, escape);
            length = 1;
        } else {
            buf_add(line, at, length);
        }
        at += length;
        n -= length;
    }
    add(line, "\"");
}

static void add_name(struct buf *line, const char *name) {
    if (buf_size(line) > 0)
        add(line, ",");
    add(line, "\"");
    add(line, name);
    add(line, "\":");
}

void audit_text(struct buf *line, const char *name, const void *bytes, size_t n) {
    add_name(line, name);
    add_string(line, bytes, n);
}

void audit_number(struct buf *line, const char *name, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    add_name(line, name);
    add(line, text);
}

void audit_time(struct buf *line, const char *name, uint64_t unix_ms) {
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    char text[64];
    gmtime_r(&seconds, &parts);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + n, sizeof text - n, ".%03uZ", (unsigned)(unix_ms % 1000));
    audit_text(line, name, text, strlen(text));
}

static void add_key(struct buf *line, const uint8_t key[PEER_KEY]) {
    char text[2 * PEER_KEY + 1];
    for (size_t i = 0; i < PEER_KEY; i++)
        snprintf(text + 2 * i, 3, "%02x", key[i]);
    audit_text(line, "key", text, sizeof text - 1);
}

char *audit_describe(const struct peer *peer, const struct run_request *request) {
    struct buf line;
    char id[RUN_ID_TEXT + 1];
    size_t held = 0;
    buf_init(&line, LIMIT_BUFFER);
    run_id_print(&request->id, id);
    audit_text(&line, "id", id, RUN_ID_TEXT);
    audit_text(&line, "who", peer->label, strlen(peer->label));
    add_key(&line, peer->key);
    audit_text(&line, "from", peer->address, strlen(peer->address));
    add_name(&line, "argv");
    for (uint32_t i = 0; i < request->argc && held < MOST_ARGUMENTS; i++) {
        size_t n = request->argv[i].size < MOST_ARGUMENTS - held ? request->argv[i].size : MOST_ARGUMENTS - held;
        add(&line, i == 0 ? "[" : ",");
        add_string(&line, request->argv[i].data, n);
        held += n + 1;
    }
    add(&line, request->argc == 0 ? "[]" : "]");
    audit_number(&line, "flags", request->flags);
    audit_text(&line, "cwd", request->cwd.data, request->cwd.size);
    buf_add_u8(&line, 0);
    return line.failed == 0 ? (char *)line.data : (buf_free(&line), NULL);
}

void audit_gather(struct buf *lines, const struct buf *line) {
    uint8_t *to = line->failed == 0 ? buf_reserve(lines, buf_size(line) + 3) : NULL;
    if (to == NULL)
        return;
    buf_add(lines, "{", 1);
    buf_add(lines, line->data + line->start, buf_size(line));
    buf_add(lines, "}\n", 2);
}

void audit_write(int fd, struct buf *lines) {
    ssize_t n;
    do
        n = fd >= 0 && buf_size(lines) > 0 ? write(fd, buf_front(lines), buf_size(lines)) : 0;
    while (n < 0 && errno == EINTR);
    buf_clear(lines);
}
