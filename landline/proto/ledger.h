/* The server's memory of run ids: what makes a command start at most once, ever (docs/PROTOCOL.md section 7.3).
 *
 * Pure state. The owner (the keeper) asks ledger_judge() before it starts anything; on LEDGER_START it calls ledger_start(),
 * writes the record to its file, and only then starts the command. After a restart it feeds the file to ledger_load().
 *
 * Time is `now_ms` of a clock that counts on while the machine sleeps and never jumps (CLOCK_BOOTTIME). Memory reaches back
 * without a gap only within one boot: records of another boot are loaded as known ids (never started again), and
 * ledger_forget_past() makes the reach begin now. */
#ifndef LANDLINE_PROTO_LEDGER_H
#define LANDLINE_PROTO_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/proto/run.h"

enum {
    LEDGER_KEY = 32, /* the pin of a client */
    LEDGER_INSTANCE = 16,
};

struct ledger;

struct ledger_config {
    uint64_t horizon_ms; /* how far back it remembers; 0: LIMIT_LEDGER_HORIZON_MS */
    size_t max_entries;  /* 0: LIMIT_LEDGER_ENTRIES; the oldest are forgotten first, and the reach shrinks with them */
};

/* An empty memory that begins now. `instance` is 16 fresh random bytes; a loaded epoch replaces them. NULL: no memory. */
struct ledger *ledger_new(const struct ledger_config *config, const uint8_t instance[LEDGER_INSTANCE], uint64_t now_ms);
void ledger_free(struct ledger *ledger);

/* --- the question --- */

enum ledger_verdict {
    LEDGER_START,       /* never seen: start it */
    LEDGER_ATTACH,      /* known: *entry */
    LEDGER_CONFLICT,    /* known, but another command: CODE_CONFLICT */
    LEDGER_UNKNOWN_RUN, /* cannot be told: CODE_UNKNOWN_RUN */
};

enum ledger_state {
    LEDGER_RUNNING,
    LEDGER_FINISHED, /* its result is kept */
    LEDGER_LOST,     /* it ran when the server stopped */
    LEDGER_EXPIRED,  /* finished; its result is no longer kept */
};

struct ledger_entry {
    struct run_id id;
    uint8_t key[LEDGER_KEY];             /* of the client that started it */
    uint8_t fingerprint[RUN_PRINT_SIZE]; /* run_request_fingerprint() */
    uint64_t at_ms;                      /* when it was recorded */
    enum ledger_state state;
    void *run; /* the owner's; NULL at first */
};

/* A run request from `key`, which was sent for the first time not before sent_ms (clocks_earliest(); 0: that is not known).
 * `others`: the grant lets it touch runs of other keys. */
enum ledger_verdict ledger_judge(struct ledger *ledger, const uint8_t key[LEDGER_KEY], bool others,
                                 const struct run_request *request, uint64_t sent_ms, struct ledger_entry **entry);
/* attach, kill, result: the entry that `key` may touch, or NULL. */
struct ledger_entry *ledger_find(struct ledger *ledger, const uint8_t key[LEDGER_KEY], bool others,
                                 const struct run_id *id);

/* --- what happens --- Each appends the record that the owner must write to its file to `record`, and returns 0; -ENOMEM
 * or LL_ELIMIT (all entries are in use) where nothing has changed. */

int ledger_start(struct ledger *ledger, const uint8_t key[LEDGER_KEY], const struct run_request *request,
                 uint64_t now_ms, struct ledger_entry **entry, struct buf *record);
int ledger_set_state(struct ledger *ledger, struct ledger_entry *entry, enum ledger_state state, struct buf *record);
/* Takes back a start whose record could not be written: the id was never started. */
void ledger_unstart(struct ledger *ledger, struct ledger_entry *entry);

/* Forgets what is older than the horizon, and the oldest where there are too many. Entries with a `run` stay: the owner sets
 * it to NULL when it lets go. Returns how many were forgotten. */
size_t ledger_expire(struct ledger *ledger, uint64_t now_ms);

/* --- persistence --- */

/* The record of the epoch: to be the first of a new file. */
int ledger_epoch(const struct ledger *ledger, struct buf *record);
/* Feeds the bytes of a file. Entries that ran become LEDGER_LOST. 0; LL_EFORMAT where a record is damaged, with *used at its
 * start: what was before it counts. A torn last record is damage too: the caller truncates there if it is at the end (a write
 * that was cut by a crash of this process never led to a start), else calls ledger_forget_past(). */
int ledger_load(struct ledger *ledger, const void *bytes, size_t n, uint64_t now_ms, size_t *used);
/* Whether the bytes from `used` on can be a record that was cut short while it was written. */
bool ledger_torn(const void *bytes, size_t n, size_t used);
/* The owner's key was made by the start that made this memory, so nothing was ever started under it before: until something
 * is forgotten, an id that is not known is new. Only for an empty one, and not for one that is read from a file. */
void ledger_first_life(struct ledger *ledger);
/* The reach begins now, and the instance is a new one. */
void ledger_forget_past(struct ledger *ledger, const uint8_t instance[LEDGER_INSTANCE], uint64_t now_ms);
/* All of it as a fresh file: epoch and entries. */
int ledger_dump(const struct ledger *ledger, struct buf *out);

const uint8_t *ledger_instance(const struct ledger *ledger);
/* The point since which every start is remembered. */
uint64_t ledger_reach(const struct ledger *ledger);
/* For WELCOME: seconds that it reaches back at most. */
uint32_t ledger_horizon_s(const struct ledger *ledger);
size_t ledger_count(const struct ledger *ledger);
/* Visits the entries, oldest first: NULL begins, NULL ends. */
struct ledger_entry *ledger_each(const struct ledger *ledger, const struct ledger_entry *entry);

#endif
