/* Sends each line typed as a command, prints all that it wrote and how much that was. */
#include "examples/example.h"

int main(int argc, char **argv) {
    ll_socket *s = connect_there(argc, argv, 9999);
    char line[4096], *output = NULL;
    while (fgets(line, sizeof line, stdin) != NULL) {
        check(send_message(s, line, strcspn(line, "\n")), "send");
        int64_t size = receive_message(s, &output);
        check(size < 0 ? (int)size : 0, "receive");
        fwrite(output, 1, (size_t)size, stdout);
        printf("(%lld bytes)\n", (long long)size);
        fflush(stdout);
        free(output);
    }
    ll_socket_free(s);
    return 0;
}
