/* One connection: sends one line, prints the answer, ends. */
#include "examples/example.h"

int main(int argc, char **argv) {
    static const char text[] = "a socket carries bytes: 字节";
    ll_socket *s = connect_there(argc, argv, 6969);
    char answer[1024];
    size_t got = 0;
    check(ll_socket_sendall(s, text, strlen(text), 0, NULL), "send");
    check(ll_socket_recvall(s, answer, strlen(text), 0, &got), "receive"); /* all of it, in however many pieces */
    printf("%.*s\n", (int)got, answer);
    ll_socket_free(s);
    return 0;
}
