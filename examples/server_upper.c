/* A landline server with a service of its own: what comes in goes out in upper case, and the result says how many letters
 * were changed. Run it with a folder; it prints an invite, and `landline upper NAME hello` talks to it.
 *
 *     $ ./server_upper /tmp/upper &
 *     $ landline add it      (and paste the line)
 *     $ landline upper it hello
 *     HELLO */
#include <landline/server.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct talk {
    uint64_t changed, ended;
};

static int opened(void *arg, ll_request *request, const void *bytes, size_t n) {
    (void)arg;
    (void)bytes;
    if (n != 0)
        return LL_EUSAGE;
    ll_request_set(request, calloc(1, sizeof(struct talk)));
    return ll_request_get(request) != NULL ? 0 : LL_ELIMIT;
}

static void input(void *arg, ll_request *request, const void *bytes, size_t n) {
    struct talk *talk = ll_request_get(request);
    const unsigned char *from = bytes;
    unsigned char to[1024];
    (void)arg;
    while (n > 0) {
        size_t piece = n < sizeof to ? n : sizeof to;
        for (size_t i = 0; i < piece; i++) {
            int lower = from[i] >= 'a' && from[i] <= 'z';
            to[i] = (unsigned char)(lower ? from[i] - 'a' + 'A' : from[i]);
            talk->changed += (unsigned)lower;
        }
        ll_request_write(request, 1, to, piece);
        from += piece;
        n -= piece;
    }
}

/* What has left is acknowledged: so no more than the window is ever queued. */
static void sent(void *arg, ll_request *request, int channel, uint64_t offset) {
    struct talk *talk = ll_request_get(request);
    (void)arg;
    if (channel != 1)
        return;
    ll_request_consumed(request, (size_t)(offset - talk->ended));
    talk->ended = offset;
}

static void input_end(void *arg, ll_request *request) {
    (void)arg;
    ll_request_finish(request, NULL, 0);
}

static void gone(void *arg, ll_request *request) {
    struct talk *talk = ll_request_get(request);
    (void)arg;
    if (talk != NULL) {
        printf("%llu letters\n", (unsigned long long)talk->changed);
        fflush(stdout);
    }
    free(talk);
}

int main(int argc, char **argv) {
    static const struct ll_service upper = {.name = "upper",
                                            .verbs = LL_VERB_UPPER,
                                            .open = opened,
                                            .input = input,
                                            .input_end = input_end,
                                            .sent = sent,
                                            .gone = gone};
    const struct ll_serve_options options = {
        .folder = argc > 1 ? argv[1] : ".", .listen = "127.0.0.1:0", .services = &upper, .service_count = 1};
    struct ll_error_info info = {0};
    ll_server *server;
    char text[512];
    int e = ll_server_open(&options, &server, &info);
    if (e == 0)
        e = ll_server_invite(server, NULL, LL_VERB_UPPER, NULL, 600, text, sizeof text);
    if (e != 0) {
        ll_error_format(&info, text, sizeof text);
        fprintf(stderr, "server_upper: %s\n", info.code != 0 ? text : ll_strerror(e));
        return 1;
    }
    puts(text);
    fflush(stdout);
    while (e >= 0)
        e = ll_server_step(server, LL_NEVER);
    ll_server_free(server);
    return 1;
}
