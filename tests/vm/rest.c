/* What else a kernel may have and the host's may not, through landline/socket.h: SCTP, VSOCK, kernel TLS.
 *
 *     rest              each of them works
 *     rest absent       each of them says that it is not there
 */
#include <errno.h>
#include <linux/tls.h>
#include <linux/vm_sockets.h>
#include <netinet/tcp.h>
#include <string.h>

#include "landline/socket.h"
#include "tests/vm/program.h"

static ll_socket *listener_on(int family, int type, int protocol, const struct ll_address *where,
                              struct ll_address *bound) {
    ll_socket *listener;
    CHECK_CODE(ll_socket_open(family, type, protocol, &listener), 0);
    CHECK_CODE(ll_socket_bind(listener, where), 0);
    CHECK_CODE(ll_socket_listen(listener, 1), 0);
    CHECK_CODE(ll_socket_getsockname(listener, bound), 0);
    return listener;
}

/* Connects to itself, sends both ways, ends one direction. */
static void converse(int family, int type, int protocol, ll_socket *listener, const struct ll_address *to,
                     bool half_close) {
    ll_socket *client, *server = NULL;
    char buffer[16];
    CHECK_CODE(ll_socket_open(family, type, protocol, &client), 0);
    CHECK_CODE(ll_socket_settimeout(client, 20), 0);
    CHECK_CODE(ll_socket_connect(client, to), 0);
    CHECK_CODE(ll_socket_accept(listener, &server, NULL), 0);
    CHECK_CODE(ll_socket_sendall(client, "hello", 5, 0, NULL), 0);
    CHECK_CODE(ll_socket_recvall(server, buffer, 5, 0, NULL), 0);
    CHECK(memcmp(buffer, "hello", 5) == 0);
    CHECK_CODE(ll_socket_sendall(server, "answer", 6, 0, NULL), 0);
    CHECK_CODE(ll_socket_recvall(client, buffer, 6, 0, NULL), 0);
    if (half_close) {
        CHECK_CODE(ll_socket_shutdown(client, SHUT_WR), 0);
        CHECK_CODE(ll_socket_recv(server, buffer, sizeof buffer, 0), 0);
    }
    ll_socket_free(client);
    ll_socket_free(server);
    ll_socket_free(listener);
}

static void sctp(void) {
    struct ll_address loopback, bound;
    CHECK_CODE(ll_address_ipv4(&loopback, "127.0.0.1", 0), 0);
    ll_socket *listener = listener_on(AF_INET, SOCK_STREAM, IPPROTO_SCTP, &loopback, &bound);
    CHECK_CODE(ll_socket_protocol(listener), IPPROTO_SCTP);
    converse(AF_INET, SOCK_STREAM, IPPROTO_SCTP, listener, &bound, true);

    /* One socket, many peers: messages with their boundaries. */
    ll_socket *many = listener_on(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP, &loopback, &bound), *client;
    char buffer[16];
    CHECK_CODE(ll_socket_open(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP, &client), 0);
    CHECK_CODE(ll_socket_sendto(client, "one", 3, 0, &bound), 3);
    CHECK_CODE(ll_socket_sendto(client, "more", 4, 0, &bound), 4);
    CHECK_CODE(ll_socket_recv(many, buffer, sizeof buffer, 0), 3);
    CHECK_CODE(ll_socket_recv(many, buffer, sizeof buffer, 0), 4);
    ll_socket_free(client);
    ll_socket_free(many);
}

static struct ll_address vsock_address(unsigned cid, unsigned port) {
    const struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
    struct ll_address address;
    CHECK_CODE(ll_address_raw(&address, &vm, sizeof vm), 0);
    return address;
}

static void vsock(void) {
    struct ll_address any = vsock_address(VMADDR_CID_ANY, 4711), local = vsock_address(VMADDR_CID_LOCAL, 4711), bound;
    ll_socket *listener = listener_on(AF_VSOCK, SOCK_STREAM, 0, &any, &bound);
    CHECK_CODE(ll_address_family(&bound), AF_VSOCK);
    converse(AF_VSOCK, SOCK_STREAM, 0, listener, &local, true);
}

static void tcp_pair(ll_socket **client, ll_socket **server) {
    struct ll_address address;
    ll_socket *listener;
    CHECK_CODE(ll_address_ipv4(&address, "127.0.0.1", 0), 0);
    CHECK_CODE(ll_create_server(&address, NULL, &listener, NULL), 0);
    CHECK_CODE(ll_socket_getsockname(listener, &address), 0);
    CHECK_CODE(ll_socket_open(AF_INET, SOCK_STREAM, 0, client), 0);
    CHECK_CODE(ll_socket_connect(*client, &address), 0);
    CHECK_CODE(ll_socket_accept(listener, server, NULL), 0);
    ll_socket_free(listener);
}

static int use_kernel_tls(ll_socket *socket) {
    return ll_socket_setsockopt(socket, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls");
}

/* One end encrypts, the other decrypts, with a key that both were told; in between goes a TLS record. */
static void kernel_tls(void) {
    ll_socket *client, *server;
    char buffer[16];
    struct tls12_crypto_info_aes_gcm_128 keys = {.info = {TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_128}};
    memset(keys.key, 7, sizeof keys.key);
    tcp_pair(&client, &server);
    CHECK_CODE(use_kernel_tls(client), 0);
    CHECK_CODE(ll_socket_setsockopt(client, SOL_TLS, TLS_TX, &keys, sizeof keys), 0);
    CHECK_CODE(ll_socket_sendall(client, "secret", 6, 0, NULL), 0);
    CHECK_CODE(ll_socket_recv(server, buffer, 5, MSG_PEEK), 5);
    CHECK(memcmp(buffer, "\x17\x03\x03\0\x17", 5) == 0); /* RFC 8446 section 5.2: 6 bytes, 1 of type, 16 of tag */
    CHECK_CODE(use_kernel_tls(server), 0);
    CHECK_CODE(ll_socket_setsockopt(server, SOL_TLS, TLS_RX, &keys, sizeof keys), 0);
    CHECK_CODE(ll_socket_recv(server, buffer, sizeof buffer, 0), 6);
    CHECK(memcmp(buffer, "secret", 6) == 0);
    ll_socket_free(client);
    ll_socket_free(server);
}

static int absent(void) {
    ll_socket *socket, *server;
    int rc = ll_socket_open(AF_INET, SOCK_STREAM, IPPROTO_SCTP, &socket);
    CHECK(rc == -EPROTONOSUPPORT || rc == LL_ENOTSUP);
    printf("SCTP: %s\n", ll_strerror(rc));
    rc = ll_socket_open(AF_VSOCK, SOCK_STREAM, 0, &socket);
    CHECK(rc == LL_ENOTSUP);
    printf("VSOCK: %s\n", ll_strerror(rc));
    tcp_pair(&socket, &server);
    rc = use_kernel_tls(socket);
    CHECK(rc == -ENOENT || rc == -ENOPROTOOPT);
    printf("kernel TLS: %s\n", ll_strerror(rc));
    ll_socket_free(socket);
    ll_socket_free(server);
    return verdict();
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "absent") == 0)
        return absent();
    sctp();
    vsock();
    kernel_tls();
    return verdict();
}
