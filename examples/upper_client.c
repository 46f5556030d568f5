/* A conversation: each line typed is sent, each answer printed, until the end of input. */
#include "examples/example.h"

int main(int argc, char **argv) {
    ll_socket *s = connect_there(argc, argv, 6969);
    char line[1024];
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t size = strcspn(line, "\n");
        if (size == 0)
            continue; /* nothing sent, nothing would come back */
        check(ll_socket_sendall(s, line, size, 0, NULL), "send");
        check(ll_socket_recvall(s, line, size, 0, NULL), "receive");
        printf("%.*s\n", (int)size, line);
        fflush(stdout);
    }
    ll_socket_free(s);
    return 0;
}
