/* Sticky packets, the disease and the cure.
 *
 * A stream carries bytes, not messages: what was sent in three calls may arrive in one receive, and what was sent in
 * one may arrive in three. First without, then with a length in front of each message (landline/frame.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/frame.h"
#include "landline/socket.h"

static const char *const messages[] = {"first", "the second message", "third"};
enum { MESSAGES = 3, LIMIT = 1000 };

static int check(int code, const char *what) {
    if (code >= 0)
        return code;
    fprintf(stderr, "sticky: %s: %s\n", what, ll_strerror(code));
    exit(1);
}

static void disease(ll_socket *sender, ll_socket *receiver) {
    char got[LIMIT];
    for (int i = 0; i < MESSAGES; i++)
        check(ll_socket_sendall(sender, messages[i], strlen(messages[i]), 0, NULL), "send");
    ssize_t n = ll_socket_recv(receiver, got, sizeof got, 0);
    check((int)n, "receive");
    printf("sent 3 messages; one receive gave: \"%.*s\"\n", (int)n, got);
}

static void cure(ll_socket *sender, ll_socket *receiver) {
    for (int i = 0; i < MESSAGES; i++) {
        size_t size = strlen(messages[i]);
        uint8_t header[4];
        check(ll_frame_u32_header(header, size, LIMIT), "header");
        check(ll_socket_sendall(sender, header, sizeof header, 0, NULL), "send");
        check(ll_socket_sendall(sender, messages[i], size, 0, NULL), "send");
    }
    struct ll_frame_format format = ll_frame_u32(LIMIT);
    ll_frame_decoder *decoder;
    check(ll_frame_decoder_new(&format, &decoder), "decoder");
    for (int whole = 0; whole < MESSAGES;) {
        uint8_t piece[7]; /* small on purpose: most messages come in pieces */
        ssize_t n = ll_socket_recv(receiver, piece, sizeof piece, 0);
        check((int)n, "receive");
        const uint8_t *at = piece;
        size_t left = (size_t)n;
        struct ll_frame frame;
        while (check(ll_frame_next(decoder, &at, &left, &frame), "frame") > 0) {
            printf("message %d: \"%.*s\"\n", ++whole, (int)frame.size, (const char *)frame.payload);
        }
    }
    check(ll_frame_end(decoder), "end");
    ll_frame_decoder_free(decoder);
}

int main(void) {
    ll_socket *pair[2];
    check(ll_socket_pair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
    disease(pair[0], pair[1]);
    cure(pair[0], pair[1]);
    ll_socket_free(pair[0]);
    ll_socket_free(pair[1]);
    return 0;
}
