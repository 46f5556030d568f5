/* How a paired host does, measured through landline itself: connecting, asking, starting a command. */
#ifndef LANDLINE_OBSERVE_PAIR_H
#define LANDLINE_OBSERVE_PAIR_H

#include "landline/client.h"

enum { PAIR_ROUNDS = 5, PAIR_ANSWER = 2048 };

/* When the client got how far, CLOCK_MONOTONIC ns; 0: not. */
struct pair_steps {
    int64_t reached, answered, proved, in;
};

struct pair {
    ll_client *client;
    struct pair_steps steps;
    /* Each step: 0 or why it failed, and how long it took; -1 where it was not tried. */
    int open_code, connect_code, ask_code, true_code;
    int64_t connect_ns;  /* all of it: TCP, TLS, greeting */
    int64_t tls_ns;      /* from ClientHello to the server's half of the handshake; -1: none came */
    int64_t identity_ns; /* from then until its key was compared and proved; -1: it was not */
    int64_t grant_ns;    /* from then until the server let us in */
    int64_t ask_ns;      /* the shortest of PAIR_ROUNDS questions that start nothing: the landline round trip */
    int64_t true_ns;     /* the shortest of PAIR_ROUNDS runs of `true`, from asking to its exit status */
    int64_t clock_ns;    /* the server's clock less ours, to within half of true_ns; INT64_MIN where it is not known */
    struct ll_failure failure; /* of the last step that failed */
};

/* Connects to a host of the list, past the broker, and measures. Waits for at most timeout_s at each step. Returns 0, or
 * the code of the first step that failed. To be ended with pair_close(), also after a failure. */
int pair_measure(struct pair *p, const char *host, double timeout_s);
void pair_close(struct pair *p);

/* Runs a shell text there and gives what it wrote, cut to fit; 0 or a code (also -EIO when it ended badly). */
int pair_ask_shell(struct pair *p, const char *text, char answer[PAIR_ANSWER]);

#endif
