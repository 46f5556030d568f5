#include "lib/tls/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/tls/crypto.h"

static const char BEGIN[] = "-----BEGIN PRIVATE KEY-----";
static const char END[] = "-----END PRIVATE KEY-----";

/* PrivateKeyInfo: version 0, algorithm Ed25519, an OCTET STRING in an OCTET STRING; the seed ends it. */
static const uint8_t prefix[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

enum {
    DER_SIZE = sizeof prefix + KEYFILE_SEED,
    BASE64_SIZE = DER_SIZE / 3 * 4,
};
_Static_assert(KEYFILE_PEM == sizeof BEGIN + BASE64_SIZE + 1 + sizeof END, "three lines");

void keyfile_format(char out[KEYFILE_PEM + 1], const uint8_t seed[KEYFILE_SEED]) {
    uint8_t der[DER_SIZE];
    unsigned char base64[BASE64_SIZE + 1];
    memcpy(der, prefix, sizeof prefix);
    memcpy(der + sizeof prefix, seed, KEYFILE_SEED);
    EVP_EncodeBlock(base64, der, DER_SIZE);
    snprintf(out, KEYFILE_PEM + 1, "%s\n%s\n%s\n", BEGIN, (const char *)base64, END);
    tls_wipe(der, sizeof der);
    tls_wipe(base64, sizeof base64);
}

/* Takes one line with the given number of characters from the front, and its ending; NULL if there is none. */
static const char *take_line(const char **at, const char *end, size_t size) {
    const char *line = *at;
    if ((size_t)(end - line) < size || memchr(line, '\n', size) != NULL)
        return NULL;
    line += size;
    if (line < end && *line == '\r')
        line++;
    if (line < end && *line++ != '\n')
        return NULL;
    const char *start = *at;
    *at = line;
    return start;
}

int keyfile_parse(uint8_t seed[KEYFILE_SEED], const char *text, size_t n) {
    const char *at = text, *end = text + n;
    const char *first = take_line(&at, end, sizeof BEGIN - 1);
    const char *middle = first == NULL ? NULL : take_line(&at, end, BASE64_SIZE);
    const char *last = middle == NULL ? NULL : take_line(&at, end, sizeof END - 1);
    if (last == NULL || at != end || memcmp(first, BEGIN, sizeof BEGIN - 1) != 0 ||
        memcmp(last, END, sizeof END - 1) != 0)
        return LL_EKEYFILE;

    uint8_t der[DER_SIZE];
    int got = EVP_DecodeBlock(der, (const unsigned char *)middle, BASE64_SIZE);
    int r = got == DER_SIZE && memcmp(der, prefix, sizeof prefix) == 0 ? 0 : LL_EKEYFILE;
    if (r == 0)
        memcpy(seed, der + sizeof prefix, KEYFILE_SEED);
    tls_wipe(der, sizeof der);
    return r;
}

/* Why the open file must not be used, or NULL. */
static const char *unsafe(const struct stat *st) {
    if (!S_ISREG(st->st_mode))
        return "key file: not a regular file";
    if (st->st_uid != geteuid())
        return "key file: owned by another user";
    if ((st->st_mode & 077) != 0)
        return "key file: open to other users (chmod 600)";
    if (st->st_size > LIMIT_KEY_FILE)
        return "key file: too large";
    return NULL;
}

static int read_all(int fd, char *text, size_t size) {
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, text + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (int)n;
}

int keyfile_read(uint8_t seed[KEYFILE_SEED], const char *path, struct ll_error_info *info) {
    char text[LIMIT_KEY_FILE + 1];
    struct stat st;
    /* Without O_NONBLOCK a FIFO in the file's place would hold us here. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_at(info, -errno, "open", path);
    const char *why = fstat(fd, &st) == 0 ? unsafe(&st) : "fstat";
    int n = why != NULL ? LL_EKEYFILE : read_all(fd, text, sizeof text);
    close(fd);
    if (n < 0)
        return error_at(info, n, why != NULL ? why : "read", path);
    int r = n > LIMIT_KEY_FILE ? LL_EKEYFILE : keyfile_parse(seed, text, (size_t)n);
    tls_wipe(text, sizeof text);
    return r == 0 ? 0 : error_at(info, r, "key file: not an Ed25519 key in PEM", path);
}

static int write_all(int fd, const char *text, size_t size) {
    for (size_t n = 0; n < size;) {
        ssize_t put = write(fd, text + n, size - n);
        if (put < 0 && errno != EINTR)
            return -errno;
        if (put > 0)
            n += (size_t)put;
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

/* The folder of path, so that the new name in it can be made to last. */
static int sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (folder == NULL)
        return -ENOMEM;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || (fsync(fd) != 0 && errno != EINVAL) ? -errno : 0;
    if (fd >= 0)
        close(fd);
    free(folder);
    return r;
}

static int write_temporary(const char *temporary, const char *text, size_t size) {
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    /* The umask may have taken even the owner's bits. */
    int r = fchmod(fd, 0600) == 0 ? write_all(fd, text, size) : -errno;
    if (close(fd) != 0 && r == 0)
        r = -errno;
    return r;
}

/* Not rename(): of two processes that make the key at once, the second must not replace the first's. Some file systems
 * have no links (FAT says EPERM). */
static int publish(const char *temporary, const char *path) {
    if (link(temporary, path) == 0)
        return 0;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK)
        return -errno;
    return renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ? 0 : -errno;
}

int keyfile_write(const uint8_t seed[KEYFILE_SEED], const char *path, struct ll_error_info *info) {
    uint64_t number;
    char text[KEYFILE_PEM + 1], *temporary = NULL;
    int r = tls_random(&number, sizeof number);
    if (r == 0 && asprintf(&temporary, "%s.%016llx", path, (unsigned long long)number) < 0)
        r = -ENOMEM;
    if (r != 0)
        return error_at(info, r, "make key file", path);

    keyfile_format(text, seed);
    r = write_temporary(temporary, text, KEYFILE_PEM);
    if (r == 0)
        r = publish(temporary, path);
    unlink(temporary);
    if (r == 0)
        r = sync_folder(path);
    tls_wipe(text, sizeof text);
    free(temporary);
    return r == 0 || r == -EEXIST ? r : error_at(info, r, "make key file", path);
}
