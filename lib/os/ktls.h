/* Kernel TLS, the sending half (Documentation/networking/tls.rst): the kernel seals what is written to a TCP socket, out of
 * the writer's memory into the packets. Not there, the module not loaded, another cipher: the caller seals by itself. */
#ifndef LIB_OS_KTLS_H
#define LIB_OS_KTLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct iovec;

/* TLS_AES_128_GCM_SHA256 of TLS 1.3, the state before the next record. */
struct ktls_key {
    uint8_t key[16], iv[12];
    uint64_t sequence;
};

/* Whatever is sent from now on is sealed with the key. Called again, it changes the key, which kernels before 6.14
 * refuse with -EBUSY. 0, or -errno: -ENOENT and -ENOPROTOOPT where there is no kernel TLS; the socket is then as before. */
int ktls_begin(int fd);
int ktls_set_key(int fd, const struct ktls_key *key);

/* Sends without waiting: contents of records of application data. Returns the bytes that the kernel took (it has sealed
 * them, or does with what follows), or -errno. */
ssize_t ktls_send(int fd, const struct iovec *parts, size_t count);
/* A whole record of another content type (RFC 8446 B.1), of at most one record's size. All or nothing. */
ssize_t ktls_send_record(int fd, uint8_t type, const void *bytes, size_t n);

#endif
