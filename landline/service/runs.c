#include "landline/service/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/proto/message.h"
#include "landline/proto/invite.h"
#include "landline/service/audit.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/os/clock.h"
#include "lib/os/process.h"
#include "lib/os/spawn.h"
#include "lib/os/whole.h"

enum {
    MOST_LEDGER = 256 << 20, /* bytes of its file */
    SWEEP_MS = 2000,
    DYING_MS = 1000, /* of what was killed */
};

static const int64_t MS = 1000000;

void runs_path(const struct run *run, int channel, char *out, size_t size) {
    char id[RUN_ID_TEXT + 1];
    run_id_print(&run->id, id);
    snprintf(out, size, "%s/%s.%d", run->runs->folder, id, channel + 1);
}

/* --- the ledger's file --- */

static int random_bytes(void *out, size_t n) {
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, out, n) : -1;
    if (fd >= 0)
        close(fd);
    return got == (ssize_t)n ? 0 : -EIO;
}

/* Whether this is the boot in which the ledger was written last; notes the present one. Only within one boot is what
 * was written certain to be there: nothing is flushed to the disk before a start. */
static bool same_boot(const char *folder) {
    char path[4200], now[CLOCK_BOOT_ID];
    struct buf then;
    buf_init(&then, 4096);
    snprintf(path, sizeof path, "%s/boot", folder);
    clock_boot_id(now);
    size_t n = strlen(now);
    bool same =
        whole_read(path, &then, NULL) == 0 && n > 0 && buf_size(&then) == n && memcmp(buf_front(&then), now, n) == 0;
    if (!same && n > 0)
        whole_replace(path, now, n, 0600, NULL);
    buf_free(&then);
    return same;
}

/* Reads the file into the ledger and leaves a fresh one in its place, open for appending. *missing: there was none. */
static int load(struct runs *runs, bool *missing, struct ll_error_info *info) {
    char path[4200];
    struct buf file;
    uint8_t instance[LEDGER_INSTANCE];
    int e = random_bytes(instance, sizeof instance);
    if (e != 0)
        return error_at(info, e, "read", "/dev/urandom");
    runs->ledger = ledger_new(&(struct ledger_config){0}, instance, clock_boot_ms());
    if (runs->ledger == NULL)
        return -ENOMEM;
    buf_init(&file, MOST_LEDGER);
    snprintf(path, sizeof path, "%s/ledger", runs->folder);
    bool trusted = same_boot(runs->folder);
    e = whole_read(path, &file, info);
    *missing = e == -ENOENT;
    if (e == 0) {
        size_t used = 0;
        int damaged = ledger_load(runs->ledger, buf_front(&file), buf_size(&file), clock_boot_ms(), &used);
        if (!trusted || (damaged != 0 && !ledger_torn(buf_front(&file), buf_size(&file), used)))
            ledger_forget_past(runs->ledger, instance, clock_boot_ms());
    } else if (e != -ENOENT) {
        buf_free(&file);
        return e;
    }
    buf_clear(&file);
    ledger_expire(runs->ledger, clock_boot_ms());
    e = ledger_dump(runs->ledger, &file);
    if (e == 0)
        e = whole_replace(path, buf_front(&file), buf_size(&file), 0600, info);
    buf_free(&file);
    if (e != 0)
        return e;
    runs->ledger_fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    return runs->ledger_fd < 0 ? error_at(info, -errno, "open", path) : 0;
}

/* A record is in the file before the command starts: all of it, or the start is taken back. */
static int append(struct runs *runs, const struct buf *record) {
    ssize_t n;
    do
        n = write(runs->ledger_fd, record->data + record->start, record->end - record->start);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)(record->end - record->start))
        return 0;
    int e = n < 0 ? -errno : -ENOSPC;
    if (n > 0) {
        off_t end = lseek(runs->ledger_fd, 0, SEEK_END);
        if (end < 0 || ftruncate(runs->ledger_fd, end - n) < 0)
            return -EIO;
    }
    return e;
}

/* --- all runs --- */

static void sweep(void *arg) {
    struct runs *runs = arg;
    if (runs->host->alone)
        run_reap_strays(runs);
    groups_sweep(&runs->groups);
    runs_expire(runs);
    runs_settle(runs);
    ll_timer_set(runs->sweep, ll_loop_now(runs->host->loop) + SWEEP_MS * MS);
}

/* Ring files of runs that were lost belong to nobody. */
static void remove_orphans(struct runs *runs) {
    DIR *folder = opendir(runs->folder);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char text[RUN_ID_TEXT + 1];
        struct run_id id;
        if (strlen(entry->d_name) != RUN_ID_TEXT + 2 || entry->d_name[RUN_ID_TEXT] != '.')
            continue;
        memcpy(text, entry->d_name, RUN_ID_TEXT);
        text[RUN_ID_TEXT] = '\0';
        if (run_id_parse(text, &id) == 0 && !results_has(&runs->results, &id))
            unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder != NULL)
        closedir(folder);
}

/* Where the process is ours alone, what does not change between one start and the next. */
static void learn_process(struct runs *runs) {
    runs->null = open("/dev/null", O_RDWR | O_CLOEXEC); /* where it fails, each program opens its own */
    runs->signals = runs->host->alone ? spawn_changed_signals() : 0;
    runs->changed_signals = runs->host->alone ? &runs->signals : NULL;
}

int runs_open(struct runs **out, struct service_host *host, struct ll_error_info *info) {
    struct runs *runs = calloc(1, sizeof *runs);
    *out = NULL;
    if (runs == NULL)
        return -ENOMEM;
    *runs = (struct runs){.host = host, .ledger_fd = -1, .results = {.fd = -1}, .groups = {.above = -1, .folder = -1}};
    buf_init(&runs->late_ledger, LIMIT_BUFFER);
    buf_init(&runs->late_audit, LIMIT_BUFFER);
    learn_process(runs);
    size_t n = strlen(host->folder) + sizeof "/runs";
    bool missing = false;
    int e = -ENOMEM;
    if ((runs->folder = malloc(n)) != NULL) {
        snprintf(runs->folder, n, "%s/runs", host->folder);
        e = load(runs, &missing, info);
        if (e == 0 && (e = results_open(&runs->results, runs->folder)) != 0)
            error_at(info, e, "read", runs->folder);
    }
    if (e == 0 && missing && host->new_key && runs->results.count == 0)
        ledger_first_life(runs->ledger);
    if (e == 0)
        remove_orphans(runs);
    if (e == 0 && (e = account_find(&runs->self, NULL)) != 0)
        error_at(info, e, "find", "the server's own user");
    if (e == 0)
        e = ll_loop_timer(host->loop, ll_loop_now(host->loop) + SWEEP_MS * MS, sweep, runs, &runs->sweep);
    if (e != 0) {
        runs_close(runs);
        return e;
    }
    /* In a program of somebody else's they are left to the system: nobody could tell those that have ended from its own children. */
    if (host->alone)
        process_adopt_orphans();
    groups_open(&runs->groups, runs_instance(runs)); /* without, runs end as well as may be */
    *out = runs;
    return 0;
}

void runs_close(struct runs *runs) {
    if (runs == NULL)
        return;
    for (struct run *run = runs->list; run != NULL; run = run->next)
        if (!run->finished || run->kill_at != LL_NEVER)
            run_signal_tree(run, SIGKILL);
    /* The process may go on, and it is not its part to collect ours. */
    int64_t deadline = clock_after(clock_now(), DYING_MS * MS);
    while (runs->list != NULL) {
        if (runs->list->pid != 0 && runs->list->pidfd >= 0)
            spawn_collect(runs->list->pidfd, deadline);
        run_free(runs->list);
    }
    groups_close(&runs->groups);
    ll_timer_free(runs->sweep);
    if (runs->ledger_fd >= 0)
        runs_settle(runs);
    buf_free(&runs->late_ledger);
    buf_free(&runs->late_audit);
    ledger_free(runs->ledger);
    results_close(&runs->results);
    account_free(&runs->self);
    account_free(&runs->other);
    if (runs->null >= 0)
        close(runs->null);
    if (runs->ledger_fd >= 0)
        close(runs->ledger_fd);
    free(runs->folder);
    free(runs);
}

const uint8_t *runs_instance(const struct runs *runs) {
    return ledger_instance(runs->ledger);
}

uint32_t runs_horizon_s(const struct runs *runs) {
    return ledger_horizon_s(runs->ledger);
}

static size_t running_of(const struct runs *runs, const struct peer *peer) {
    size_t count = 0;
    for (const struct run *run = runs->list; run != NULL; run = run->next)
        count += !run->finished && memcmp(run->key, peer->key, sizeof run->key) == 0;
    return count;
}

static const char *full(const struct runs *runs, const struct peer *peer) {
    if (runs->running >= LIMIT_RUNS)
        return "the server runs as many commands as it may";
    if (peer->terms.runs != 0 && running_of(runs, peer) >= peer->terms.runs)
        return "this key runs as many commands as its grant allows";
    return NULL;
}

static struct run *start(struct runs *runs, const struct peer *peer, const struct run_request *request, uint16_t *code,
                         const char **text) {
    struct ledger_entry *entry;
    struct buf record;
    *code = CODE_FULL;
    if ((*text = full(runs, peer)) != NULL)
        return NULL;
    buf_init(&record, LIMIT_BUFFER);
    *text = "the server is out of memory"; /* code FULL: certainly not started, and the id stays unknown */
    int e = ledger_start(runs->ledger, peer->key, request, clock_boot_ms(), &entry, &record);
    if (e == 0 && append(runs, &record) != 0) {
        ledger_unstart(runs->ledger, entry);
        *code = CODE_SYSTEM; /* the same, but to ask again is of no use */
        *text = "the server cannot write its ledger: is the disk full?";
        e = -EIO;
    }
    buf_free(&record);
    if (e != 0)
        return NULL;
    *code = CODE_INTERNAL;
    struct run *run = run_new(runs, peer, request);
    if (run == NULL)
        return NULL; /* the id stays used: nothing was started, and nothing will be */
    run->entry = entry;
    entry->run = run;
    if (run->finished)
        runs_finished(run);
    return run;
}

/* The run of an entry: in memory, from the log, or what is left of one that was lost. */
static struct run *recall(struct runs *runs, struct ledger_entry *entry) {
    struct buf record;
    if (entry->run != NULL)
        return entry->run;
    buf_init(&record, LIMIT_BUFFER);
    struct run *run = NULL;
    if (results_get(&runs->results, &entry->id, &record) == 1)
        run = run_restore(runs, (struct slice){buf_front(&record), buf_size(&record)});
    else if (entry->state == LEDGER_LOST)
        run = run_lost(runs, entry);
    buf_free(&record);
    if (run != NULL) {
        entry->run = run;
        run->entry = entry;
    }
    return run;
}

struct run *runs_take(struct runs *runs, const struct peer *peer, const struct run_request *request, uint8_t *state,
                      uint16_t *code, const char **text) {
    struct ledger_entry *entry = NULL;
    struct run *run = NULL;
    bool others = (peer->terms.verbs & VERB_OTHERS) != 0;
    switch (ledger_judge(runs->ledger, peer->key, others, request, clocks_earliest(&peer->clocks, request->sent_ms),
                         &entry)) {
    case LEDGER_START:
        run = start(runs, peer, request, code, text);
        *state = RUN_STARTED;
        return run;
    case LEDGER_ATTACH:
        run = recall(runs, entry);
        *code = CODE_UNKNOWN_RUN;
        *text = "the result of this run is no longer kept";
        break;
    case LEDGER_CONFLICT:
        *code = CODE_CONFLICT;
        *text = "the id belongs to another command";
        break;
    case LEDGER_UNKNOWN_RUN:
        *code = CODE_UNKNOWN_RUN;
        *text = "no such run is known, or it is too long ago to tell";
        break;
    }
    if (run != NULL)
        *state = run->finished ? RUN_FINISHED : RUN_RUNNING;
    return run;
}

static bool may_touch(const struct run *run, const struct peer *peer) {
    return (peer->terms.verbs & VERB_OTHERS) != 0 || memcmp(run->key, peer->key, sizeof run->key) == 0;
}

struct run *runs_find(struct runs *runs, const struct peer *peer, const struct run_id *id, struct slice name) {
    if (name.size == 0) {
        struct ledger_entry *entry = ledger_find(runs->ledger, peer->key, (peer->terms.verbs & VERB_OTHERS) != 0, id);
        return entry != NULL ? recall(runs, entry) : NULL;
    }
    /* Of those with one name the newest that runs, else the newest. */
    struct run *found = NULL;
    for (struct run *run = runs->list; run != NULL; run = run->next)
        if (strlen(run->name) == name.size && memcmp(run->name, name.data, name.size) == 0 && may_touch(run, peer) &&
            (found == NULL || (found->finished && !run->finished)))
            found = run;
    return found;
}

static void write_audit(const struct run *run) {
    static const char *const kinds[] = {"", "exited", "signal", "timeout", "not started", "lost", "unwatched"};
    const struct run_result *r = &run->result;
    struct buf line;
    char digest[17];
    buf_init(&line, LIMIT_BUFFER);
    if (run->audit != NULL)
        buf_add(&line, run->audit, strlen(run->audit));
    audit_time(&line, "start", r->started);
    audit_time(&line, "end", r->ended);
    audit_text(&line, "result", kinds[r->kind], strlen(kinds[r->kind]));
    audit_number(&line, "code", r->code);
    audit_number(&line, "stdin", r->total0);
    audit_number(&line, "stdout", r->total1);
    audit_number(&line, "stderr", r->total2);
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)r->digest1);
    audit_text(&line, "stdout_xxh64", digest, 16);
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)r->digest2);
    audit_text(&line, "stderr_xxh64", digest, 16);
    audit_gather(&run->runs->late_audit, &line);
    buf_free(&line);
}

static void set_state(struct runs *runs, struct ledger_entry *entry, enum ledger_state state) {
    struct buf record;
    buf_init(&record, LIMIT_BUFFER);
    if (ledger_set_state(runs->ledger, entry, state, &record) == 0)
        buf_add(&runs->late_ledger, buf_front(&record), buf_size(&record));
    buf_free(&record);
}

void runs_settle(struct runs *runs) {
    if (buf_size(&runs->late_ledger) > 0)
        append(runs, &runs->late_ledger);
    buf_clear(&runs->late_ledger);
    audit_write(runs->host->audit, &runs->late_audit);
}

void runs_finished(struct run *run) {
    struct runs *runs = run->runs;
    if (run->entry == NULL)
        return; /* still being made: start() calls again */
    /* The result first: a ledger that says "finished" must not promise what is not there. */
    run->stored = run_store(run, &runs->results);
    set_state(runs, run->entry, LEDGER_FINISHED);
    write_audit(run);
    free(run->audit);
    run->audit = NULL;
    int64_t now = ll_loop_now(runs->host->loop);
    run->expire_at = !run->stored            ? now + (int64_t)LIMIT_RESULTS_AGE * 1000 * MS
                     : run->watchers == NULL ? now
                                             : LL_NEVER;
}

void runs_let_go(struct run *run) {
    if (!run->finished || run->watchers != NULL || run->kill_at != LL_NEVER)
        return;
    if (!run->stored && run->expire_at > ll_loop_now(run->runs->host->loop))
        return; /* memory is all there is of it */
    if (run->entry != NULL) {
        if (!run->stored)
            set_state(run->runs, run->entry, LEDGER_EXPIRED);
        run->entry->run = NULL;
    }
    run_free(run);
}

static void remove_files(struct runs *runs, const struct run_id *id) {
    const struct run run = {.runs = runs, .id = *id};
    for (int i = 0; i < 2; i++) {
        char path[4200];
        runs_path(&run, i, path, sizeof path);
        unlink(path);
    }
}

static void dropped(void *arg, struct slice record) {
    static const uint8_t anybody[LEDGER_KEY];
    struct runs *runs = arg;
    struct run_id id;
    memcpy(id.bytes, record.data, sizeof id.bytes);
    struct ledger_entry *entry = ledger_find(runs->ledger, anybody, true, &id);
    if (entry != NULL)
        set_state(runs, entry, LEDGER_EXPIRED);
    remove_files(runs, &id);
}

void runs_expire(struct runs *runs) {
    results_expire(&runs->results, run_unix_ms(), dropped, runs);
    ledger_expire(runs->ledger, clock_boot_ms());
}
