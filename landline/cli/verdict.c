#include "landline/cli/verdict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "landline/cli/cli.h"
#include "landline/client/failure.h"
#include "lib/base/escape.h"
#include "lib/base/limits.h"
#include "lib/base/number.h"
#include "lib/os/whole.h"

static const char *const endings[] = {
    [LL_EXITED] = "exited",           [LL_SIGNALLED] = "signalled", [LL_TIMED_OUT] = "timed out",
    [LL_NOT_STARTED] = "not started", [LL_LOST] = "lost",           [LL_UNWATCHED] = "unwatched",
    [LL_DETACHED] = "detached",
};

const char *verdict_ending(enum ll_ending ending) {
    return (size_t)ending < sizeof endings / sizeof *endings && endings[ending] != NULL ? endings[ending] : "unknown";
}

static int status_of_result(const struct ll_result *r) {
    switch (r->ending) {
    case LL_EXITED:
        return r->code & 0xff;
    case LL_SIGNALLED:
    case LL_UNWATCHED:
        return 128 + (r->code & 0x7f);
    case LL_TIMED_OUT:
        return EXIT_TIMED_OUT;
    case LL_NOT_STARTED:
        return r->code == EXIT_NOT_FOUND || r->code == EXIT_NOT_EXECUTABLE ? r->code : EXIT_LANDLINE;
    case LL_DETACHED:
        return EXIT_OK;
    default:
        return EXIT_UNKNOWN;
    }
}

int verdict_status(const struct verdict *v) {
    if (v->error == 0)
        return status_of_result(&v->result);
    return v->error == LL_ELOST || v->error == LL_EUNKNOWNRUN ? EXIT_UNKNOWN : EXIT_LANDLINE;
}

/* What to do about a command that was not started. error 0: whatever it was. */
static const struct {
    int code, error;
    const char *text;
} hints[] = {
    {EXIT_NOT_FOUND, 0, "is it installed there, and in the PATH of a run?"},
    {EXIT_NOT_EXECUTABLE, 0, "is it a program, and may the user there execute it?"},
    {EXIT_LANDLINE, EAGAIN, "that machine has no room for another process now: try again later"},
    {EXIT_LANDLINE, ENOMEM, "that machine has no memory for it now: try again later"},
    {EXIT_LANDLINE, EMFILE, "the server has too many files open now: try again later"},
    {EXIT_LANDLINE, ENFILE, "that machine has too many files open now: try again later"},
    {EXIT_LANDLINE, ENOENT, "is there such a folder on that machine?"},
    {EXIT_LANDLINE, EPERM, "the user there may not do that"},
    {EXIT_LANDLINE, EACCES, "the user there may not do that"},
    {EXIT_LANDLINE, 0, "look at what was asked for it: folder, limits, niceness"},
};

static void say_not_started(const struct verdict *v, struct ll_failure *out) {
    const struct ll_result *r = &v->result;
    const char *what = r->code == EXIT_NOT_FOUND        ? "was not found there"
                       : r->code == EXIT_NOT_EXECUTABLE ? "cannot be executed there"
                                                        : "was not started";
    char command[256];
    size_t i = 0;
    escape_text(command, sizeof command, v->command != NULL ? v->command : "the command");
    while (hints[i].code != status_of_result(r) || (hints[i].error != 0 && hints[i].error != r->error))
        i++;
    failure_set(out, 0, "%s: '%s' %s: %s; %s", v->host, command, what,
                r->text[0] != '\0' ? r->text
                : r->error != 0    ? ll_strerror(-r->error)
                                   : "no reason was given",
                hints[i].text);
}

/* What the policy dropped is missing for all; what is missing only here came when nobody kept it any more. */
static void say_dropped(const struct verdict *v, const char *which, uint64_t dropped, uint64_t missed) {
    char size[32];
    if (missed > dropped)
        cli_error("%s: %s of %s are not shown: the server does not keep them any more", v->host,
                  number_format_size(size, sizeof size, missed), which);
    else if (dropped > 0)
        cli_error("%s: %s of %s were dropped, because nobody took them in time", v->host,
                  number_format_size(size, sizeof size, dropped), which);
}

/* What there is to say of an ending that is not the command's own; else "". */
static void say_ending(const struct verdict *v, struct ll_failure *out) {
    const struct ll_result *r = &v->result;
    out->sentence[0] = '\0';
    switch (r->ending) {
    case LL_TIMED_OUT:
        failure_set(out, 0, "%s: the command ran longer than it may, and was ended by signal %d (%s)", v->host, r->code,
                    strsignal(r->code));
        break;
    case LL_NOT_STARTED:
        say_not_started(v, out);
        break;
    case LL_LOST:
        failure_set(
            out, 0,
            "%s: the server stopped while the command ran (%s): how it ended is not known; look there before you "
            "start it again",
            v->host, v->id);
        break;
    case LL_UNWATCHED:
        failure_set(
            out, 0,
            "%s: the command was killed because nobody watched it (signal %d); --on-loss says how long it may go on",
            v->host, r->code);
        break;
    default:
        break;
    }
}

static void say_result(const struct verdict *v) {
    struct ll_failure said;
    say_ending(v, &said);
    if (said.sentence[0] != '\0')
        cli_error("%s", said.sentence);
    if (v->result.output_cut)
        cli_error("%s: a process that the command left behind still held its output open: what it writes is not shown",
                  v->host);
    say_dropped(v, "standard output", v->result.dropped_output, v->result.missed_output);
    say_dropped(v, "standard error", v->result.dropped_errors, v->result.missed_errors);
}

void verdict_say(const struct verdict *v) {
    if (v->error != 0)
        cli_error("%s", v->failure.sentence);
    else
        say_result(v);
}

static void add_result(struct json *j, const struct verdict *v) {
    const struct ll_result *r = &v->result;
    struct ll_failure said;
    json_text(j, "ending", verdict_ending(r->ending));
    if (r->ending == LL_EXITED || r->ending == LL_NOT_STARTED)
        json_number(j, "code", r->code);
    else if (r->ending != LL_LOST && r->ending != LL_DETACHED)
        json_number(j, "signal", r->code);
    if (r->ending == LL_DETACHED)
        return;
    if (r->error != 0)
        json_text(j, "error", ll_error_name(-r->error));
    say_ending(v, &said);
    if (said.sentence[0] != '\0')
        json_text(j, "text", said.sentence);
    json_bool(j, "core_dumped", r->core_dumped);
    json_bool(j, "output_cut", r->output_cut);
    json_unsigned(j, "started_ms", r->started_ms);
    json_unsigned(j, "ended_ms", r->ended_ms);
    json_unsigned(j, "stdin_bytes", r->input);
    json_unsigned(j, "stdout_bytes", r->output);
    json_unsigned(j, "stderr_bytes", r->errors);
    char digest[20];
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)r->output_digest);
    json_text(j, "stdout_xxh64", digest);
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)r->errors_digest);
    json_text(j, "stderr_xxh64", digest);
    json_bool(j, "verified", r->verified);
    json_unsigned(j, "stdout_dropped", r->dropped_output);
    json_unsigned(j, "stderr_dropped", r->dropped_errors);
    json_unsigned(j, "stdout_missed", r->missed_output);
    json_unsigned(j, "stderr_missed", r->missed_errors);
    json_unsigned(j, "user_us", r->user_us);
    json_unsigned(j, "system_us", r->system_us);
    json_unsigned(j, "max_rss_kib", r->max_rss_kib);
}

void verdict_json(struct buf *out, const struct verdict *v) {
    struct json j = json_begin(out);
    json_text(&j, "event", "result");
    json_text(&j, "host", v->host);
    json_text(&j, "id", v->id);
    if (v->error == 0) {
        add_result(&j, v);
    } else {
        json_text(&j, "ending", v->error == LL_ELOST || v->error == LL_EUNKNOWNRUN ? "unknown" : "failed");
        json_text(&j, "error", ll_error_name(v->error));
        json_text(&j, "text", v->failure.sentence);
    }
    json_number(&j, "status", verdict_status(v));
    json_end(&j);
}

int verdict_refuse(const struct verdict *v, bool json) {
    struct buf out;
    buf_init(&out, LIMIT_SERVICE_PAYLOAD);
    verdict_say(v);
    verdict_json(&out, v);
    if (json && out.failed == 0)
        fwrite(buf_front(&out), 1, buf_size(&out), stdout);
    buf_free(&out);
    return cli_finish(verdict_status(v));
}

static int write_into(const char *path, const void *bytes, size_t n) {
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return -errno;
    bool whole = fwrite(bytes, 1, n, file) == n;
    int error = fclose(file) == 0 && whole ? 0 : -errno;
    return error;
}

int verdict_file(const char *path, const struct verdict *v) {
    struct buf out;
    struct ll_error_info info = {0};
    buf_init(&out, LIMIT_SERVICE_PAYLOAD);
    verdict_json(&out, v);
    int error = out.failed;
    struct stat about;
    bool special = stat(path, &about) == 0 && !S_ISREG(about.st_mode); /* a pipe, /dev/fd/3: not to be replaced */
    if (error == 0 && special)
        error = write_into(path, buf_front(&out), buf_size(&out));
    else if (error == 0)
        error = whole_replace(path, buf_front(&out), buf_size(&out), 0644, &info);
    buf_free(&out);
    if (error != 0)
        cli_error("cannot write %s: %s", path, ll_strerror(error));
    return error;
}
