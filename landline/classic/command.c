#include "landline/classic/command.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/os/fd.h"

enum { READ_AT_ONCE = 64 << 10, READS_A_TURN = 8 };

static void notify(struct classic_command *command) {
    if (command->notify != NULL)
        command->notify(command->owner);
}

static void stop_reading(struct classic_command *command) {
    ll_watch_free(command->output_watch);
    command->output_watch = NULL;
    if (command->pipe >= 0)
        fd_close(command->pipe);
    command->pipe = -1;
}

void classic_command_forget(struct classic_command *command) {
    stop_reading(command);
    ll_watch_free(command->end_watch);
    buf_free(&command->output);
    *command->link = command->next;
    if (command->next != NULL)
        command->next->link = command->link;
    command->server->command_count--;
    free(command);
}

/* Collected only when its output has ended too: as long as the first process is not collected, its number still stands
 * for the group. */
static void ended(void *arg, unsigned events) {
    struct classic_command *command = arg;
    struct spawn_result ignored;
    (void)events;
    if (command->pipe >= 0) {
        ll_watch_set(command->end_watch, 0);
        return;
    }
    ll_watch_free(command->end_watch); /* before spawn_reap closes its descriptor */
    command->end_watch = NULL;
    (void)spawn_reap(&command->child, &ignored);
    ll_call_fn *call = command->notify;
    void *owner = command->owner;
    classic_command_forget(command);
    if (call != NULL)
        call(owner);
}

static void output_over(struct classic_command *command, bool failed) {
    command->complete = true;
    command->failed = failed;
    if (failed)
        spawn_signal_group(&command->child, SIGKILL);
    stop_reading(command);
    ll_watch_set(command->end_watch, LL_READ);
    notify(command);
}

static void readable(void *arg, unsigned events) {
    struct classic_command *command = arg;
    (void)events;
    for (int i = 0; i < READS_A_TURN; i++) {
        uint8_t *into = buf_reserve(&command->output, READ_AT_ONCE);
        ssize_t got = into != NULL ? fd_read(command->pipe, into, READ_AT_ONCE, NULL) : -ENOMEM;
        if (got == -EAGAIN)
            return;
        if (got > 0)
            buf_commit(&command->output, (size_t)got);
        if (got <= 0 || buf_size(&command->output) > LIMIT_CLASSIC_OUTPUT) {
            output_over(command, got != 0);
            return;
        }
    }
}

static int spawn(struct classic_command *command, const char *text, struct ll_error_info *info) {
    int ends[2];
    int rc = spawn_pipe(ends);
    if (rc < 0)
        return error_at(info, rc, "pipe", NULL);
    command->pipe = ends[0];
    const int fds[] = {-1, ends[1], -1};
    const struct spawn_request request = {
        .shell = text,
        .fds = fds,
        .fd_count = 3,
        .family = SPAWN_NEW_SESSION,
        .death_signal = SIGKILL,
        .limits = &command->server->descriptors,
        .limit_count = 1,
    };
    rc = spawn_start(&request, &command->child, info);
    fd_close(ends[1]);
    return rc;
}

static int watch(struct classic_command *command, struct ll_error_info *info) {
    ll_loop *loop = command->server->loop;
    int rc = ll_loop_fd(loop, command->pipe, LL_READ, readable, command, &command->output_watch);
    if (rc == 0)
        rc = ll_loop_fd(loop, command->child.pidfd, LL_READ, ended, command, &command->end_watch);
    return rc < 0 ? error_at(info, rc, "watch", NULL) : 0;
}

/* Kills and collects one that cannot be watched: waits, but SIGKILL is quick, and this needs memory to run out. */
static void kill_now(struct classic_command *command) {
    struct spawn_result ignored;
    spawn_signal_group(&command->child, SIGKILL);
    while (spawn_reap(&command->child, &ignored) == -EAGAIN)
        spawn_await(&command->child);
}

int classic_command_start(struct classic_server *server, const void *text, size_t size, ll_call_fn *notify_owner,
                          void *owner, struct classic_command **out, struct ll_error_info *info) {
    *out = NULL;
    if (server->command_count >= LIMIT_CLASSIC_COMMANDS)
        return error_at(info, -EAGAIN, "too many commands at once", NULL);
    if (memchr(text, '\0', size) != NULL)
        return error_at(info, -EINVAL, "a NUL in the command", NULL);
    char *copy = strndup(text, size);
    struct classic_command *command = calloc(1, sizeof *command);
    if (copy == NULL || command == NULL) {
        free(copy);
        free(command);
        return error_at(info, -ENOMEM, "command", NULL);
    }
    command->server = server;
    command->pipe = -1;
    command->notify = notify_owner;
    command->owner = owner;
    command->next = server->commands;
    command->link = &server->commands;
    if (command->next != NULL)
        command->next->link = &command->next;
    server->commands = command;
    server->command_count++;
    buf_init(&command->output, LIMIT_CLASSIC_OUTPUT + READ_AT_ONCE);

    int rc = spawn(command, copy, info);
    free(copy);
    if (rc == 0 && (rc = watch(command, info)) < 0)
        kill_now(command);
    if (rc < 0)
        classic_command_forget(command);
    else
        *out = command;
    return rc;
}

void classic_command_leave(struct classic_command *command) {
    command->notify = NULL;
    spawn_signal_group(&command->child, SIGKILL);
    stop_reading(command);
    buf_free(&command->output);
    ll_watch_set(command->end_watch, LL_READ);
}
