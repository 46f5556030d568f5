#include "landline/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "landline/client/broker.h"
#include "landline/client/client_state.h"
#include "landline/client/failure.h"
#include "landline/client/hosts.h"
#include "lib/base/escape.h"
#include "lib/base/limits.h"
#include "lib/base/number.h"
#include "lib/os/clock.h"
#include "lib/os/paths.h"

static const double CONNECT_TIMEOUT_S = 20, PATIENCE_S = 15 * 60;

uint64_t client_unix_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int64_t nanoseconds(double seconds) {
    return seconds > 9e9 ? CLOCK_NEVER : (int64_t)(seconds * 1e9);
}

/* Name, addresses, pin and key of a host of the list. */
static int from_list(ll_client *client, const char *name, struct ll_failure *failure) {
    struct hosts hosts;
    struct ll_error_info info;
    int error = hosts_load(&hosts, &info);
    if (error != 0)
        return failure_info(failure, NULL, error, &info);
    const struct host *host = hosts_find(&hosts, name);
    char path[PATHS_SIZE];
    if (host == NULL)
        error = failure_set(failure, LL_EHOST,
                            "no host '%s' is known; 'landline hosts' lists those that are, 'landline add %s' makes one "
                            "from an invite",
                            name, name);
    if (error == 0 &&
        ((error = paths_folder(PATHS_CONFIG, path)) != 0 || (error = paths_join(path, path, host->key)) != 0))
        error = failure_set(failure, error, "%s: the config folder cannot be found: %s", name, ll_strerror(error));
    if (error == 0) {
        client->pin = host->pin;
        client->addresses = strdup(host->addresses);
        client->key_path = strdup(path);
    }
    hosts_free(&hosts);
    return error;
}

static int from_options(ll_client *client, const struct ll_client_options *options, struct ll_failure *failure) {
    char path[PATHS_SIZE];
    int error = 0;
    if (options->pin == NULL || tls_pin_parse(&client->pin, options->pin) != 0)
        return failure_set(failure, LL_EFORMAT, "%s: the pin is not of the form SHA256:…", options->host);
    if (!hosts_addresses_ok(options->addresses))
        return failure_set(failure, LL_EADDRESS, "%s: '%s' is not HOST:PORT", options->host, options->addresses);
    if (options->key_file == NULL) {
        if ((error = paths_folder(PATHS_CONFIG, path)) == 0)
            error = paths_make(path, NULL);
        if (error == 0)
            error = paths_join(path, path, "key");
    }
    if (error != 0)
        return failure_set(failure, error, "%s: the config folder cannot be made: %s", options->host,
                           ll_strerror(error));
    client->addresses = strdup(options->addresses);
    client->key_path = strdup(options->key_file != NULL ? options->key_file : path);
    client->no_broker = true;
    return 0;
}

/* What the options say, else the environment: milliseconds, 0 for the protocol's. */
static uint32_t silence_of(const struct ll_client_options *options) {
    const char *said = getenv("LANDLINE_SILENCE");
    int64_t ns = nanoseconds(options->silence_s), ms;
    if (options->silence_s <= 0 && (said == NULL || number_parse_duration(said, &ns) != 0))
        return 0;
    ms = ns / 1000000;
    return ms < LIMIT_SILENCE_MS ? LIMIT_SILENCE_MS : ms < LIMIT_DEAD_AFTER_MS ? (uint32_t)ms : 0;
}

static void connect_again(void *arg);

static int prepare(ll_client *client, const struct ll_client_options *options, struct ll_failure *failure) {
    int error = 0;
    if (options->host == NULL || strlen(options->host) > LIMIT_HOST_NAME)
        return failure_set(failure, -EINVAL, "a host's name is missing, or too long");
    client->no_broker = options->no_broker || !broker_enabled();
    error =
        options->addresses != NULL ? from_options(client, options, failure) : from_list(client, options->host, failure);
    if (error != 0)
        return error;
    client->host = strdup(options->host);
    if (client->host == NULL || client->addresses == NULL || client->key_path == NULL)
        error = -ENOMEM;
    if (error == 0 && client->loop == NULL) {
        error = ll_loop_new(&client->loop);
        client->own_loop = error == 0;
    }
    if (error == 0)
        error = pause_new(&client->pause, client->loop, connect_again, client);
    return error == 0 ? 0 : failure_set(failure, error, "%s: %s", options->host, ll_strerror(error));
}

int ll_client_open(const struct ll_client_options *options, ll_client **out, struct ll_failure *failure) {
    *out = NULL;
    ll_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return failure_set(failure, -ENOMEM, "out of memory");
    client->loop = options->loop;
    client->event = options->event;
    client->arg = options->arg;
    client->connect_timeout =
        nanoseconds(options->connect_timeout_s > 0 ? options->connect_timeout_s : CONNECT_TIMEOUT_S);
    client->patience =
        options->patience_s < 0 ? -1 : nanoseconds(options->patience_s > 0 ? options->patience_s : PATIENCE_S);
    client->silence_ms = silence_of(options);
    if (client->silence_ms > 0 && client->connect_timeout > client->silence_ms * INT64_C(1000000))
        client->connect_timeout = client->silence_ms * INT64_C(1000000);
    int error = prepare(client, options, failure);
    if (error != 0) {
        ll_client_free(client);
        return error;
    }
    *out = client;
    return 0;
}

void ll_client_free(ll_client *client) {
    if (client == NULL)
        return;
    while (client->jobs != NULL) {
        struct client_job *job = client->jobs;
        job->cut(job);
        client_remove(job);
    }
    dial_free(client->dial);
    link_free(client->link);
    pause_free(client->pause);
    tls_policy_free(client->policy);
    tls_identity_close(client->identity);
    if (client->own_loop)
        ll_loop_free(client->loop);
    free(client->dialled);
    free(client->key_path);
    free(client->addresses);
    free(client->host);
    free(client);
}

static void tell(ll_client *client, enum ll_client_event event, const struct ll_failure *failure) {
    if (client->event != NULL)
        client->event(client->arg, event, failure);
}

/* ---- the list of jobs ---- */

struct link *client_link(const ll_client *client) {
    bool usable = client->state == CLIENT_LINKED && client->link_is_open && !link_is_over(client->link);
    return usable ? client->link : NULL;
}

void client_remove(struct client_job *job) {
    ll_client *client = job->client;
    if (client == NULL)
        return;
    ll_timer_free(job->again);
    job->again = NULL;
    if (client->link != NULL)
        link_forget(client->link, &job->user);
    if (client->walk == job)
        client->walk = job->next;
    if (job->previous != NULL)
        job->previous->next = job->next;
    else
        client->jobs = job->next;
    if (job->next != NULL)
        job->next->previous = job->previous;
    job->previous = job->next = NULL;
    job->client = NULL;
}

static void end_job(struct client_job *job, const struct ll_failure *failure) {
    client_remove(job);
    job->failed(job, failure);
}

static void open_job(struct client_job *job) {
    ll_client *client = job->client;
    struct ll_failure failure;
    int error = job->open(job, link_session(client->link));
    if (error >= 0) {
        link_ready(client->link, &job->user);
        return;
    }
    failure_set(&failure, error, "%s: the request could not be sent: %s", client->host, ll_strerror(error));
    end_job(job, &failure);
}

/* All jobs of the list, whatever is done to the list by those that are called. One walk at a time. */
#define EACH_JOB(client, job)                                                                                          \
    for (struct client_job *job = (client)->jobs; job != NULL && ((client)->walk = job->next, 1); job = (client)->walk)

static void connect_now(ll_client *client);

void client_add(ll_client *client, struct client_job *job) {
    job->client = client;
    job->previous = NULL;
    job->next = client->jobs;
    if (client->jobs != NULL)
        client->jobs->previous = job;
    client->jobs = job;
    job->late = client->is_in && !client->over_broker && client->link != NULL && link_is_over(client->link);
    if (client_link(client) != NULL)
        open_job(job);
    else if (client->state == CLIENT_IDLE)
        connect_now(client);
}

void client_reopen(struct client_job *job) {
    if (job->client != NULL && client_link(job->client) != NULL)
        open_job(job);
}

static void reopen(void *arg) {
    client_reopen(arg);
}

int client_reopen_later(struct client_job *job) {
    int64_t wait = (int64_t)(job->tries < 8 ? 10 << job->tries : 2000) * 1000000;
    int e = job->again == NULL ? ll_loop_timer(job->client->loop, LL_NEVER, reopen, job, &job->again) : 0;
    if (e == 0)
        ll_timer_set(job->again, clock_after(clock_now(), wait));
    job->tries++;
    return e;
}

/* ---- failures ---- */

/* What another attempt would not change. */
static bool is_final(int code) {
    static const int codes[] = {LL_EPIN,    LL_ENOTENROLLED,   LL_EREVOKED,    LL_EVERSION,  LL_EKEYFILE, LL_EADDRESS,
                                LL_EINVITE, LL_EINVITEEXPIRED, LL_EINVITEUSED, LL_EPROTOCOL, LL_ELIMIT};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] == code)
            return true;
    return false;
}

static void fail_all(ll_client *client) {
    client->state = CLIENT_IDLE;
    client->give_up_at = 0;
    pause_end(client->pause);
    tell(client, LL_CLIENT_FAILED, &client->failure);
    while (client->jobs != NULL)
        end_job(client->jobs, &client->failure);
}

/* An attempt, or a link, has ended with client->failure. */
static void attempt_failed(ll_client *client, uint32_t retry_after_ms, enum ll_client_event event) {
    int64_t now = clock_now();
    int code = client->failure.code;
    EACH_JOB(client, job) {
        bool waits = code == LL_EBUSY || job->late || job->survives(job);
        job->late = false;
        if (!waits)
            end_job(job, &client->failure);
    }
    if (client->give_up_at == 0)
        client->give_up_at = client->patience < 0 ? CLOCK_NEVER : clock_after(now, client->patience);
    if (client->jobs == NULL || is_final(code) || now >= client->give_up_at) {
        fail_all(client);
        return;
    }
    client->state = CLIENT_WAITING;
    pause_begin(client->pause, retry_after_ms, client->give_up_at);
    tell(client, event, &client->failure);
}

static struct failure_place place(const ll_client *client) {
    return (struct failure_place){.host = client->host,
                                  .address = client->dialled != NULL ? client->dialled : client->addresses,
                                  .expected = &client->pin,
                                  .own = client->identity};
}

/* ---- the link ---- */

static void link_answered(void *arg) {
    tell(arg, LL_CLIENT_ANSWERED, NULL);
}

static void link_open(void *arg) {
    ll_client *client = arg;
    client->link_is_open = true;
    if (!client->over_broker)
        tell(client, LL_CLIENT_PROVED, NULL);
    EACH_JOB(client, job)
    open_job(job);
}

static void keep_welcome(ll_client *client, const struct message_welcome *welcome) {
    uint8_t *agent = client->welcome_texts, *name = agent + welcome->agent.size; /* each behind a length of one byte */
    memcpy(agent, welcome->agent.data, welcome->agent.size);
    memcpy(name, welcome->name.data, welcome->name.size);
    client->welcome = *welcome;
    client->welcome.agent.data = agent;
    client->welcome.name.data = name;
    client->welcomed_at_ms = client_unix_ms();
    client->verbs = welcome->verbs;
}

static void link_welcome(void *arg, const struct message_welcome *welcome) {
    ll_client *client = arg;
    client->is_in = client->was_in = true;
    client->give_up_at = 0;
    pause_end(client->pause);
    keep_welcome(client, welcome);
    escape_bytes(client->server_name, sizeof client->server_name, welcome->name.data, welcome->name.size);
    escape_bytes(client->server_agent, sizeof client->server_agent, welcome->agent.data, welcome->agent.size);
    tell(client, LL_CLIENT_CONNECTED, NULL);
}

static void link_ended(void *arg, const struct link_end *end) {
    ll_client *client = arg;
    struct failure_place where = place(client);
    if (client->over_broker) /* what it says is not the server's word */
        failure_set(&client->failure, LL_ELOST, "%s: the broker that has the connection fails: %s", client->host,
                    end->text[0] != '\0' ? end->text : ll_strerror(end->code));
    else
        failure_link(&client->failure, &where, end);
    EACH_JOB(client, job)
    job->cut(job);
    bool past_broker = client->over_broker, was_in = client->is_in;
    uint32_t retry_after_ms = end->retry_after_ms; /* `end` belongs to the link */
    link_free(client->link);
    client->link = NULL;
    client->link_is_open = false;
    client->state = CLIENT_IDLE;
    if (client->jobs == NULL) {
        client->is_in = false; /* nobody misses it */
        pause_end(client->pause);
    } else if (past_broker) {
        /* Whatever its trouble was, the host is asked directly before anything is called lost. */
        client->broken_broker = true;
        client->is_in = false;
        if (was_in)
            tell(client, LL_CLIENT_LOST, &client->failure);
        connect_now(client);
    } else {
        client->is_in = false;
        attempt_failed(client, retry_after_ms, was_in ? LL_CLIENT_LOST : LL_CLIENT_RETRY);
    }
}

static const struct link_owner link_owner = {
    .answered = link_answered, .open = link_open, .welcome = link_welcome, .end = link_ended};

static int link_up(ll_client *client, ll_socket *socket, struct wire *wire) {
    int64_t greeting = client->over_broker ? LIMIT_BROKER_GREETING_MS * INT64_C(1000000) : client->connect_timeout;
    struct link_config config = {.loop = client->loop,
                                 .greeting_deadline = clock_after(clock_now(), greeting),
                                 .dead_after_ms = client->silence_ms,
                                 .window_max = client->window_max,
                                 .owner = &link_owner,
                                 .arg = client};
    client->state = CLIENT_LINKED;
    client->link_is_open = client->is_in = false;
    if (!client->over_broker)
        tell(client, LL_CLIENT_REACHED, NULL);
    struct link *link;
    int error = link_new(&link, &config, socket, wire);
    client->link = link;
    if (error == 0)
        link_start(link);
    else
        client->state = CLIENT_IDLE;
    return error;
}

/* ---- connecting ---- */

static void attempt_error(ll_client *client, int error) {
    failure_set(&client->failure, error, "%s: cannot connect: %s", client->host, ll_strerror(error));
    attempt_failed(client, 0, LL_CLIENT_RETRY);
}

static void dialled(void *arg, const struct dial_end *end) {
    ll_client *client = arg;
    struct wire *wire = NULL;
    struct failure_place where = place(client);
    client->state = CLIENT_IDLE;
    int error = end->error;
    if (error != 0)
        failure_dial(&client->failure, &where, end);
    else {
        free(client->dialled);
        client->dialled = strdup(end->address);
        error = wire_new_tls(&wire, client->policy, &client->pin, end->host, client_unix_ms() / 1000);
        if (error == 0)
            error = link_up(client, end->socket, wire);
        else
            ll_socket_free(end->socket);
        if (error != 0)
            failure_set(&client->failure, error, "%s: cannot connect: %s", client->host, ll_strerror(error));
    }
    dial_free(client->dial);
    client->dial = NULL;
    if (error != 0)
        attempt_failed(client, 0, LL_CLIENT_RETRY);
}

/* The key and the crypto library, which only a direct connection needs. */
static int need_policy(ll_client *client) {
    struct ll_error_info info;
    if (client->policy != NULL)
        return 0;
    int error = tls_identity_open_client(&client->identity, client->key_path, &info);
    if (error != 0)
        return failure_info(&client->failure, client->host, error, &info);
    error = tls_policy_new(&client->policy, TLS_CLIENT, client->identity);
    if (error != 0)
        failure_set(&client->failure, error, "%s: %s", client->host, ll_strerror(error));
    return error;
}

/* The network first: the key and the crypto library are loaded while it is on the way. */
static void connect_directly(ll_client *client) {
    client->over_broker = false;
    client->state = CLIENT_DIALLING;
    int error = dial_start(&client->dial, client->loop, client->addresses,
                           clock_after(clock_now(), client->connect_timeout), dialled, client);
    if (error != 0) {
        client->state = CLIENT_IDLE;
        attempt_error(client, error);
    } else if (need_policy(client) != 0) {
        dial_free(client->dial);
        client->dial = NULL;
        client->state = CLIENT_IDLE;
        attempt_failed(client, 0, LL_CLIENT_RETRY);
    }
}

/* Whether there is a broker that can be asked, and is now. */
static bool connect_to_broker(ll_client *client) {
    struct broker_place place;
    ll_socket *socket;
    struct wire *wire = NULL;
    if (client->no_broker || client->broken_broker ||
        broker_place(&place, &client->pin, client->addresses, client->key_path) != 0 ||
        broker_connect(&place, &socket) != 0)
        return false;
    client->over_broker = true;
    int error = wire_new_plain(&wire);
    if (error == 0)
        error = link_up(client, socket, wire); /* takes both, in any case */
    else
        ll_socket_free(socket);
    return error == 0;
}

static void connect_again(void *arg) {
    ll_client *client = arg;
    /* One that dials already has waited long for an answer, and the network is not what it was. */
    bool again = client->state == CLIENT_DIALLING && clock_now() < client->give_up_at;
    if (client->state != CLIENT_WAITING && !again)
        return;
    dial_free(client->dial);
    client->dial = NULL;
    if (!connect_to_broker(client))
        connect_directly(client);
}

/* Never fails on the caller's stack: a failure is told by the loop. */
static void connect_now(ll_client *client) {
    client->state = CLIENT_WAITING;
    pause_skip(client->pause);
}

/* ---- waiting ---- */

int ll_client_fileno(const ll_client *client) {
    return ll_loop_fileno(client->loop);
}

int64_t ll_client_deadline(ll_client *client) {
    return ll_loop_deadline(client->loop);
}

int ll_client_step(ll_client *client) {
    int n = ll_loop_step(client->loop, 0);
    return n < 0 ? n : 0;
}

int client_serve(ll_client *client, const bool *done, int64_t deadline) {
    while (!*done) {
        int n = ll_loop_step(client->loop, deadline);
        if (n < 0)
            return n;
        if (!*done && deadline != LL_NEVER && clock_now() >= deadline)
            return LL_ETIMEOUT;
    }
    return 0;
}

/* Waits for the link, whoever wants it. */
struct waiter {
    struct client_job job; /* first */
    bool failed;
    struct ll_failure failure;
};

static int waiter_open(struct client_job *job, struct session *session) {
    (void)job, (void)session;
    return 0;
}

static void waiter_cut(struct client_job *job) {
    (void)job;
}

static bool waiter_survives(const struct client_job *job) {
    (void)job;
    return false;
}

static void waiter_failed(struct client_job *job, const struct ll_failure *failure) {
    struct waiter *waiter = (struct waiter *)job;
    waiter->failed = true;
    waiter->failure = *failure;
}

int ll_client_connect(ll_client *client, struct ll_failure *failure) {
    struct waiter waiter = {
        .job = {.open = waiter_open, .cut = waiter_cut, .survives = waiter_survives, .failed = waiter_failed}};
    int error = 0;
    client_add(client, &waiter.job);
    while (error >= 0 && !waiter.failed && !client->is_in)
        error = ll_loop_step(client->loop, LL_NEVER);
    client_remove(&waiter.job);
    if (waiter.failed) {
        if (failure != NULL)
            *failure = waiter.failure;
        return waiter.failure.code;
    }
    return error < 0 ? failure_set(failure, error, "%s: %s", client->host, ll_strerror(error)) : 0;
}
