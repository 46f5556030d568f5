/* landline doctor: what is right and what is wrong with this machine, and with the way to another one.
 *
 * Each check adds findings to a list. A finding that is not right carries advice; the first of the worst is the one
 * thing to change. Nothing here prints, and nothing is changed. */
#ifndef LANDLINE_OBSERVE_DOCTOR_H
#define LANDLINE_OBSERVE_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "landline/error.h"
#include "lib/base/buf.h"

enum doctor_state {
    DOCTOR_FACT, /* neither right nor wrong */
    DOCTOR_GOOD,
    DOCTOR_WORSE, /* works, could be better */
    DOCTOR_WRONG, /* does not work */
};

struct finding {
    const char *group; /* "machine", "network", "host", …; static */
    char name[48];
    enum doctor_state state;
    int64_t took_ns;  /* -1 where nothing was timed */
    char value[256];  /* printable */
    char advice[256]; /* empty where there is nothing to do */
};

struct doctor {
    struct finding *list;
    size_t count, capacity;
    int failed; /* 0, or -ENOMEM: a finding is missing */
};

void doctor_init(struct doctor *d);
void doctor_free(struct doctor *d);

/* Adds a finding; value and advice (NULL for none) are formatted, escaped and cut to fit. The finding may be changed
 * until the next is added; NULL when memory ran out. */
struct finding *doctor_add(struct doctor *d, const char *group, const char *name, enum doctor_state state,
                           const char *format, ...) __attribute__((format(printf, 5, 6)));
void doctor_advise(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* This machine: kernel, sandbox, network settings, limits, clock, rights, landline's own files. Does not wait. */
void doctor_machine(struct doctor *d);

/* The way to a host: its name, each of its addresses, TCP and what the kernel measured. Waits for at most timeout_ns at
 * each step. True where a connection came about. */
bool doctor_host(struct doctor *d, const char *host, int port, int64_t timeout_ns);

/* What a paired host says through landline: TLS, identity, grant, a command started there, its clock, limits and
 * sandbox. Waits for at most timeout_ns at each step. True where it let us in. */
bool doctor_pair(struct doctor *d, const char *host, int64_t timeout_ns);

/* The one to act on first, or NULL. */
const struct finding *doctor_worst(const struct doctor *d);

const char *doctor_state_name(enum doctor_state state);
void doctor_text(struct buf *out, const struct doctor *d);
void doctor_json(struct buf *out, const struct doctor *d);

#endif
