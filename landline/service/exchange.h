/* An exchange: one request of a client to a service, as the service sees it. It lives as long as the client is there; what
 * has to outlive that (a run) is the service's own and is found again by its id.
 *
 * The server makes it, calls the functions of its service (service.h), and frees it after `gone`. The service answers
 * through `ops`, at any time until then: `opened` or `refused` first, then the rest as PROTOCOL section 6 has it. None of
 * them waits; what they send is queued and leaves once a pass. */
#ifndef LANDLINE_SERVICE_EXCHANGE_H
#define LANDLINE_SERVICE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/proto/clocks.h"
#include "landline/service/terms.h"
#include "lib/base/reader.h"

struct exchange;
struct service;
struct service_host;

enum {
    PEER_KEY = 32,
    PEER_LABEL = 64,
    PEER_ADDRESS = 64,
};

/* The client behind a connection. */
struct peer {
    uint8_t key[PEER_KEY]; /* its pin */
    char label[PEER_LABEL];
    char address[PEER_ADDRESS];
    struct terms terms;
    struct clocks clocks; /* ours is clock_boot_ms() */
};

struct exchange_start {
    uint64_t start0, start1, start2;
    uint32_t window0; /* bytes of input that the service takes unasked; 0: none */
    bool bulk;        /* the window may grow with the link */
    bool paced;       /* tell the service when `output` has left (service.sent) */
    bool terminal;    /* the outputs are for a person's eyes: small pieces, soon */
};

struct exchange_ops {
    void (*opened)(struct exchange *x, const struct exchange_start *start, const void *response, size_t n);
    /* Also at any time later, before `result`. The exchange gets nothing more but `gone`. */
    void (*refused)(struct exchange *x, uint16_t code, uint32_t error, const char *text);
    /* Bytes of an output, copied. A service bounds what it sends so by itself: by `sent`, or by having no more. */
    void (*output)(struct exchange *x, uint8_t channel, uint64_t offset, const void *bytes, size_t n);
    /* Whether much waits to be sent already, of whatever exchange. Then an output that is kept anyway can stay there: `writable` comes. */
    bool (*full)(struct exchange *x);
    /* From byte `from` on the output is read from the file behind `fd`: byte o at o % size. The descriptor stays the
     * service's. 0, or -EAGAIN: the way is full, call again when `writable` comes. */
    int (*ring)(struct exchange *x, uint8_t channel, int fd, uint64_t size, uint64_t from);
    /* The file holds the bytes up to here, and will until they are acknowledged. */
    void (*produced)(struct exchange *x, uint8_t channel, uint64_t to);
    void (*ended)(struct exchange *x, uint8_t channel, uint64_t total);
    /* Before `opened`: channels 0 and 1 are what is written to and read from this stream socket, by the gate itself; the
     * service still ends channel 2 and says the result. The descriptor stays the service's. 0, or -EAGAIN as for ring. */
    int (*direct)(struct exchange *x, int fd);
    void (*consumed)(struct exchange *x, uint64_t to); /* input that is where it goes */
    void (*stop_input)(struct exchange *x, uint16_t code);
    void (*result)(struct exchange *x, const void *bytes, size_t n);
    void (*notice)(struct exchange *x, const char *text);
};

struct exchange {
    const struct exchange_ops *ops;
    const struct service *service;
    struct service_host *host;
    const struct peer *peer;
    void *state; /* the service's; NULL at first */
};

#endif
