/* What every example needs: an end with a message when something fails, one listener, and messages with their length in
 * front (landline/frame.h), so that the programs themselves are about what they show. */
#ifndef EXAMPLES_EXAMPLE_H
#define EXAMPLES_EXAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/frame.h"
#include "landline/socket.h"

enum { EXAMPLE_MESSAGE = 64 << 20 }; /* the longest message that is taken */

static inline int check(int code, const char *what) {
    if (code >= 0)
        return code;
    fprintf(stderr, "%s: %s\n", what, ll_strerror(code));
    exit(1);
}

/* Listens on 127.0.0.1 and the port of the command line (0: the system chooses), and says where. */
static inline ll_socket *listen_here(int argc, char **argv, int port_usual) {
    struct ll_address address;
    ll_socket *listener;
    int port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : port_usual;
    check(ll_address_ip(&address, "127.0.0.1", port), "address");
    check(ll_create_server(&address, NULL, &listener, NULL), "listen");
    check(ll_socket_getsockname(listener, &address), "getsockname");
    printf("listening on 127.0.0.1:%d\n", ll_address_port(&address));
    fflush(stdout);
    return listener;
}

/* Connects to the host and port of the command line. */
static inline ll_socket *connect_there(int argc, char **argv, int port_usual) {
    char host[256] = "localhost";
    int port = port_usual;
    ll_socket *s;
    if (argc > 1)
        check(ll_address_split(argv[1], host, sizeof host, &port), argv[1]);
    check(ll_create_connection(host, port, NULL, &s, NULL), "connect");
    return s;
}

/* Sends one message: four bytes of length, then the bytes. */
static inline int send_message(ll_socket *s, const void *bytes, size_t size) {
    uint8_t header[4];
    int code = ll_frame_u32_header(header, size, EXAMPLE_MESSAGE);
    if (code == 0)
        code = ll_socket_sendall(s, header, sizeof header, MSG_MORE, NULL);
    return code == 0 ? ll_socket_sendall(s, bytes, size, 0, NULL) : code;
}

/* Receives one message into *bytes, which the caller frees, and ends it with a NUL beyond its size. Returns the size,
 * LL_EOF when the other end has closed. */
static inline int64_t receive_message(ll_socket *s, char **bytes) {
    uint8_t header[4];
    size_t got = 0;
    int code = ll_socket_recvall(s, header, sizeof header, 0, &got);
    if (code != 0)
        return got == 0 ? LL_EOF : code;
    size_t size = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    if (size > EXAMPLE_MESSAGE)
        return LL_ELIMIT;
    *bytes = malloc(size + 1);
    if (*bytes == NULL)
        return LL_ELIMIT;
    code = size > 0 ? ll_socket_recvall(s, *bytes, size, 0, NULL) : 0;
    (*bytes)[code == 0 ? size : 0] = '\0';
    if (code != 0)
        free(*bytes);
    return code == 0 ? (int64_t)size : code;
}

#endif
