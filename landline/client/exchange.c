#include "landline/client/exchange.h"

#include <errno.h>
#include <string.h>

#include "landline/client/client_state.h"
#include "landline/client/failure.h"

struct exchange {
    struct client_job job; /* first */
    const struct exchange_question *question;
    struct exchange_answer *answer;
    ll_client *client;
    uint32_t stream;
    size_t sent;
    bool done, lost; /* lost: the link, after the question may have gone out */
    int error;
    struct ll_failure *failure;
};

static void finish(struct exchange *exchange, int error) {
    exchange->done = true;
    exchange->error = error;
    client_remove(&exchange->job);
}

static struct session *session_of(const struct exchange *exchange) {
    return link_session(exchange->client->link);
}

static int open_stream(struct client_job *job, struct session *session) {
    struct exchange *exchange = (struct exchange *)job;
    const struct exchange_question *q = exchange->question;
    if (exchange->lost && q->once)
        return LL_ELOST;
    exchange->sent = 0;
    buf_clear(&exchange->answer->output);
    buf_clear(&exchange->answer->result);
    struct slice service = {(const uint8_t *)q->service, strlen(q->service)};
    int64_t stream = session_open(session, q->resume ? MESSAGE_RESUME : 0, service, q->request, SESSION_BULK);
    if (stream < 0)
        return (int)stream;
    exchange->stream = (uint32_t)stream;
    session_set_tag(session, exchange->stream, &job->user);
    return 0;
}

static int next_data(struct link_user *user, uint8_t head[MESSAGE_DATA_HEAD], struct slice *payload) {
    struct exchange *exchange = (struct exchange *)user;
    struct slice input = exchange->question->input;
    struct session *session = session_of(exchange);
    size_t n = input.size - exchange->sent;
    uint64_t room = session_room(session, exchange->stream, 0);
    if (n == 0)
        session_end(session, exchange->stream, 0);
    if (n > room)
        n = (size_t)room;
    if (n > MESSAGE_DATA_MAX)
        n = MESSAGE_DATA_MAX;
    if (n == 0 || session_data_head(session, exchange->stream, 0, n, head) != 0)
        return 0;
    *payload = (struct slice){input.data + exchange->sent, n};
    exchange->sent += n;
    return 1;
}

static void cut(struct client_job *job) {
    struct exchange *exchange = (struct exchange *)job;
    exchange->lost = exchange->lost || (exchange->stream != 0 && !session_untouched(session_of(exchange)));
    exchange->stream = 0;
}

static bool survives(const struct client_job *job) {
    (void)job;
    return false;
}

static void failed(struct client_job *job, const struct ll_failure *failure) {
    struct exchange *exchange = (struct exchange *)job;
    if (exchange->lost && exchange->question->once)
        failure_set(exchange->failure, LL_ELOST, "%s: the link was lost before the answer to '%s' came: it may be done",
                    exchange->client->host, exchange->question->service);
    else if (exchange->failure != NULL)
        *exchange->failure = *failure;
    finish(exchange, failure->code);
}

static void take_output(struct exchange *exchange, const struct session_event *event) {
    struct buf *output = &exchange->answer->output;
    if (event->channel == 1)
        buf_add(output, event->u.data.bytes.data, event->u.data.bytes.size);
    session_consumed(session_of(exchange), exchange->stream, event->channel,
                     event->u.data.offset + event->u.data.bytes.size);
}

static void take_result(struct exchange *exchange, struct slice result) {
    struct exchange_answer *answer = exchange->answer;
    buf_add(&answer->result, result.data, result.size);
    session_done(session_of(exchange), exchange->stream);
    int error = answer->output.failed != 0 ? answer->output.failed : answer->result.failed;
    if (error != 0)
        failure_set(exchange->failure, error, "%s: the answer is too large", exchange->client->host);
    finish(exchange, error);
}

static void event(struct link_user *user, const struct session_event *event) {
    struct exchange *exchange = (struct exchange *)user;
    switch (event->type) {
    case MESSAGE_DATA:
        take_output(exchange, event);
        break;
    case MESSAGE_RESULT:
        take_result(exchange, event->u.result);
        break;
    case MESSAGE_REFUSED:
        finish(exchange, failure_refused(exchange->failure, exchange->client->host, exchange->question->service,
                                         &event->u.refused));
        break;
    default:
        break;
    }
}

int exchange_ask(ll_client *client, const struct exchange_question *question, struct exchange_answer *answer,
                 struct ll_failure *failure) {
    struct exchange exchange = {.job = {.user = {.event = event, .data = next_data},
                                        .open = open_stream,
                                        .cut = cut,
                                        .survives = survives,
                                        .failed = failed},
                                .question = question,
                                .answer = answer,
                                .client = client,
                                .failure = failure};
    client_add(client, &exchange.job);
    int error = client_serve(client, &exchange.done, LL_NEVER);
    client_remove(&exchange.job);
    return error != 0 ? failure_set(failure, error, "%s: %s", client->host, ll_strerror(error)) : exchange.error;
}
