#include "landline/service/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/proto/invite.h"
#include "lib/base/limits.h"
#include "lib/os/pty.h"
#include "lib/os/spawn.h"

enum { ACCOUNT_MS = 1000 };

/* What one start needs until the process runs. Strings of the request have no terminator: they are copied into `text`. */
struct launch {
    struct run *run;
    const struct run_request *request;
    const struct terms *terms;
    const struct account *account; /* who it runs as */
    struct buf text;
    const char **argv, **env;
    struct spawn_limit *limits;
    char *cwd;
    int fds[3]; /* the program's ends; -1: /dev/null */
    const char *step;
};

static int fail(struct launch *l, int e, uint32_t code, const char *what, const char *subject) {
    struct run *run = l->run;
    run->result.code = code;
    run->result.error = e < 0 && e > -4096 ? (uint32_t)-e : 0;
    snprintf(run->text, sizeof run->text, "%s%s%.150s: %s", what, subject[0] != '\0' ? " " : "", subject,
             ll_strerror(e));
    return e;
}

const char *run_forbidden_account(const struct terms *terms) {
    if (geteuid() == 0 && terms->as == NULL)
        return "the server runs as root and the grant of this key names no user (landline invite --as USER)";
    if (geteuid() != 0 && terms->as != NULL) {
        struct account self;
        bool same = account_find(&self, NULL) == 0 && strcmp(self.name, terms->as) == 0;
        account_free(&self);
        if (!same)
            return "the grant of this key names another user than the server runs as";
    }
    return NULL;
}

const char *run_forbidden(const struct peer *peer, const struct run_request *request) {
    const struct terms *terms = &peer->terms;
    bool login = (request->flags & RUN_LOGIN) != 0;
    if ((terms->verbs & (login ? VERB_SHELL : VERB_RUN)) == 0)
        return login ? "the grant of this key has no 'shell'" : "the grant of this key has no 'run'";
    const char *account = run_forbidden_account(terms);
    if (account != NULL)
        return account;
    if (terms->argv_count > 0 && (request->flags & (RUN_SHELL | RUN_LOGIN)) != 0)
        return "the grant of this key allows certain commands only, no shell";
    if (!login && !terms_allow_argv(terms, request->argv, request->argc))
        return "the grant of this key does not allow this command";
    for (uint32_t i = 0; i < request->variable_count; i++)
        if (!terms_allow_name(terms, request->variables[i].name))
            return "the grant of this key does not allow environment variables that change how programs are loaded";
    return NULL;
}

static char *copy(struct launch *l, struct slice s) {
    size_t at = buf_size(&l->text);
    buf_add(&l->text, s.data, s.size);
    buf_add_u8(&l->text, 0);
    return l->text.failed == 0 ? (char *)buf_front(&l->text) + at : NULL;
}

/* All strings at once, so that their addresses stay. */
static int reserve_text(struct launch *l) {
    const struct run_request *r = l->request;
    size_t n = 4096 + r->cwd.size + r->term.size + 64;
    for (uint32_t i = 0; i < r->argc; i++)
        n += r->argv[i].size + 1;
    for (uint32_t i = 0; i < r->variable_count; i++)
        n += r->variables[i].name.size + r->variables[i].value.size + 2;
    n += 8 * (strlen(l->account->home) + strlen(l->account->shell) + strlen(l->account->name));
    if (l->terms->root != NULL)
        n += strlen(l->terms->root);
    return buf_reserve(&l->text, n) != NULL ? 0 : -ENOMEM;
}

static struct slice text_slice(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int make_argv(struct launch *l) {
    const struct run_request *r = l->request;
    l->argv = calloc((size_t)r->argc + 4, sizeof *l->argv);
    if (l->argv == NULL)
        return -ENOMEM;
    size_t n = 0;
    if ((r->flags & RUN_LOGIN) != 0) {
        char name[256];
        snprintf(name, sizeof name, "-%s", base_name(l->account->shell));
        l->argv[n++] = copy(l, text_slice(name));
    } else if ((r->flags & RUN_SHELL) != 0) {
        l->argv[n++] = copy(l, text_slice(base_name(l->account->shell)));
        l->argv[n++] = "-c";
    }
    for (uint32_t i = 0; i < r->argc; i++)
        l->argv[n++] = copy(l, r->argv[i]);
    return n > 0 ? 0 : -EINVAL;
}

static void set_variable(struct launch *l, size_t *count, const char *name, struct slice value) {
    size_t n = strlen(name), at = buf_size(&l->text);
    buf_add(&l->text, name, n);
    buf_add_u8(&l->text, '=');
    char *entry = (char *)buf_front(&l->text) + at;
    copy(l, value);
    for (size_t i = 0; i < *count; i++)
        if (strncmp(l->env[i], entry, n + 1) == 0) {
            l->env[i] = entry;
            return;
        }
    l->env[(*count)++] = entry;
}

/* A clean environment: what a login gives, the run's id, and what the client adds. */
static int make_env(struct launch *l) {
    const struct run_request *r = l->request;
    const struct account *a = l->account;
    const char *lang = getenv("LANG");
    char id[RUN_ID_TEXT + 1];
    size_t count = 0;
    l->env = calloc((size_t)r->variable_count + 16, sizeof *l->env);
    if (l->env == NULL)
        return -ENOMEM;
    run_id_print(&r->id, id);
    set_variable(l, &count, "PATH",
                 text_slice(a->uid == 0 ? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                                        : "/usr/local/bin:/usr/bin:/bin"));
    set_variable(l, &count, "HOME", text_slice(a->home));
    set_variable(l, &count, "USER", text_slice(a->name));
    set_variable(l, &count, "LOGNAME", text_slice(a->name));
    set_variable(l, &count, "SHELL", text_slice(a->shell));
    set_variable(l, &count, "LANG", text_slice(lang != NULL && strlen(lang) < 64 ? lang : "C.UTF-8"));
    set_variable(l, &count, "LANDLINE_RUN", text_slice(id));
    if ((r->flags & RUN_TTY) != 0)
        set_variable(l, &count, "TERM", r->term.size > 0 ? r->term : text_slice("dumb"));
    for (uint32_t i = 0; i < r->variable_count; i++) {
        char name[LIMIT_VARIABLE_NAME + 1];
        struct slice given = r->variables[i].name;
        if (given.size == 0 || given.size >= sizeof name || memchr(given.data, '=', given.size) != NULL)
            return fail(l, LL_EUSAGE, 125, "set an environment variable", "");
        memcpy(name, given.data, given.size);
        name[given.size] = '\0';
        set_variable(l, &count, name, r->variables[i].value);
    }
    return 0;
}

static int make_cwd(struct launch *l) {
    const char *base = l->terms->root != NULL ? l->terms->root : l->account->home;
    const struct slice cwd = l->request->cwd;
    if (cwd.size > 0 && cwd.data[0] == '/') {
        l->cwd = copy(l, cwd);
        return 0;
    }
    size_t at = buf_size(&l->text);
    buf_add(&l->text, base, strlen(base));
    buf_add_u8(&l->text, cwd.size > 0 ? '/' : 0);
    l->cwd = (char *)buf_front(&l->text) + at;
    if (cwd.size > 0)
        copy(l, cwd);
    else if (l->terms->root == NULL && access(l->cwd, X_OK) != 0)
        l->cwd = "/"; /* as login does where there is no home */
    return 0;
}

static int make_limits(struct launch *l) {
    const struct run_request *r = l->request;
    if (r->limit_count == 0)
        return 0;
    l->limits = calloc(r->limit_count, sizeof *l->limits);
    if (l->limits == NULL)
        return -ENOMEM;
    for (uint8_t i = 0; i < r->limit_count; i++)
        l->limits[i] = (struct spawn_limit){
            .resource = r->limits[i].resource,
            .value = {r->limits[i].soft == RUN_UNLIMITED ? RLIM_INFINITY : r->limits[i].soft,
                      r->limits[i].hard == RUN_UNLIMITED ? RLIM_INFINITY : r->limits[i].hard},
        };
    return 0;
}

/* A pipe whose end `ours` (0 read, 1 write) does not block. */
static int make_pipe(int *ours, int *theirs, int side) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ours = ends[side];
    *theirs = ends[1 - side];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int make_terminal(struct launch *l) {
    struct run *run = l->run;
    const struct run_window_size *s = &l->request->size;
    const struct pty_size size = {s->rows, s->columns, s->xpixel, s->ypixel};
    int e = pty_open(&run->pipe[0], &l->fds[0], &size);
    if (e != 0)
        return e;
    if ((l->fds[1] = fcntl(l->fds[0], F_DUPFD_CLOEXEC, 3)) < 0 ||
        (l->fds[2] = fcntl(l->fds[0], F_DUPFD_CLOEXEC, 3)) < 0)
        return -errno;
    /* A second descriptor for the way in: the loop watches each for one thing. */
    run->input_fd = fcntl(run->pipe[0], F_DUPFD_CLOEXEC, 3);
    return run->input_fd < 0 ? -errno : 0;
}

static int make_pipes(struct launch *l) {
    struct run *run = l->run;
    int e = make_pipe(&run->pipe[0], &l->fds[1], 0);
    if (e == 0)
        e = make_pipe(&run->pipe[1], &l->fds[2], 0);
    if (e == 0 && (l->request->flags & RUN_NO_STDIN) == 0)
        e = make_pipe(&run->input_fd, &l->fds[0], 1);
    return e;
}

/* Where the system does not start a process in a control group, it is started without, and so are all after it. */
static int spawn(struct run *run, struct spawn_request *request, struct spawn_child *child,
                 struct ll_error_info *info) {
    struct groups *groups = &run->runs->groups;
    run->group = groups_take(groups, &request->group_fd);
    int e = spawn_start(request, child, info);
    if (run->group == 0)
        return e;
    close(request->group_fd);
    if (e == 0)
        return 0;
    groups_leave(groups, run->group);
    run->group = 0;
    if (strcmp(info->call, "clone") != 0 || e == -EAGAIN || e == -ENOMEM)
        return e;
    groups_give_up(groups);
    request->group_fd = -1;
    return spawn_start(request, child, info);
}

static int start(struct launch *l) {
    const struct run_request *r = l->request;
    struct run *run = l->run;
    bool tty = run_is_terminal(run);
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = l->fds[i] >= 0 ? l->fds[i] : run->runs->null;
    struct spawn_request request = {
        .argv = l->argv,
        .file = (r->flags & (RUN_LOGIN | RUN_SHELL)) != 0 ? l->account->shell : NULL,
        .env = l->env,
        .fds = fds,
        .fd_count = 3,
        .cwd = l->cwd,
        .changed_signals = run->runs->changed_signals,
        .family = tty ? SPAWN_ON_TERMINAL : SPAWN_NEW_SESSION,
        .set_umask = true,
        .umask = r->umask == RUN_UMASK_DEFAULT ? 022 : r->umask,
        .set_nice = r->nice != RUN_NICE_SAME,
        .nice = (int)r->nice - RUN_NICE_ZERO,
        .limits = l->limits,
        .limit_count = r->limit_count,
        .set_user = l->terms->as != NULL && geteuid() == 0,
        .uid = l->account->uid,
        .gid = l->account->gid,
        .groups = l->account->groups,
        .group_count = l->account->group_count,
    };
    struct spawn_child child;
    struct ll_error_info info = {0};
    int e = spawn(run, &request, &child, &info);
    if (e != 0)
        return fail(l, e, (uint32_t)child.exit_code, info.call != NULL ? info.call : "spawn", info.subject);
    run->pid = run->session = child.pid;
    run->pidfd = child.pidfd;
    return 0;
}

/* The user database is asked at most once in ACCOUNT_MS for the user of one grant: who starts a thousand commands would
 * have it read a thousand times. */
static int find_account(struct launch *l) {
    struct runs *runs = l->run->runs;
    l->account = &runs->self;
    if (l->terms->as == NULL || geteuid() != 0)
        return 0;
    l->account = &runs->other;
    int64_t now = ll_loop_now(runs->host->loop);
    if (runs->other_until > now && strcmp(runs->other.name, l->terms->as) == 0)
        return 0;
    account_free(&runs->other);
    int e = account_find(&runs->other, l->terms->as);
    runs->other_until = e == 0 ? now + ACCOUNT_MS * 1000000 : 0;
    return e != 0 ? fail(l, e, 125, "find the user", l->terms->as) : 0;
}

int run_launch(struct run *run, const struct peer *peer, const struct run_request *request) {
    struct launch l = {.run = run, .request = request, .terms = &peer->terms, .fds = {-1, -1, -1}};
    buf_init(&l.text, LIMIT_BUFFER);
    int e = find_account(&l);
    if (e == 0)
        e = reserve_text(&l);
    if (e == 0)
        e = make_argv(&l);
    if (e == 0)
        e = make_env(&l);
    if (e == 0)
        e = make_cwd(&l);
    if (e == 0)
        e = make_limits(&l);
    if (e == 0)
        e = run_is_terminal(run) ? make_terminal(&l) : make_pipes(&l);
    if (e == 0)
        e = start(&l);
    if (e != 0 && run->text[0] == '\0')
        fail(&l, e, 125, "start the command", "");
    for (int i = 0; i < 3; i++)
        if (l.fds[i] >= 0)
            close(l.fds[i]);
    if (e != 0)
        for (int i = 0; i < 2; i++)
            run_close_output(run, i);
    if (e != 0)
        run_close_input(run);
    buf_free(&l.text);
    free(l.argv);
    free(l.env);
    free(l.limits);
    return e;
}
