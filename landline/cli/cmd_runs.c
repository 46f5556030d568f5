/* landline runs: what runs on a host, and what ran there lately. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "landline/cli/ask.h"
#include "landline/cli/cli.h"
#include "landline/cli/json.h"
#include "landline/cli/options.h"
#include "landline/cli/verdict.h"
#include "landline/client/result.h"
#include "lib/base/escape.h"
#include "lib/base/limits.h"
#include "lib/base/number.h"

/* "running", "exited 3", … */
static void state_text(const struct run_record *record, char *out, size_t size) {
    struct run_result result;
    struct ll_result shown;
    if (record->result.size == 0 || run_result_get(record->result, &result) != 0) {
        snprintf(out, size, "%s", record->state == RUN_RUNNING ? "running" : "finished");
        return;
    }
    result_fill(&shown, &result, false);
    snprintf(out, size, "%s %d", verdict_ending(shown.ending), shown.code);
}

static void time_text(uint64_t unix_ms, char *out, size_t size) {
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    localtime_r(&seconds, &tm);
    strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm);
}

static void argv_text(const struct run_record *record, char *out, size_t size) {
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < record->argc && at + 2 < size; i++) {
        if (i > 0)
            out[at++] = ' ';
        at += escape_bytes(out + at, size - at, record->argv[i].data, record->argv[i].size);
    }
}

static void print_record(const struct run_record *record) {
    char id[RUN_ID_TEXT + 1], state[48], started[32], bytes[32], kept[32], argv[256], name[64], owner[80],
        until[48] = "";
    run_id_print(&record->id, id);
    state_text(record, state, sizeof state);
    time_text(record->started, started, sizeof started);
    number_format_size(bytes, sizeof bytes, record->total1 + record->total2);
    number_format_size(kept, sizeof kept, record->kept);
    escape_bytes(name, sizeof name, record->name.data, record->name.size);
    escape_bytes(owner, sizeof owner, record->owner.data, record->owner.size);
    argv_text(record, argv, sizeof argv);
    if (record->expires != 0) {
        char when[32];
        time_text(record->expires, when, sizeof when);
        snprintf(until, sizeof until, ", until %s", when);
    }
    printf("%s  %-14s %s  %s%s%s\n    %s of output, %s kept%s; %u watching; started by %s\n", id, state, started, argv,
           name[0] != '\0' ? "  named " : "", name, bytes, kept, until, (unsigned)record->watchers, owner);
}

static void add_json(struct buf *out, const struct run_record *record) {
    char id[RUN_ID_TEXT + 1], state[48];
    struct json j = json_begin(out);
    run_id_print(&record->id, id);
    state_text(record, state, sizeof state);
    json_text(&j, "id", id);
    json_text(&j, "state", state);
    json_unsigned(&j, "started_ms", record->started);
    json_unsigned(&j, "stdout_bytes", record->total1);
    json_unsigned(&j, "stderr_bytes", record->total2);
    json_unsigned(&j, "kept_bytes", record->kept);
    json_unsigned(&j, "expires_ms", record->expires);
    json_unsigned(&j, "watchers", record->watchers);
    json_bytes(&j, "name", record->name.data, record->name.size);
    json_bytes(&j, "owner", record->owner.data, record->owner.size);
    json_array_begin(&j, "argv");
    for (uint32_t i = 0; i < record->argc; i++)
        json_element(&j, record->argv[i].data, record->argv[i].size);
    json_array_end(&j);
    json_end(&j);
}

static int show(struct slice records, bool json) {
    struct reader r = reader_of(records.data, records.size);
    struct buf out;
    int error = 0;
    buf_init(&out, LIMIT_COLLECTED);
    while (error == 0 && reader_left(&r) > 0) {
        struct run_record record = {0};
        error = run_record_get(reader_str32(&r), &record);
        if (error == 0 && json)
            add_json(&out, &record);
        else if (error == 0)
            print_record(&record);
        run_record_free(&record);
    }
    if (buf_size(&out) > 0)
        fwrite(buf_front(&out), 1, buf_size(&out), stdout);
    buf_free(&out);
    return error;
}

int cmd_runs(const struct command *self, int argc, char **argv) {
    struct ask_options how = {0};
    bool json = false;
    struct operands operands;
    const struct option_row rows[] = {
        {"json", 0, OPTION_FLAG, &json, NULL, "as JSON, a run a line", NULL},
        {"no-broker", 0, OPTION_FLAG, &how.no_broker, NULL, OPTION_NO_BROKER, NULL},
        {0},
    };
    int leave =
        options_parse(&(struct options){.command = self, .rows = rows, .min = 1, .max = 1}, argc, argv, &operands);
    if (leave >= 0)
        return leave;
    struct exchange_answer answer;
    how.host = operands.values[0];
    if (ask_host(&how, &(struct exchange_question){.service = "runs"}, &answer) != 0)
        return EXIT_FAILED;
    int error = show((struct slice){buf_front(&answer.output), buf_size(&answer.output)}, json);
    ask_free(&answer);
    if (error == 0)
        return cli_finish(EXIT_OK);
    cli_error("%s: the server's answer cannot be understood", how.host);
    return EXIT_FAILED;
}
