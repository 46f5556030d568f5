#include "lib/os/ktls.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/os/socket.h"

int ktls_begin(int fd) {
    return os_setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls");
}

int ktls_set_key(int fd, const struct ktls_key *key) {
    struct tls12_crypto_info_aes_gcm_128 info = {.info = {TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_128}};
    /* The interface is TLS 1.2's, where a part of the nonce was fixed and a part was sent. */
    memcpy(info.salt, key->iv, sizeof info.salt);
    memcpy(info.iv, key->iv + sizeof info.salt, sizeof info.iv);
    memcpy(info.key, key->key, sizeof info.key);
    for (size_t i = 0; i < sizeof info.rec_seq; i++)
        info.rec_seq[i] = (uint8_t)(key->sequence >> (8 * (sizeof info.rec_seq - 1 - i)));
    int r = os_setsockopt(fd, SOL_TLS, TLS_TX, &info, sizeof info);
    explicit_bzero(&info, sizeof info);
    return r;
}

ssize_t ktls_send(int fd, const struct iovec *parts, size_t count) {
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
    return os_sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t ktls_send_record(int fd, uint8_t type, const void *bytes, size_t n) {
    union {
        struct cmsghdr head; /* aligns it */
        char bytes[CMSG_SPACE(1)];
    } control = {.head = {.cmsg_len = CMSG_LEN(1), .cmsg_level = SOL_TLS, .cmsg_type = TLS_SET_RECORD_TYPE}};
    struct iovec part = {(void *)(uintptr_t)bytes, n};
    const struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};
    *CMSG_DATA(&control.head) = type;
    return os_sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}
