/* file_client HOST:PORT NAME TO: fetches a file. It gets its name only when every byte is there. */
#include "examples/example.h"

#include <unistd.h>

static uint64_t receive_size(ll_socket *s) {
    uint8_t header[8];
    uint64_t size = 0;
    check(ll_socket_recvall(s, header, sizeof header, 0, NULL), "receive");
    for (int i = 0; i < 8; i++)
        size = size << 8 | header[i];
    return size;
}

static void receive_file(ll_socket *s, FILE *file, uint64_t size) {
    char bytes[65536];
    while (size > 0) {
        ssize_t n = ll_socket_recv(s, bytes, size < sizeof bytes ? (size_t)size : sizeof bytes, 0);
        check(n == 0 ? LL_EOF : (int)n, "receive");
        if (fwrite(bytes, 1, (size_t)n, file) != (size_t)n)
            check(LL_ELIMIT, "write");
        size -= (uint64_t)n; /* what came, not what was asked for */
    }
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    ll_socket *s = connect_there(argc, argv, 2222);
    char unfinished[4096];
    snprintf(unfinished, sizeof unfinished, "%s.part", argv[3]);
    check(send_message(s, argv[2], strlen(argv[2])), "send");
    uint64_t size = receive_size(s);
    if (size == UINT64_MAX) {
        fprintf(stderr, "there is no %s\n", argv[2]);
        return 1;
    }
    FILE *file = fopen(unfinished, "wb");
    if (file == NULL)
        check(-1, unfinished);
    receive_file(s, file, size);
    if (fclose(file) != 0 || rename(unfinished, argv[3]) != 0)
        check(-1, argv[3]);
    printf("%s: %llu bytes\n", argv[3], (unsigned long long)size);
    ll_socket_free(s);
    return 0;
}
