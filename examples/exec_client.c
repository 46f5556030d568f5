/* Sends each line typed as a command and prints what one receive gives for it. The rest of a longer output comes with the
 * next answer: these are the sticky packets of sticky.c, and ssh_client.c has the cure. */
#include "examples/example.h"

int main(int argc, char **argv) {
    ll_socket *s = connect_there(argc, argv, 6969);
    char line[1024], output[1024];
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t size = strcspn(line, "\n");
        if (size == 0)
            continue; /* nothing sent, nothing would come back */
        check(ll_socket_sendall(s, line, size, 0, NULL), "send");
        ssize_t n = ll_socket_recv(s, output, sizeof output, 0);
        check(n == 0 ? LL_EOF : (int)n, "receive");
        fwrite(output, 1, (size_t)n, stdout);
        fflush(stdout);
    }
    ll_socket_free(s);
    return 0;
}
