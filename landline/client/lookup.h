/* Looking names up beside the loop. */
#ifndef LANDLINE_CLIENT_LOOKUP_H
#define LANDLINE_CLIENT_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "landline/address.h"
#include "landline/loop.h"

enum { LOOKUP_MOST = 32 };

/* The addresses of one HOST:PORT. */
struct lookup_answer {
    int error; /* 0, or why there is none */
    struct ll_error_info info;
    size_t count;
    struct ll_address addresses[LOOKUP_MOST];
};

struct lookup;
typedef void lookup_fn(void *arg, const struct lookup_answer *answer);

/* Looks `host` up, at most until `deadline`; calls done once, in the loop. 0, -ENOMEM, -EAGAIN, -EMFILE. */
int lookup_start(struct lookup **out, ll_loop *loop, const char *host, int port, int64_t deadline, lookup_fn *done,
                 void *arg);
/* Forgets it: the thread may go on for a while and then frees what it holds. NULL is fine. */
void lookup_free(struct lookup *lookup);

#endif
