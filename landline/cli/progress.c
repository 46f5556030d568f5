#include "landline/cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/json.h"
#include "landline/error.h"
#include "lib/base/escape.h"
#include "lib/base/number.h"
#include "lib/os/clock.h"
#include "lib/os/terminal.h"

enum { LINE = 400, TEXT = 8192, PATH = 800 };

static const int64_t SECOND = 1000000000, STALL = 5LL * 1000000000, SELDOM = 10LL * 1000000000;

/* ---- the line ---- */

/* The line while it grows. Once a part does not fit, none that follows it is shown either. */
struct line {
    char *out;
    size_t size, used;
    unsigned columns;
    bool full;
};

/* Adds a part behind two spaces if it still fits. */
static void add(struct line *l, const char *part) {
    size_t n = strlen(part) + (l->used > 0 ? 2 : 0);
    l->full = l->full || l->used + n >= l->columns || l->used + n >= l->size;
    if (l->full)
        return;
    snprintf(l->out + l->used, l->size - l->used, "%s%s", l->used > 0 ? "  " : "", part);
    l->used += n;
}

unsigned progress_percent(const struct progress_state *s) {
    unsigned percent = s->done >= s->known ? 100 : (unsigned)((double)s->done * 100 / (double)s->known);
    /* Rounding must not say that it is over. */
    percent = s->done < s->known && percent > 99 ? 99 : percent;
    return percent < s->least ? s->least : percent;
}

void progress_line(char *out, size_t size, unsigned columns, const struct progress_state *s) {
    struct line line = {.out = out, .size = size, .columns = columns};
    char a[40], b[40], part[120];
    out[0] = '\0';
    if (s->all_known && s->known > 0)
        snprintf(part, sizeof part, "%3u %%", progress_percent(s));
    else
        snprintf(part, sizeof part, "  …");
    add(&line, part);
    number_format_size(a, sizeof a, s->done);
    number_format_size(b, sizeof b, s->known);
    snprintf(part, sizeof part, "%s of %s%s", a, b, s->all_known ? "" : " so far");
    add(&line, part);
    if (s->stalled_ns >= STALL) {
        snprintf(part, sizeof part, "nothing moves since %s", number_format_duration(a, sizeof a, s->stalled_ns));
    } else {
        snprintf(part, sizeof part, "%s/s", number_format_size(a, sizeof a, (uint64_t)s->rate));
    }
    add(&line, part);
    if (s->all_known && s->rate >= 1 && s->known > s->done && s->stalled_ns < STALL) {
        int64_t left = (int64_t)((double)(s->known - s->done) / s->rate * 1e9);
        snprintf(part, sizeof part, "%s left", number_format_duration(a, sizeof a, left));
        add(&line, part);
    }
    if (s->known_files > 1) {
        snprintf(part, sizeof part, "%llu of %llu files", (unsigned long long)s->files,
                 (unsigned long long)s->known_files);
        add(&line, part);
    }
}

/* ---- on the terminal ---- */

static void clear(struct progress *p) {
    if (p->shown)
        fputs("\r\x1b[K", stderr);
    p->shown = false;
}

void progress_clear(struct progress *p) {
    pthread_mutex_lock(&p->lock);
    clear(p);
    fflush(stderr);
    pthread_mutex_unlock(&p->lock);
}

static uint64_t done_bytes(struct progress *p) {
    uint64_t bytes = atomic_load(&p->report.bytes), earlier = atomic_load(&p->report.earlier);
    return (bytes > earlier ? bytes - earlier : 0) + atomic_load(&p->report.held) + atomic_load(&p->report.holes);
}

/* Measures since the last look. */
static struct progress_state look(struct progress *p, int64_t now) {
    uint64_t bytes = atomic_load(&p->report.bytes);
    double seconds = (double)(now - p->last_shown) / 1e9;
    if (seconds > 0) {
        double rate = (double)(bytes - p->last_bytes) / seconds;
        p->rate = p->rate == 0 ? rate : 0.8 * p->rate + 0.2 * rate;
    }
    if (bytes != p->last_bytes)
        p->last_moved = now;
    p->last_bytes = bytes;
    p->last_shown = now;
    uint64_t total = atomic_load(&p->report.total_bytes), files = atomic_load(&p->report.total_files);
    struct progress_state s = {
        .done = done_bytes(p),
        .known = atomic_load(&p->report.known_bytes),
        .files = atomic_load(&p->report.files),
        .known_files = atomic_load(&p->report.known_files),
        .all_known = atomic_load(&p->report.all_known),
        .rate = p->rate,
        .stalled_ns = now - p->last_moved,
        .elapsed_ns = now - p->began,
        .least = p->percent,
    };
    if (files > 0) {
        s.known = total > s.known ? total : s.known;
        s.known_files = files > s.known_files ? files : s.known_files;
        s.all_known = true;
    }
    /* After a cut the counts begin below where they were; what is shown does not. */
    if (s.done < p->best)
        s.done = p->best;
    if (s.done > s.known)
        s.known = s.done;
    p->best = s.done;
    if (s.all_known && s.known > 0)
        p->percent = progress_percent(&s);
    return s;
}

void progress_tick(struct progress *p) {
    struct terminal_size size = {0};
    char line[LINE];
    if (p->quiet || p->json)
        return;
    int64_t now = clock_now();
    bool behind = !p->on_terminal || terminal_in_background(STDERR_FILENO);
    if (behind && now - p->last_shown < SELDOM)
        return;
    pthread_mutex_lock(&p->lock);
    struct progress_state s = look(p, now);
    if (terminal_size(STDERR_FILENO, &size) != 0 || size.columns == 0)
        size.columns = 80;
    progress_line(line, sizeof line, size.columns, &s);
    if (behind) {
        fprintf(stderr, "landline: %s: %s\n", p->host, line + strspn(line, " "));
    } else {
        fprintf(stderr, "\r%s\x1b[K", line);
        p->shown = true;
    }
    fflush(stderr);
    pthread_mutex_unlock(&p->lock);
}

/* ---- what the engine tells ---- */

static void on_problem(void *arg, const char *path, int error, const char *text) {
    struct progress *p = arg;
    char shown[4 * PATH + 1];
    pthread_mutex_lock(&p->lock);
    clear(p);
    p->problems++;
    if (p->json) {
        struct buf out;
        buf_init(&out, 4 * TEXT);
        struct json j = json_begin(&out);
        json_text(&j, "event", "problem");
        json_bytes(&j, "path", path, strlen(path));
        if (error != 0)
            json_text(&j, "error", ll_error_name(-error));
        json_text(&j, "text", text != NULL ? text : ll_strerror(-error));
        json_end(&j);
        fwrite(buf_front(&out), 1, buf_size(&out), stdout);
        buf_free(&out);
    } else {
        size_t length = strlen(path), cut = length > PATH ? length - PATH : 0;
        length = escape_text(shown, sizeof shown, path + cut);
        const char *end = shown + (length > PATH ? length - PATH : 0);
        /* The end of a path tells more than its beginning, and the reason more than both. */
        cli_error("%s: %s%s: %s", p->host, cut > 0 || end > shown ? "…" : "", end,
                  text != NULL ? text : ll_strerror(-error));
    }
    pthread_mutex_unlock(&p->lock);
}

static void on_receipt(void *arg, const struct transfer_receipt *r) {
    struct progress *p = arg;
    char shown[TEXT];
    if (!p->json && !(p->dry_run && !r->skipped))
        return;
    pthread_mutex_lock(&p->lock);
    clear(p);
    if (p->json) {
        char digest[17];
        struct buf out;
        buf_init(&out, 4 * TEXT);
        struct json j = json_begin(&out);
        json_text(&j, "event", "file");
        json_bytes(&j, "path", r->path, strlen(r->path));
        json_unsigned(&j, "bytes", r->size);
        json_bool(&j, "skipped", r->skipped);
        json_unsigned(&j, "resumed", r->resumed);
        if (r->has_digest) {
            snprintf(digest, sizeof digest, "%016llx", (unsigned long long)r->digest);
            json_text(&j, "digest", digest);
        }
        json_end(&j);
        fwrite(buf_front(&out), 1, buf_size(&out), stdout);
        buf_free(&out);
    } else {
        escape_text(shown, sizeof shown, r->path);
        printf("%s\n", shown);
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- begin and end ---- */

void progress_begin(struct progress *p, const char *host, bool quiet, bool json, bool dry_run) {
    *p = (struct progress){.host = host, .quiet = quiet, .json = json, .dry_run = dry_run};
    p->report.arg = p;
    p->report.problem = on_problem;
    p->report.receipt = json || dry_run ? on_receipt : NULL;
    p->on_terminal = terminal_is(STDERR_FILENO);
    p->began = p->last_shown = p->last_moved = clock_now();
    pthread_mutex_init(&p->lock, NULL);
}

/* Bytes that crossed the line more than once. */
static uint64_t wasted(struct progress *p, const struct tree_summary *s) {
    uint64_t moved = atomic_load(&p->report.bytes), useful = s->bytes + atomic_load(&p->report.held);
    return moved > useful ? moved - useful : 0;
}

static void end_json(struct progress *p, const struct tree_summary *s, bool failed, int64_t elapsed) {
    struct buf out;
    buf_init(&out, TEXT);
    struct json j = json_begin(&out);
    json_text(&j, "event", "result");
    json_bool(&j, "complete", !failed && s->failures == 0);
    json_unsigned(&j, "files", s->files);
    json_unsigned(&j, "folders", s->folders);
    json_unsigned(&j, "links", s->links);
    json_unsigned(&j, "skipped", s->skipped);
    json_unsigned(&j, "failures", s->failures);
    json_unsigned(&j, "bytes", s->bytes);
    json_unsigned(&j, "resumed", s->resumed);
    json_unsigned(&j, "wasted", wasted(p, s));
    json_unsigned(&j, "elapsed_ms", (uint64_t)(elapsed / 1000000));
    json_end(&j);
    fwrite(buf_front(&out), 1, buf_size(&out), stdout);
    buf_free(&out);
}

void progress_end(struct progress *p, const struct tree_summary *s, bool failed) {
    char bytes[40], rate[40], time[40], resumed[40], lost[40];
    int64_t elapsed = clock_now() - p->began;
    pthread_mutex_lock(&p->lock);
    clear(p);
    if (p->json) {
        end_json(p, s, failed, elapsed);
    } else if (!p->quiet && !failed) {
        double seconds = (double)(elapsed > 0 ? elapsed : 1) / (double)SECOND;
        fprintf(stderr, "landline: %s: %llu file%s%s, %s in %s (%s/s); %llu unchanged, %s resumed, %s wasted", p->host,
                (unsigned long long)s->files, s->files == 1 ? "" : "s", p->dry_run ? " would be sent" : "",
                number_format_size(bytes, sizeof bytes, s->bytes), number_format_duration(time, sizeof time, elapsed),
                number_format_size(rate, sizeof rate, (uint64_t)((double)s->bytes / seconds)),
                (unsigned long long)s->skipped, number_format_size(resumed, sizeof resumed, s->resumed),
                number_format_size(lost, sizeof lost, wasted(p, s)));
        if (s->failures > 0)
            fprintf(stderr, "; %llu failed", (unsigned long long)s->failures);
        fputc('\n', stderr);
    }
    fflush(stderr);
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_destroy(&p->lock);
}
