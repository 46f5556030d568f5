/* One connection: receives once, answers in capitals, ends. */
#include "examples/example.h"

#include <ctype.h>

int main(int argc, char **argv) {
    ll_socket *listener = listen_here(argc, argv, 6969), *connection;
    char bytes[1024];
    check(ll_socket_accept(listener, &connection, NULL), "accept");
    ssize_t n = ll_socket_recv(connection, bytes, sizeof bytes, 0);
    check((int)n, "receive");
    for (ssize_t i = 0; i < n; i++)
        bytes[i] = (char)toupper((unsigned char)bytes[i]);
    check(ll_socket_sendall(connection, bytes, (size_t)n, 0, NULL), "send");
    ll_socket_free(connection);
    ll_socket_free(listener);
    return 0;
}
