/* Looking up names with a deadline, for sockets and for landline/resolve.h. */
#ifndef LIB_NET_RESOLVE_H
#define LIB_NET_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "landline/resolve.h"
#include "landline/socket.h"

/* The first address of one host, as bind and connect of a socket want it: "" is any, "<broadcast>" the broadcast
 * address. */
struct resolve_request {
    const char *host;
    int flags, family, type, port;
    int64_t deadline;
    bool numeric_only; /* what would have to wait is -EAGAIN */
    ll_socket *socket; /* whose hook is asked, and whose closing ends the wait */
};
int resolve_one(const struct resolve_request *request, struct ll_address *address);

/* ll_getaddrinfo with a deadline. Returns the number of answers. */
int resolve_all(const char *host, const char *service, const struct ll_addrinfo_hints *hints, int64_t deadline,
                ll_socket *socket, struct ll_addrinfo **answers);

/* Seconds from now as a deadline; -EINVAL, -EOVERFLOW. */
int resolve_deadline(double seconds, int64_t *deadline);

/* Does a piece of work in a thread that may be left behind. `work` runs there with `job`, and must not touch what the
 * caller owns; `release` frees the job, there or here, whoever is last. Returns 0 once the work is done, and the caller
 * then still holds the job, to be given to abandon_release(); after an error it is gone. */
struct abandon_job {
    void (*work)(struct abandon_job *job);
    void (*release)(struct abandon_job *job);
    int done;             /* event */
    _Atomic int finished; /* set before the event: who sees it sees the work's results */
    _Atomic int holders;
};
int abandon_run(struct abandon_job *job, int64_t deadline, ll_socket *socket);
void abandon_release(struct abandon_job *job);

#endif
