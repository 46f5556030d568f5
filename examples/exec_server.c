/* Runs a command line for each receive and sends what it writes, nothing else, to one client after another. An answer
 * has no length: where it ends is for the client to guess (ssh_server.c tells it). No identity, no encryption. */
#include "examples/example.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(ll_socket *client, const char *command) {
    char piece[65536];
    bool silent = true;
    int ends[2];
    check(pipe(ends) != 0 ? -errno : 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], piece, sizeof piece)) > 0; silent = false)
        if (ll_socket_sendall(client, piece, (size_t)n, 0, NULL) != 0)
            break;
    close(ends[0]); /* the client has gone: the command gets SIGPIPE */
    waitpid(child, NULL, 0);
    if (silent)
        ll_socket_send(client, "\n", 1, 0); /* the client waits for something */
}

int main(int argc, char **argv) {
    ll_socket *listener = listen_here(argc, argv, 6969), *client;
    while (check(ll_socket_accept(listener, &client, NULL), "accept") == 0) {
        char command[1024 + 1];
        ssize_t n;
        while ((n = ll_socket_recv(client, command, sizeof command - 1, 0)) > 0) {
            command[n] = '\0';
            run(client, command);
        }
        ll_socket_free(client);
    }
    return 0;
}
