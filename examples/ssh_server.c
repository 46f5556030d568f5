/* A simple ssh: each message is a command line, each answer its output, however long or empty, its length in front.
 * There is no identity and no encryption: keep it on 127.0.0.1 (`landline run` is the thing itself). */
#include "examples/example.h"

#include <sys/wait.h>
#include <unistd.h>

enum { PIECE = 65536 };

/* All that the command writes; *size bytes, to be freed. */
static char *output_of(const char *command, size_t *size) {
    int ends[2];
    char *bytes = NULL;
    *size = 0;
    if (pipe(ends) != 0)
        return NULL;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    for (ssize_t n = 1; n > 0 && *size < EXAMPLE_MESSAGE - PIECE;) {
        bytes = realloc(bytes, *size + PIECE);
        n = bytes != NULL ? read(ends[0], bytes + *size, PIECE) : 0;
        *size += n > 0 ? (size_t)n : 0;
    }
    close(ends[0]); /* more than fits: the command gets SIGPIPE */
    if (child > 0)
        waitpid(child, NULL, 0);
    return bytes;
}

static void serve(ll_socket *client) {
    char *command = NULL;
    while (receive_message(client, &command) >= 0) {
        size_t size;
        char *output = output_of(command, &size);
        int code = send_message(client, output, size);
        free(output);
        free(command);
        if (code != 0)
            return;
    }
}

int main(int argc, char **argv) {
    ll_socket *listener = listen_here(argc, argv, 9999), *client;
    while (check(ll_socket_accept(listener, &client, NULL), "accept") == 0) {
        pid_t child = fork(); /* a process for each client: one slow command holds up nobody else */
        if (child == 0) {
            serve(client);
            _exit(0);
        }
        ll_socket_free(client);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
    return 0;
}
