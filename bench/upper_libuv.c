/* The upper service on libuv, for bench/run upper, in its fastest form: one shared read buffer, uv_try_write first, an
 * allocated write only for what did not fit. Prints its port and serves until it is killed. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { ROOM = 64 << 10 };

static char bytes[ROOM];

struct rest {
    uv_write_t request;
    char bytes[];
};

static void lend(uv_handle_t *handle, size_t wish, uv_buf_t *buffer) {
    (void)handle;
    (void)wish;
    *buffer = uv_buf_init(bytes, sizeof bytes);
}

static void closed(uv_handle_t *handle) {
    free(handle);
}

static void written(uv_write_t *request, int status) {
    (void)status;
    free(request);
}

static void got(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
    (void)buffer;
    if (n == 0)
        return;
    if (n < 0) {
        uv_close((uv_handle_t *)stream, closed);
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        bytes[i] = (char)(bytes[i] - (bytes[i] >= 'a' && bytes[i] <= 'z' ? 32 : 0));
    uv_buf_t all = uv_buf_init(bytes, (unsigned)n);
    int done = uv_try_write(stream, &all, 1);
    if (done == n)
        return;
    size_t from = done < 0 ? 0 : (size_t)done, left = (size_t)n - from;
    struct rest *rest = malloc(sizeof *rest + left);
    if (rest == NULL)
        exit(1);
    memcpy(rest->bytes, bytes + from, left);
    uv_buf_t some = uv_buf_init(rest->bytes, (unsigned)left);
    if (uv_write(&rest->request, stream, &some, 1, written) < 0)
        free(rest);
}

static void admit(uv_stream_t *listener, int status) {
    uv_tcp_t *client = malloc(sizeof *client);
    if (status < 0 || client == NULL)
        exit(1);
    uv_tcp_init(listener->loop, client);
    if (uv_accept(listener, (uv_stream_t *)client) < 0) {
        uv_close((uv_handle_t *)client, closed);
        return;
    }
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, lend, got);
}

int main(void) {
    uv_tcp_t listener;
    struct sockaddr_in at;
    int size = sizeof at;
    uv_tcp_init(uv_default_loop(), &listener);
    uv_ip4_addr("127.0.0.1", 0, &at);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&at, 0) < 0 || uv_listen((uv_stream_t *)&listener, 4096, admit) < 0)
        return 1;
    uv_tcp_getsockname(&listener, (struct sockaddr *)&at, &size);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
