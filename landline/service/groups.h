/* The control groups of the runs (lib/os/cgroup.h): one each, so that ending a run ends all that it has started, whatever that
 * did to get away.
 *
 * They lie in one folder below the keeper's own group, `landline-` and the number of the server's memory, with a lock on it
 * while the keeper lives. Making and removing a group costs more than a small command may; so an empty one is used again,
 * and mostly a start costs opening its folder. A run's group is a number; 0 is none: where the system allows no groups, runs
 * start without one, and are ended as run_tree.c can. */
#ifndef LANDLINE_SERVICE_GROUPS_H
#define LANDLINE_SERVICE_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/limits.h"

struct groups {
    int above, folder; /* the keeper's own group, and in it ours; folder -1: there are none */
    bool given_up;
    char name[32];
    uint32_t last; /* number that was given out */
    uint32_t free[LIMIT_GROUPS_FREE];
    size_t free_count;
    uint32_t *left; /* removed when they are empty: what the run left there lives on, or it was killed */
    size_t left_count, left_room;
};

/* `server` tells this server from others, after a restart as well. Ends what a keeper of the same server has left running when
 * it crashed, but for what a finished run had left behind on purpose; and removes empty groups of any keeper that crashed.
 * 0, or why there are none; `groups` can be used in any case. */
int groups_open(struct groups *groups, const uint8_t server[8]);
void groups_close(struct groups *groups);

/* A group without processes: its number, and in *fd its folder for the new process, the caller's to close. 0: none. */
uint32_t groups_take(struct groups *groups, int *fd);
/* The system would not start a process in one: none is given out any more. */
void groups_give_up(struct groups *groups);
/* The run is over. What it left running goes on. */
void groups_leave(struct groups *groups, uint32_t number);
/* Takes back groups whose processes have all ended. */
void groups_sweep(struct groups *groups);

/* KILL to all of a group, which is not given out again; and its processes, as cgroup_processes(). */
int groups_kill(struct groups *groups, uint32_t number);
ssize_t groups_processes(const struct groups *groups, uint32_t number, pid_t **list);

#endif
