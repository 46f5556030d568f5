/* What is asked and answered once: kill, result, runs. */
#include "tests/sim/sim.h"

#include <string.h>

static void answer(struct world *w, struct connection *c, uint32_t stream, const struct buf *list,
                   const struct buf *result) {
    struct slice bytes = {NULL, 0};
    if (result != NULL)
        bytes = (struct slice){result->data + result->start, buf_size(result)};
    if (session_opened(c->gate, stream, &(struct session_start){0}, (struct slice){NULL, 0}) < 0)
        sim_fail(w, "OPENED was not taken");
    size_t n = list != NULL ? buf_size(list) : 0;
    if (n > 0 && session_data(c->gate, stream, 1, list->data + list->start, n) != (int64_t)n)
        sim_fail(w, "%zu bytes of a list were not taken", n);
    session_end(c->gate, stream, 1);
    session_end(c->gate, stream, 2);
    if (session_result(c->gate, stream, bytes) < 0)
        sim_fail(w, "RESULT was not taken");
}

/* What is meant, or NULL and it is refused. *run is NULL where only its name is left. */
static struct ledger_entry *meant(struct world *w, struct connection *c, uint32_t stream, const struct run_id *id,
                                  struct model_run **run) {
    struct ledger_entry *entry = ledger_find(w->ledger, c->owner->key, false, id);
    *run = entry != NULL ? keeper_recall(w, entry) : NULL;
    if (entry != NULL && (*run != NULL || entry->state == LEDGER_LOST))
        return entry;
    session_refuse(c->gate, stream, CODE_UNKNOWN_RUN, 0, "");
    return NULL;
}

void answer_kill(struct world *w, struct connection *c, const struct session_event *event) {
    struct run_kill request;
    struct model_run *run;
    if (run_kill_get(event->u.open.request, &request) < 0) {
        sim_fail(w, "a kill is malformed");
        return;
    }
    if (meant(w, c, event->stream, &request.id, &run) == NULL)
        return;
    if (run != NULL && run->running && !mutated(w, MUTATE_KILL_IN_WORDS)) {
        run->killed_by = request.signal;
        run_finish(w, run, run->why != 0 ? run->why : RUN_SIGNALLED, request.signal);
    }
    answer(w, c, event->stream, NULL, NULL);
}

void answer_result(struct world *w, struct connection *c, const struct session_event *event) {
    static const struct run_result lost = {.kind = RUN_LOST};
    struct run_id id;
    struct model_run *run;
    struct buf result;
    if (run_id_get(event->u.open.request, &id) < 0) {
        sim_fail(w, "a question for a result is malformed");
        return;
    }
    if (meant(w, c, event->stream, &id, &run) == NULL)
        return;
    if (run != NULL && (!run->finished || mutated(w, MUTATE_STILL_RUNNING))) {
        session_refuse(c->gate, event->stream, CODE_STILL_RUNNING, 0, "");
        return;
    }
    buf_init(&result, 4096);
    run_result_put(&result, run != NULL ? &run->result : &lost);
    answer(w, c, event->stream, NULL, &result);
    buf_free(&result);
}

static void put_record(struct buf *list, const struct model_run *run) {
    static const struct slice argv[] = {{(const uint8_t *)"command", 7}};
    struct buf result;
    buf_init(&result, 4096);
    if (run->finished)
        run_result_put(&result, &run->result);
    const struct run_record record = {.id = run->id,
                                      .state = run->finished ? RUN_FINISHED : RUN_RUNNING,
                                      .total1 = run->spool[0].end,
                                      .total2 = run->spool[1].end,
                                      .argc = 1,
                                      .argv = argv,
                                      .result = {buf_front(&result), buf_size(&result)}};
    run_record_put(list, &record);
    buf_free(&result);
}

void answer_runs(struct world *w, struct connection *c, const struct session_event *event) {
    struct buf list;
    buf_init(&list, KEPT);
    for (struct ledger_entry *e = NULL; (e = ledger_each(w->ledger, e)) != NULL;) {
        const struct model_run *run = keeper_recall(w, e);
        if (run != NULL && memcmp(e->key, c->owner->key, LEDGER_KEY) == 0 && !mutated(w, MUTATE_HIDE_RUN))
            put_record(&list, run);
    }
    answer(w, c, event->stream, &list, NULL);
    buf_free(&list);
}
