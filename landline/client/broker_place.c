/* broker.h: where brokers are, and how one finds them. */
#include "landline/client/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "landline/message.h"
#include "lib/base/number.h"
#include "lib/os/whole.h"

enum { PATH_MOST = 107 }; /* bytes of a UNIX socket's path */

bool broker_enabled(void) {
    const char *said = getenv("LANDLINE_BROKER");
    return said == NULL || strcmp(said, "off") != 0;
}

static uint64_t digest_rest(const char *addresses, const char *key_path, const struct stat *key) {
    const int64_t identity[] = {(int64_t)key->st_dev, (int64_t)key->st_ino, key->st_mtim.tv_sec, key->st_mtim.tv_nsec};
    uint64_t digest = XXH64(addresses, strlen(addresses) + 1, 0);
    digest = XXH64(key_path, strlen(key_path) + 1, digest);
    return XXH64(identity, sizeof identity, digest);
}

int broker_place(struct broker_place *out, const struct tls_pin *pin, const char *addresses, const char *key_path) {
    struct stat key;
    int e = paths_folder(PATHS_RUNTIME, out->folder);
    if (e == 0)
        e = paths_join(out->folder, out->folder, "brokers");
    if (e == 0 && stat(key_path, &key) < 0)
        e = -errno;
    if (e != 0)
        return e;
    size_t n = 0;
    for (size_t i = 0; i < 16; i++)
        n += (size_t)snprintf(out->name + n, sizeof out->name - n, "%02x", pin->bytes[i]);
    snprintf(out->name + n, sizeof out->name - n, "%016llx",
             (unsigned long long)digest_rest(addresses, key_path, &key));
    return 0;
}

int broker_place_of_host(struct broker_place *out, const struct host *host) {
    char path[PATHS_SIZE];
    int e = paths_folder(PATHS_CONFIG, path);
    if (e == 0)
        e = paths_join(path, path, host->key);
    return e != 0 ? e : broker_place(out, &host->pin, host->addresses, path);
}

static int file_of(char out[PATHS_SIZE], const struct broker_place *place, const char *ending) {
    char name[sizeof place->name + 16];
    snprintf(name, sizeof name, "%s%s", place->name, ending);
    return paths_join(out, place->folder, name);
}

/* The socket's address; of a path that is too long by way of its folder, which *folder then holds open. */
static int address_of(struct ll_address *out, const struct broker_place *place, int *folder) {
    char path[PATHS_SIZE];
    *folder = -1;
    int e = file_of(path, place, ".socket");
    if (e != 0)
        return e;
    if (strlen(path) > PATH_MOST) {
        *folder = open(place->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (*folder < 0)
            return -errno;
        snprintf(path, sizeof path, "/proc/self/fd/%d/%s.socket", *folder, place->name);
    }
    return ll_address_unix(out, path);
}

/* The folder must be this user's alone: who may put a file there could stand in for the broker. */
static int check_folder(const struct broker_place *place) {
    struct stat st;
    if (lstat(place->folder, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0 ? 0 : -EPERM;
}

int broker_connect(const struct broker_place *place, ll_socket **out) {
    struct ll_address address;
    struct ll_credentials other;
    int folder = -1;
    *out = NULL;
    int e = check_folder(place);
    if (e == 0)
        e = address_of(&address, place, &folder);
    if (e == 0)
        e = ll_socket_open(AF_UNIX, SOCK_STREAM, 0, out);
    if (e == 0)
        e = ll_socket_setblocking(*out, false);
    if (e == 0)
        e = ll_socket_connect(*out, &address);
    if (e == 0)
        e = ll_socket_peer_credentials(*out, &other);
    if (e == 0 && other.uid != geteuid())
        e = -EPERM;
    if (folder >= 0)
        close(folder);
    if (e != 0) {
        ll_socket_free(*out);
        *out = NULL;
    }
    return e;
}

/* --- finding and ending --- */

/* Who holds the lock has written its pid into it. */
static pid_t holder(const char *path) {
    struct buf text;
    uint64_t pid = 0;
    buf_init(&text, 32);
    if (whole_read(path, &text, NULL) == 0 && buf_size(&text) > 0) {
        buf_add_u8(&text, 0);
        if (text.failed != 0 || number_parse((const char *)buf_front(&text), 1, INT32_MAX, &pid) != 0)
            pid = 0;
    }
    buf_free(&text);
    return (pid_t)pid;
}

pid_t broker_find(const struct broker_place *place, int64_t *since) {
    char path[PATHS_SIZE];
    struct stat st;
    if (check_folder(place) != 0 || file_of(path, place, ".lock") != 0 || stat(path, &st) < 0)
        return 0;
    int lock = whole_try_lock(path, NULL);
    if (lock >= 0) {
        close(lock);
        return 0;
    }
    *since = st.st_mtim.tv_sec;
    return holder(path);
}

void broker_stop(const struct broker_place *place) {
    static const char *const endings[] = {".socket", ".lock"};
    char path[PATHS_SIZE];
    int64_t since;
    pid_t pid = broker_find(place, &since);
    if (pid > 0)
        kill(pid, SIGKILL); /* it has nothing to put in order, and may be stopped */
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (file_of(path, place, endings[i]) == 0)
            unlink(path);
}

/* --- making --- */

static int listen_at(const struct broker_place *place, ll_socket **out) {
    struct ll_address address;
    char path[PATHS_SIZE];
    int folder = -1;
    int e = address_of(&address, place, &folder);
    if (e == 0)
        e = file_of(path, place, ".socket");
    if (e == 0 && unlink(path) < 0 && errno != ENOENT)
        e = -errno;
    if (e == 0)
        e = ll_socket_open(AF_UNIX, SOCK_STREAM, 0, out);
    if (e == 0)
        e = ll_socket_bind(*out, &address);
    if (e == 0)
        e = ll_socket_listen(*out, LIMIT_BROKER_BACKLOG);
    if (e == 0)
        e = ll_socket_setblocking(*out, false);
    if (folder >= 0)
        close(folder);
    return e;
}

int broker_claim(const struct broker_place *place, int *lock, ll_socket **listener) {
    char path[PATHS_SIZE];
    *lock = -1;
    *listener = NULL;
    int e = paths_make(place->folder, NULL);
    if (e == 0)
        e = check_folder(place);
    if (e == 0)
        e = file_of(path, place, ".lock");
    if (e == 0)
        e = *lock = whole_try_lock(path, NULL);
    if (e >= 0 && ftruncate(*lock, 0) < 0) /* whoever is named there is gone */
        e = -errno;
    if (e >= 0)
        e = listen_at(place, listener);
    if (e < 0) {
        ll_socket_free(*listener);
        if (*lock >= 0)
            close(*lock);
    }
    return e;
}

int broker_sign(int lock, pid_t pid) {
    char text[16];
    int n = snprintf(text, sizeof text, "%ld", (long)pid);
    return ftruncate(lock, 0) == 0 && pwrite(lock, text, (size_t)n, 0) == n ? 0 : -EIO;
}
