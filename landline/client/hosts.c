#include "landline/client/hosts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/address.h"
#include "lib/base/error.h"
#include "lib/os/paths.h"
#include "lib/os/whole.h"

static const char HEADER[] = "# landline hosts: name, addresses, the server's pin, the key file used there\n";

enum { HOST_LINE = LIMIT_HOST_NAME * 2 + LIMIT_HOST_ADDRESSES + TLS_PIN_TEXT + 8 };

void hosts_free(struct hosts *hosts) {
    free(hosts->list);
    *hosts = (struct hosts){0};
}

static bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool hosts_name_ok(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > LIMIT_HOST_NAME || !is_alphanumeric(name[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_alphanumeric(name[i]) && strchr("._-", name[i]) == NULL)
            return false;
    return true;
}

static bool address_ok(const char *text) {
    char host[LIMIT_HOST_ADDRESSES + 1];
    int port = 0;
    return ll_address_split(text, host, sizeof host, &port) == 0 && host[0] != '\0' && port != 0;
}

bool hosts_addresses_ok(const char *addresses) {
    char copy[LIMIT_HOST_ADDRESSES + 1], *rest = copy, *one;
    if (strlen(addresses) >= sizeof copy || addresses[0] == '\0')
        return false;
    for (const char *at = addresses; *at != '\0'; at++)
        if (*at <= ' ' || *at >= 0x7f)
            return false;
    memcpy(copy, addresses, strlen(addresses) + 1);
    while ((one = strsep(&rest, ",")) != NULL)
        if (!address_ok(one))
            return false;
    return true;
}

struct host *hosts_find(const struct hosts *hosts, const char *name) {
    for (size_t i = 0; i < hosts->count; i++)
        if (strcmp(hosts->list[i].name, name) == 0)
            return &hosts->list[i];
    return NULL;
}

/* There is room for a power of two of them. */
static int append(struct hosts *hosts, const struct host *host) {
    size_t n = hosts->count;
    if (n >= LIMIT_HOSTS)
        return LL_ELIMIT;
    if ((n & (n - 1)) == 0) {
        struct host *grown = reallocarray(hosts->list, n > 0 ? 2 * n : 1, sizeof *grown);
        if (grown == NULL)
            return -ENOMEM;
        hosts->list = grown;
    }
    hosts->list[hosts->count++] = *host;
    return 0;
}

/* The four words of a line; NULL, or what is wrong with it. */
static const char *parse_line(struct host *host, char *line) {
    char *words[4], *rest = line;
    for (int i = 0; i < 4; i++)
        if ((words[i] = strsep(&rest, " ")) == NULL)
            return "not four words";
    if (rest != NULL)
        return "not four words";
    if (!hosts_name_ok(words[0]) || !hosts_name_ok(words[3]))
        return "not a name";
    if (!hosts_addresses_ok(words[1]))
        return "not a list of HOST:PORT";
    if (tls_pin_parse(&host->pin, words[2]) != 0)
        return "not a pin";
    memcpy(host->name, words[0], strlen(words[0]) + 1);
    memcpy(host->addresses, words[1], strlen(words[1]) + 1);
    memcpy(host->key, words[3], strlen(words[3]) + 1);
    return NULL;
}

static int parse_one(struct hosts *hosts, const char *line, size_t n, const char **why) {
    char copy[HOST_LINE];
    struct host host = {0};
    if (n == 0 || line[0] == '#')
        return 0;
    *why = "malformed line";
    if (n >= sizeof copy || memchr(line, '\0', n) != NULL)
        return LL_EFORMAT;
    memcpy(copy, line, n);
    copy[n] = '\0';
    const char *wrong = parse_line(&host, copy);
    if (wrong == NULL && hosts_find(hosts, host.name) != NULL)
        wrong = "a name that was there before";
    if (wrong != NULL) {
        *why = wrong;
        return LL_EFORMAT;
    }
    static_assert(LIMIT_HOSTS == 10000, "the sentence says how many");
    int error = append(hosts, &host);
    *why = error == LL_ELIMIT ? "more than 10000 hosts" : "read";
    return error;
}

int hosts_parse(struct hosts *hosts, const char *name, const void *text, size_t n, struct ll_error_info *info) {
    const char *at = n > 0 ? text : "", *end = at + n; /* an empty buffer has no address */
    for (unsigned number = 1; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *why = "read";
        int error = newline == NULL ? LL_EFORMAT : parse_one(hosts, at, (size_t)(newline - at), &why);
        if (error != 0) {
            char place[PATHS_SIZE + 16];
            snprintf(place, sizeof place, "%s:%u", name, number);
            return error_at(info, error, newline == NULL ? "a last line without an end" : why, place);
        }
        at = newline + 1;
    }
    return 0;
}

void hosts_write(struct buf *out, const struct hosts *hosts) {
    buf_add(out, HEADER, sizeof HEADER - 1);
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->list[i];
        char pin[TLS_PIN_TEXT], line[HOST_LINE];
        tls_pin_format(&host->pin, pin);
        int n = snprintf(line, sizeof line, "%s %s %s %s\n", host->name, host->addresses, pin, host->key);
        buf_add(out, line, (size_t)n);
    }
}

static int hosts_path(const char *name, char path[PATHS_SIZE], struct ll_error_info *info) {
    int error = paths_folder(PATHS_CONFIG, path);
    if (error == 0)
        error = paths_join(path, path, name);
    return error == 0 ? 0 : error_at(info, error, "find the config folder", "");
}

int hosts_load(struct hosts *hosts, struct ll_error_info *info) {
    char path[PATHS_SIZE];
    struct buf text;
    *hosts = (struct hosts){0};
    buf_init(&text, LIMIT_HOSTS_FILE);
    int error = hosts_path("hosts", path, info);
    if (error == 0)
        error = whole_read(path, &text, info);
    if (error == -ENOENT)
        error = 0;
    else if (error == 0)
        error = hosts_parse(hosts, path, buf_front(&text), buf_size(&text), info);
    buf_free(&text);
    if (error != 0)
        hosts_free(hosts);
    return error;
}

static int save(const struct hosts *hosts, struct ll_error_info *info) {
    char path[PATHS_SIZE];
    struct buf text;
    buf_init(&text, LIMIT_HOSTS_FILE);
    hosts_write(&text, hosts);
    int error = hosts_path("hosts", path, info);
    if (error == 0 && text.failed != 0)
        error = error_at(info, text.failed, "write", path);
    if (error == 0)
        error = whole_replace(path, buf_front(&text), buf_size(&text), 0600, info);
    buf_free(&text);
    return error;
}

/* A change: NULL arguments are passed through. */
typedef int change_fn(struct hosts *hosts, const void *a, const void *b);

static int change(change_fn *apply, const void *a, const void *b, const char *subject, struct ll_error_info *info) {
    char folder[PATHS_SIZE], lock_path[PATHS_SIZE];
    struct hosts hosts = {0};
    int error = paths_folder(PATHS_CONFIG, folder);
    if (error != 0)
        return error_at(info, error, "find the config folder", "");
    if ((error = paths_make(folder, info)) != 0 || (error = hosts_path("hosts.lock", lock_path, info)) != 0)
        return error;
    int lock = whole_lock(lock_path, info);
    if (lock < 0)
        return lock;
    error = hosts_load(&hosts, info);
    if (error == 0 && (error = apply(&hosts, a, b)) != 0)
        error_at(info, error, "change the list of hosts", subject);
    if (error == 0)
        error = save(&hosts, info);
    hosts_free(&hosts);
    close(lock);
    return error;
}

/* Asked before a change, so that one of a host that is not known makes no folder and no lock. */
static int known(const char *name, struct ll_error_info *info) {
    struct hosts hosts;
    int error = hosts_load(&hosts, info);
    if (error == 0 && hosts_find(&hosts, name) == NULL)
        error = error_at(info, LL_EHOST, "change the list of hosts", name);
    hosts_free(&hosts);
    return error;
}

static int apply_add(struct hosts *hosts, const void *host, const void *unused) {
    (void)unused;
    return hosts_find(hosts, ((const struct host *)host)->name) != NULL ? -EEXIST : append(hosts, host);
}

static int apply_rename(struct hosts *hosts, const void *from, const void *to) {
    struct host *host = hosts_find(hosts, from);
    if (host == NULL)
        return LL_EHOST;
    if (!hosts_name_ok(to))
        return LL_EUSAGE;
    if (hosts_find(hosts, to) != NULL)
        return -EEXIST;
    memcpy(host->name, to, strlen(to) + 1);
    return 0;
}

static int apply_remove(struct hosts *hosts, const void *name, const void *unused) {
    (void)unused;
    struct host *host = hosts_find(hosts, name);
    if (host == NULL)
        return LL_EHOST;
    size_t after = hosts->count - (size_t)(host - hosts->list) - 1;
    memmove(host, host + 1, after * sizeof *host);
    hosts->count--;
    return 0;
}

int hosts_add(const struct host *host, struct ll_error_info *info) {
    return change(apply_add, host, NULL, host->name, info);
}

int hosts_rename(const char *from, const char *to, struct ll_error_info *info) {
    int error = known(from, info);
    return error != 0 ? error : change(apply_rename, from, to, from, info);
}

int hosts_remove(const char *name, struct ll_error_info *info) {
    int error = known(name, info);
    return error != 0 ? error : change(apply_remove, name, NULL, name, info);
}
