#include "landline/service/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "landline/service/file_worker.h"

enum { MOST_ROUNDS = 8 }; /* of looking for processes that were born meanwhile */

struct process {
    pid_t pid, parent, session;
    bool ours, signalled;
};

struct processes {
    struct process *list;
    size_t count, capacity;
};

static size_t read_proc(pid_t pid, const char *file, char *out, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* Whether the process was started with the run's id in its environment. */
static bool carries_id(pid_t pid, const struct run_id *id) {
    char wanted[16 + RUN_ID_TEXT] = "LANDLINE_RUN=", *environment = malloc(256 << 10);
    if (environment == NULL)
        return false;
    run_id_print(id, wanted + 13);
    size_t n = read_proc(pid, "environ", environment, 256 << 10);
    bool found = false;
    for (size_t at = 0; at < n && !found; at += strlen(environment + at) + 1)
        found = strcmp(environment + at, wanted) == 0;
    free(environment);
    return found;
}

static int add_process(struct processes *all, pid_t pid) {
    char text[1024];
    int parent, session;
    if (read_proc(pid, "stat", text, sizeof text) == 0)
        return 0;
    const char *after = strrchr(text, ')');
    if (after == NULL || sscanf(after, ") %*c %d %*d %d", &parent, &session) != 2)
        return 0;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity == 0 ? 256 : 2 * all->capacity;
        struct process *grown = realloc(all->list, capacity * sizeof *grown);
        if (grown == NULL)
            return -ENOMEM;
        all->list = grown;
        all->capacity = capacity;
    }
    all->list[all->count++] = (struct process){.pid = pid, .parent = parent, .session = session};
    return 0;
}

static int list_processes(struct processes *all) {
    all->count = 0;
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return -errno;
    const struct dirent *entry;
    int e = 0;
    while (e == 0 && (entry = readdir(proc)) != NULL) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && pid > 1)
            e = add_process(all, (pid_t)pid);
    }
    closedir(proc);
    return e;
}

static bool is_ours(const struct processes *all, pid_t pid) {
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].pid == pid)
            return all->list[i].ours;
    return false;
}

static void mark_group(const struct run *run, struct processes *all) {
    pid_t *list;
    ssize_t n = groups_processes(&run->runs->groups, run->group, &list);
    for (ssize_t k = 0; k < n; k++)
        for (size_t i = 0; i < all->count; i++)
            all->list[i].ours = all->list[i].ours || all->list[i].pid == list[k];
    free(list);
}

/* Marks the run's processes: its control group, the session it was started in, orphans that carry its id, and all their
 * descendants. */
static void mark(const struct run *run, struct processes *all) {
    pid_t self = getpid();
    bool anywhere = !run->runs->host->alone; /* orphans do not come to us */
    for (size_t i = 0; i < all->count; i++) {
        struct process *p = &all->list[i];
        bool orphan = anywhere || p->parent == self || p->parent == 1;
        p->ours = p->pid != self && ((run->pid != 0 && p->pid == run->pid) ||
                                     ((p->session == run->session || orphan) && carries_id(p->pid, &run->id)));
    }
    mark_group(run, all);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < all->count; i++)
            if (!all->list[i].ours && is_ours(all, all->list[i].parent))
                more = all->list[i].ours = true;
    }
}

void run_signal_tree(const struct run *run, int signal) {
    struct processes all = {0};
    if (run->session == 0)
        return;
    bool group = run->pid != 0 && kill(-run->session, signal) == 0;
    if (signal == SIGKILL)
        groups_kill(&run->runs->groups, run->group);
    /* What has moved to another control group is found as where there are none. Killing leaves none behind only if it is
     * repeated until a round finds nothing new. */
    size_t before = SIZE_MAX, found = 0;
    for (int i = 0; i < (signal == SIGKILL ? MOST_ROUNDS : 1) && found != before; i++) {
        before = found;
        found = 0;
        if (list_processes(&all) != 0)
            break;
        mark(run, &all);
        for (size_t k = 0; k < all.count; k++) {
            /* Once is enough of what can be caught. */
            bool has_it = group && signal != SIGKILL && getpgid(all.list[k].pid) == run->session;
            if (all.list[k].ours && !has_it && kill(all.list[k].pid, signal) == 0)
                found++;
        }
    }
    free(all.list);
}

void run_signal(struct run *run, int signal) {
    /* Only while its first process is not reaped can the group's number not be somebody else's. */
    if (run->pid != 0)
        kill(-run->session, signal);
}

void run_leave_group(struct run *run) {
    if (run->group == 0 || !run->finished || run->kill_at != LL_NEVER)
        return;
    groups_leave(&run->runs->groups, run->group);
    run->group = 0;
}

/* Orphans come to us (subreaper). Those that have ended are found one by one without touching the runs' own processes. */
void run_reap_strays(struct runs *runs) {
    char path[64], text[16384];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return;
    text[n] = '\0';
    for (char *at = text, *end; *at != '\0'; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            break;
        bool known = (pid_t)pid == runs->host->gate;
        for (const struct file_worker *w = runs->host->workers; w != NULL && !known; w = w->next)
            known = w->child.pid == (pid_t)pid;
        for (const struct run *run = runs->list; run != NULL && !known; run = run->next)
            known = run->pid == (pid_t)pid;
        siginfo_t info = {0};
        if (!known && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) < 0)
            break;
    }
}
