/* To be preloaded into a program that links OpenSSL's shared libraries: counts the operations with keys that our code and
 * libssl ask libcrypto for. The file that KEYOPS names holds the counts of all processes that inherit the environment:
 * records of a name, filled up with zeros, and a u64 in the machine's order. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Each is int NAME(PARAMETERS), and counts when the last field is true: not where only a size is asked for, nor for
 * parameters, which are no key. Everything that makes a key, agrees on one, signs, proves, seals or opens with one. */
#define KEYOPS(X)                                                                                                      \
    X(EVP_PKEY_paramgen, (void *c, void *out), (c, out), false)                                                        \
    X(EVP_PKEY_keygen, (void *c, void *out), (c, out), true)                                                           \
    X(EVP_PKEY_generate, (void *c, void *out), (c, out), true)                                                         \
    X(EVP_PKEY_derive, (void *c, void *out, void *n), (c, out, n), out != NULL)                                        \
    X(EVP_DigestSign, (void *c, void *out, void *n, void *in, size_t m), (c, out, n, in, m), out != NULL)              \
    X(EVP_DigestSignFinal, (void *c, void *out, void *n), (c, out, n), out != NULL)                                    \
    X(EVP_DigestVerify, (void *c, void *s, size_t n, void *in, size_t m), (c, s, n, in, m), true)                      \
    X(EVP_DigestVerifyFinal, (void *c, void *s, size_t n), (c, s, n), true)                                            \
    X(EVP_PKEY_sign, (void *c, void *out, void *n, void *in, size_t m), (c, out, n, in, m), out != NULL)               \
    X(EVP_PKEY_verify, (void *c, void *s, size_t n, void *in, size_t m), (c, s, n, in, m), true)                       \
    X(EVP_PKEY_encrypt, (void *c, void *out, void *n, void *in, size_t m), (c, out, n, in, m), out != NULL)            \
    X(EVP_PKEY_decrypt, (void *c, void *out, void *n, void *in, size_t m), (c, out, n, in, m), out != NULL)            \
    X(EVP_PKEY_encapsulate, (void *c, void *out, void *n, void *key, void *m), (c, out, n, key, m), out != NULL)       \
    X(EVP_PKEY_decapsulate, (void *c, void *key, void *m, void *in, size_t n), (c, key, m, in, n), key != NULL)

enum {
#define NUMBER(name, parameters, arguments, counts) NUMBER_##name,
    KEYOPS(NUMBER) COUNT,
};

static struct record {
    char name[56];
    _Atomic uint64_t times;
} * records;

static void (*originals[COUNT])(void);

/* Before main(): the gate opens no file any more once it is locked in. */
__attribute__((constructor)) static void open_records(void) {
    static const char *const names[] = {
#define NAME(name, parameters, arguments, counts) #name,
        KEYOPS(NAME)};
    const char *path = getenv("KEYOPS");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *shared = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, COUNT * sizeof *records) == 0)
        shared = mmap(NULL, COUNT * sizeof *records, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        abort();
    close(fd);
    records = shared;
    for (int i = 0; i < COUNT; i++) {
        void *next = dlsym(RTLD_NEXT, names[i]);
        memcpy(&originals[i], &next, sizeof next);
        memcpy(records[i].name, names[i], strlen(names[i]));
    }
}

/* libcrypto does some of these by another: the outermost is what was asked for. */
static _Thread_local int depth;

#define COUNTED(name, parameters, arguments, counts)                                                                   \
    int name parameters;                                                                                               \
    int name parameters {                                                                                              \
        if (depth++ == 0 && (counts))                                                                                  \
            atomic_fetch_add(&records[NUMBER_##name].times, 1);                                                        \
        int result = ((int(*) parameters)originals[NUMBER_##name])arguments;                                           \
        depth--;                                                                                                       \
        return result;                                                                                                 \
    }
KEYOPS(COUNTED)
