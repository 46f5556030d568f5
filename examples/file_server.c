/* Sends files of the folder it was started in: a name comes, eight bytes of size and then the file go back. A size of
 * all ones says that there is no such file. */
#include "examples/example.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const char *name, struct stat *info) {
    if (strchr(name, '/') != NULL)
        return -1; /* what the other side calls a name must not lead out of the folder */
    int file = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file >= 0 && (fstat(file, info) != 0 || !S_ISREG(info->st_mode))) {
        close(file);
        return -1;
    }
    return file;
}

static int send_file(ll_socket *client, const char *name) {
    struct stat info = {.st_size = -1};
    int file = open_file(name, &info);
    uint64_t size = file >= 0 ? (uint64_t)info.st_size : UINT64_MAX;
    uint8_t header[8];
    for (int i = 0; i < 8; i++)
        header[i] = (uint8_t)(size >> (56 - 8 * i));
    int code = ll_socket_sendall(client, header, sizeof header, file >= 0 ? MSG_MORE : 0, NULL);
    if (code == 0 && file >= 0)
        code = ll_socket_sendfile(client, file, 0, size, NULL);
    if (file >= 0)
        close(file);
    return code;
}

int main(int argc, char **argv) {
    ll_socket *listener = listen_here(argc, argv, 2222), *client;
    while (check(ll_socket_accept(listener, &client, NULL), "accept") == 0) {
        char *name = NULL;
        ll_socket_settimeout(client, 10);
        while (receive_message(client, &name) >= 0) {
            int code = send_file(client, name);
            free(name);
            if (code != 0)
                break;
        }
        ll_socket_free(client);
    }
    return 0;
}
