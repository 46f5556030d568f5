/* landline/resolve.h: names to addresses and back, with a deadline; network interfaces.
 *
 * The C library's getaddrinfo() cannot be told when to stop. Here it runs in a thread of its own (detached, all signals
 * blocked) which the caller leaves behind when the time is up or the interrupt hook says stop; that thread frees what
 * it holds when the C library's own time-outs end it. Numeric addresses never need it and never wait.
 * A process that unloads the library with dlclose() must not do so while a look-up it left may still run.
 *
 * Times are seconds, LL_FOREVER for no limit. Common errors of the functions that take one:
 *   -EINVAL         a NULL where something is needed; a time that is negative or not a number
 *   -EOVERFLOW      a finite time of more than 292 years
 *   LL_ETIMEOUT     the time was up first
 *   LL_EINTERRUPTED a signal came and the thread's interrupt hook (landline/socket.h) said stop
 *   LL_EGAI(EAI_…)  what the resolver said: EAI_NONAME no such name, EAI_AGAIN no answer for now, EAI_SERVICE no such
 *                   service, EAI_FAMILY, EAI_SOCKTYPE, EAI_BADFLAGS wrong hints; EAI_SYSTEM comes as the -errno it means
 *   -ENOMEM, -EAGAIN, -EMFILE, -ENFILE  no memory, thread or descriptor for the look-up
 *
 * Sources: POSIX.1-2008 getaddrinfo, getnameinfo, if_nameindex; RFC 3493; RFC 6724 (the order of the results). */
#ifndef LANDLINE_RESOLVE_H
#define LANDLINE_RESOLVE_H

#include <math.h>
#include <net/if.h>
#include <netdb.h>

#include "landline/address.h"

#ifdef __cplusplus
extern "C" {
#endif

/* No time limit. */
#define LL_FOREVER ((double)INFINITY)

/* What to ask for; all zero asks for everything. */
struct ll_addrinfo_hints {
    int flags;    /* AI_…; 0 is none: not even AI_ADDRCONFIG */
    int family;   /* AF_UNSPEC: both */
    int type;     /* SOCK_…, 0: each */
    int protocol; /* IPPROTO_…, 0: each */
};

/* One answer. `canonical` is the host's canonical name, in the first answer when AI_CANONNAME asked for it, else "";
 * cut to fit. */
struct ll_addrinfo {
    int family, type, protocol;
    struct ll_address address;
    char canonical[256];
};

/* Asks for the addresses of `host` (NULL: loopback, or any with AI_PASSIVE) and
 * `service` (a name or decimal number; NULL: port 0). Not both NULL. On success *answers is an array of the returned
 * number (at least 1) of answers in the order of RFC 6724; release it with ll_addrinfo_free(). At most 1024 answers are
 * kept. `hints` may be NULL; so may `info`, which gets the host and the cause on failure.
 * May block for as long as `timeout_s`. A port number above 65535 is -ERANGE. */
LL_API int ll_getaddrinfo(const char *host, const char *service, const struct ll_addrinfo_hints *hints,
                          double timeout_s, struct ll_addrinfo **answers, struct ll_error_info *info);

/* Releases the answers; NULL is fine. */
LL_API void ll_addrinfo_free(struct ll_addrinfo *answers);

/* Asks for the name of an address. host[host_size] and service[service_size] get the two texts; either may be NULL with
 * size 0. `flags` are NI_…; with NI_NUMERICHOST and NI_NUMERICSERV nothing is asked and nothing waits.
 * Returns 0; LL_EGAI(EAI_OVERFLOW) where a text does not fit, LL_EGAI(EAI_FAMILY) for a family without names. */
LL_API int ll_getnameinfo(const struct ll_address *address, int flags, double timeout_s, char *host, size_t host_size,
                          char *service, size_t service_size);

/* A network interface. */
struct ll_interface {
    unsigned int index;
    char name[IF_NAMESIZE];
};

/* Fills out[max] with the system's interfaces and returns how many there are, which may be more than max. Does not wait
 * for the network. -ENOMEM, -ENOBUFS, -EMFILE as if_nameindex(3). */
LL_API int ll_if_nameindex(struct ll_interface *out, size_t max);

/* The number of the interface `name`, or -ENODEV. */
LL_API int ll_if_nametoindex(const char *name);

/* The name of interface `index` into out; 0 or -ENXIO. */
LL_API int ll_if_indextoname(unsigned int index, char out[IF_NAMESIZE]);

#ifdef __cplusplus
}
#endif
#endif
