/* exec and ssh: a command line comes, the output of the shell's goes.
 *
 * exec sends the output and nothing else, one newline where there is none, since the client waits for something. ssh
 * sends the length in decimal digits first, waits for one receive of whatever the client says ("ok"), then sends exactly
 * that many bytes; "The command is wrong!!" stands for an empty output.
 *
 * A receive is a command line: the protocols have no end mark. The next one is not read before this one has been
 * answered and has ended. A client that ends its direction while its command runs counts as gone: whether it is still
 * there to listen cannot be told, and a command must not outlive its client. */
#include "landline/classic/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "landline/classic/command.h"
#include "lib/base/limits.h"

enum state {
    LISTENING, /* for a command line, once the last command has ended */
    RUNNING,
    LENGTH, /* being sent */
    CONSENT,
    OUTPUT, /* being sent */
};

struct command_peer {
    struct classic_peer peer;
    enum state state;
    struct classic_command *command; /* NULL once it has ended and was collected */
    struct buf out;
    size_t output_sent;
    char length[24];
    size_t length_sent;
};

static const char exec_empty[] = "\n", ssh_empty[] = "The command is wrong!!";

static bool length_first(const struct command_peer *c) {
    return c->peer.server->service == &classic_service_ssh;
}

static void wait_for(struct command_peer *c, enum state state) {
    static const unsigned events[] = {LL_READ, LL_HANGUP, LL_WRITE, LL_READ, LL_WRITE};
    c->state = state;
    ll_watch_set(c->peer.watch, state == LISTENING && c->command != NULL ? LL_HANGUP : events[state]);
}

/* Twice a command: its output is complete; it is gone. */
static void command_moved(void *owner) {
    struct command_peer *c = owner;
    if (c->state != RUNNING || !c->command->complete) {
        c->command = NULL;
        wait_for(c, c->state);
        return;
    }
    if (c->command->failed) {
        classic_say(&c->peer, "a command's output is larger than %d MiB, killed it and closed the connection",
                    LIMIT_CLASSIC_OUTPUT >> 20);
        classic_close(&c->peer);
        return;
    }
    c->out = c->command->output;
    buf_init(&c->command->output, 0);
    const char *empty = length_first(c) ? ssh_empty : exec_empty;
    if (buf_size(&c->out) == 0)
        buf_add(&c->out, empty, strlen(empty));
    c->output_sent = c->length_sent = 0;
    snprintf(c->length, sizeof c->length, "%zu", buf_size(&c->out));
    wait_for(c, length_first(c) ? LENGTH : OUTPUT);
}

static void take_command(struct command_peer *c) {
    ssize_t got = classic_receive(&c->peer, LIMIT_CLASSIC_COMMAND + 1);
    if (got <= 0)
        return;
    struct ll_error_info info = {.code = LL_ELIMIT, .call = "command line"};
    int rc = got > LIMIT_CLASSIC_COMMAND ? LL_ELIMIT
                                         : classic_command_start(c->peer.server, c->peer.server->scratch, (size_t)got,
                                                                 command_moved, c, &c->command, &info);
    if (rc < 0) {
        char text[256];
        ll_error_format(&info, text, sizeof text);
        classic_say(&c->peer, "refused a command and closed the connection: %s", text);
        classic_close(&c->peer);
        return;
    }
    wait_for(c, RUNNING);
}

static void listening(struct command_peer *c) {
    if (c->command != NULL)
        classic_close(&c->peer);
    else
        take_command(c);
}

/* Sends bytes[*sent … size - 1] as far as it goes; false: the peer is freed. */
static bool send_more(struct command_peer *c, const void *bytes, size_t size, size_t *sent) {
    ssize_t n = ll_socket_send(c->peer.socket, (const char *)bytes + *sent, size - *sent, 0);
    if (n >= 0)
        *sent += (size_t)n;
    else if (n != -EAGAIN) {
        classic_close(&c->peer);
        return false;
    }
    return true;
}

static void sending_length(struct command_peer *c) {
    size_t size = strlen(c->length);
    if (send_more(c, c->length, size, &c->length_sent) && c->length_sent == size)
        wait_for(c, CONSENT);
}

static void consent(struct command_peer *c) {
    if (classic_receive(&c->peer, sizeof c->peer.server->scratch) > 0)
        wait_for(c, OUTPUT);
}

static void sending_output(struct command_peer *c) {
    size_t size = buf_size(&c->out);
    if (!send_more(c, buf_front(&c->out), size, &c->output_sent) || c->output_sent < size)
        return;
    buf_free(&c->out);
    wait_for(c, LISTENING);
}

static void ready(void *arg, unsigned events) {
    struct command_peer *c = arg;
    (void)events;
    static void (*const moves[])(struct command_peer *) = {
        [LISTENING] = listening, [RUNNING] = NULL,          [LENGTH] = sending_length,
        [CONSENT] = consent,     [OUTPUT] = sending_output,
    };
    if (moves[c->state] != NULL)
        moves[c->state](c);
    else
        classic_close(&c->peer);
}

static void end(void *arg) {
    struct command_peer *c = arg;
    if (c->command != NULL)
        classic_command_leave(c->command);
    buf_free(&c->out);
}

#define COMMAND_SERVICE(label, number)                                                                                 \
    {                                                                                                                  \
        .name = label, .about = "run commands as this user", .port = number, .events = LL_READ,                        \
        .peer_size = sizeof(struct command_peer), .ready = ready, .end = end                                           \
    }

const struct classic_service classic_service_exec = COMMAND_SERVICE("exec", 6969);
const struct classic_service classic_service_ssh = COMMAND_SERVICE("ssh", 9999);
