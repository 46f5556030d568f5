/* Many clients at once, in one thread: whoever has something to say is served, nobody waits for anybody. */
#include "examples/example.h"

#include <ctype.h>
#include <poll.h>

enum { CLIENTS = 1000 };

static ll_socket *clients[CLIENTS];

/* Answers what is there; false once the client has gone. */
static bool serve(ll_socket *client) {
    char bytes[1024];
    ssize_t n = ll_socket_recv(client, bytes, sizeof bytes, 0);
    for (ssize_t i = 0; i < n; i++)
        bytes[i] = (char)toupper((unsigned char)bytes[i]);
    return n > 0 && ll_socket_sendall(client, bytes, (size_t)n, 0, NULL) == 0;
}

static void add(ll_socket *listener) {
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i] == NULL && ll_socket_accept(listener, &clients[i], NULL) == 0) {
            ll_socket_settimeout(clients[i], 10); /* for one that does not read its answer */
            return;
        }
    }
}

int main(int argc, char **argv) {
    ll_socket *listener = listen_here(argc, argv, 6969);
    struct pollfd waiting[CLIENTS + 1];
    for (;;) {
        for (int i = 0; i < CLIENTS; i++) /* poll passes over -1 */
            waiting[i] =
                (struct pollfd){.fd = clients[i] != NULL ? ll_socket_fileno(clients[i]) : -1, .events = POLLIN};
        waiting[CLIENTS] = (struct pollfd){.fd = ll_socket_fileno(listener), .events = POLLIN};
        if (poll(waiting, CLIENTS + 1, -1) < 0)
            continue;
        for (int i = 0; i < CLIENTS; i++) {
            if (waiting[i].revents != 0 && !serve(clients[i])) {
                ll_socket_free(clients[i]);
                clients[i] = NULL;
            }
        }
        if (waiting[CLIENTS].revents != 0)
            add(listener);
    }
}
