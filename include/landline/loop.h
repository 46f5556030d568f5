/* landline/loop.h: an event loop for one thread.
 *
 * A loop waits for descriptors, points in time, signals and children, and calls you back when one of them is due.
 * It owns none of them: you open and close descriptors, the loop only watches.
 *
 *     ll_loop *loop;
 *     ll_watch *watch;
 *     int e = ll_loop_new(&loop);
 *     if (e == 0)
 *         e = ll_loop_fd(loop, fd, LL_READ, readable, my_object, &watch);
 *     if (e == 0)
 *         e = ll_loop_run(loop);
 *
 * Rules that hold for all of it:
 *
 *   - Time is a point: nanoseconds of CLOCK_MONOTONIC (POSIX.1-2008), as clock_gettime() gives them and ll_loop_now()
 *     repeats. LL_NEVER is the point that does not come.
 *   - Everything may be done inside callbacks: make, change and free anything, also the object that is calling back.
 *     After ll_..._free() returns, no callback of that object runs any more. Only ll_loop_free() and running the same
 *     loop a second time, one level deeper, are not allowed.
 *   - A loop and all its objects belong to one thread; ll_loop_post() and ll_loop_wake() may be called from any.
 *     Different loops are independent.
 *   - After fork() the child must not touch a loop of its parent; exec is safe (every descriptor is close-on-exec).
 *   - Nothing is allocated per event, and the kernel is told of a changed interest once per pass, however often it
 *     changed in between, and not at all when it changed back.
 *
 * Functions return 0 or a count, or a negative code of landline/error.h. Those that make an object set *out to it on
 * success, and to NULL on failure; all of them can fail with -ENOMEM. The ll_..._free() take NULL.
 */
#ifndef LANDLINE_LOOP_H
#define LANDLINE_LOOP_H

#include <stdint.h>
#include <sys/types.h>

#include "landline/error.h"
#include "landline/events.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ll_loop ll_loop;
typedef struct ll_watch ll_watch;
typedef struct ll_timer ll_timer;
typedef struct ll_signal ll_signal;
typedef struct ll_child ll_child;

/* A deadline that never comes. */
#define LL_NEVER INT64_MAX

/* ---- the loop ---- */

/* Makes a loop. Costs two descriptors. Errors: -EMFILE, -ENFILE, -ENOMEM; -ENOSPC as ll_loop_fd(). */
LL_API int ll_loop_new(ll_loop **out);

/* Frees the loop and every object still on it (their pointers are dead then); posted calls that did not run are
 * dropped. Not inside a callback of this loop. Descriptors you gave it stay open. */
LL_API void ll_loop_free(ll_loop *loop);

/* Runs until ll_loop_stop(), or until nothing is left that could ever call back (no watch, no armed timer, no posted
 * call). Blocks. Returns 0. Errors: -EBUSY when called from inside a callback of the same loop; what epoll_wait(2)
 * gives. An interrupting signal handler is no error. */
LL_API int ll_loop_run(ll_loop *loop);

/* One pass: waits until something is due, at most until `deadline` (LL_NEVER: no end; 0 or any point that has passed:
 * does not wait), and runs its callbacks. Returns how many ran, 0 when the deadline came first or ll_loop_wake() was
 * called. Errors as ll_loop_run(). */
LL_API int ll_loop_step(ll_loop *loop, int64_t deadline);

/* Lets ll_loop_run() return once the callbacks of this pass that are due have run; called before ll_loop_run(), it
 * makes that return at once. Loop's thread only; from elsewhere post it. */
LL_API void ll_loop_stop(ll_loop *loop);

/* The present, read once a pass and then repeated: cheap enough for every callback. Outside a pass it is read anew.
 * Cannot fail. */
LL_API int64_t ll_loop_now(ll_loop *loop);

/* For nesting in another loop: a descriptor that is readable when this loop has something to do. It stays the loop's.
 * Before the outer loop waits, ask ll_loop_deadline(), which also tells the kernel of changed interests, and wait at
 * most until then (LL_NEVER: no timer is armed); then call ll_loop_step(loop, 0). These two cannot fail. */
LL_API int ll_loop_fileno(const ll_loop *loop);
LL_API int64_t ll_loop_deadline(ll_loop *loop);

/* ---- descriptors ---- */

/* Events are those of landline/events.h. An error or a hang-up of the descriptor counts as ready for all that was
 * asked, so that the next read or write finds it. */

/* `events` is the part of what was asked for that is ready, never 0. */
typedef void ll_watch_fn(void *arg, unsigned events);

/* Watches descriptor `fd` for `events` (0: nothing for now). `fd` stays yours; it should be non-blocking, and must
 * stay open until ll_watch_free(): free first, close after. One watch per descriptor and loop: dup(2) for a second.
 * Level-triggered: while the condition holds the callback runs in each pass, so reading a part is enough. With LL_EDGE
 * edge-triggered (EPOLLET, epoll(7)), which spares the kernel a second look at the descriptor in each pass: the callback
 * goes on until -EAGAIN, or of a stream until a call gave less than it was asked for, or else calls ll_watch_again().
 * Ask for LL_HANGUP and LL_PRIORITY too, and call again when one is told: a short read may have ended there.
 * Errors: -EBADF not open; -EPERM a kind that is always ready (a regular file); -EEXIST already watched; -EINVAL
 * unknown event bits; -ENOSPC the system's limit of watches. */
LL_API int ll_loop_fd(ll_loop *loop, int fd, unsigned events, ll_watch_fn *call, void *arg, ll_watch **out);

/* Asks for other events from now on; 0 pauses the watch. Cheap, also when nothing changes: the kernel hears of it
 * before the next wait. Should it refuse then (it does only for a descriptor closed too early, or without memory),
 * the callback runs with the events asked for, and the read or write finds the error. */
LL_API void ll_watch_set(ll_watch *watch, unsigned events);

/* What an edge-triggered watch was told of is not finished: it is told again in the next pass, if there is still something.
 * Costs a system call. */
LL_API void ll_watch_again(ll_watch *watch);

/* The other way to say what a watch waits for: the loop asks. `wants` computes the events from the state of your
 * object; it runs before the next wait after the watch called back or ll_watch_touch() was called, and must not
 * change the loop. So back-pressure is one visible condition in one place:
 *
 *     static unsigned wants(void *arg) {
 *         struct connection *c = arg;
 *         return (c->pending < FULL ? LL_READ : 0) | (c->pending > 0 ? LL_WRITE : 0);
 *     }
 *
 * NULL goes back to ll_watch_set(). */
typedef unsigned ll_wants_fn(void *arg);
LL_API void ll_watch_ask(ll_watch *watch, ll_wants_fn *wants);
/* The state behind `wants` changed outside the watch's own callback. Nearly free. */
LL_API void ll_watch_touch(ll_watch *watch);

/* The descriptor it watches. Cannot fail. */
LL_API int ll_watch_fileno(const ll_watch *watch);
LL_API void ll_watch_free(ll_watch *watch);

/* ---- points in time ---- */

typedef void ll_call_fn(void *arg);

/* Calls back once, at `deadline` or soon after, never before; one in the past is due in the next pass, LL_NEVER makes
 * an unarmed timer. Timers that are due run in the order of their deadlines. Arming is O(log n), and O(1) when the
 * deadline moves later, as idle time-outs do with every byte that arrives. Errors: -ENOMEM. */
LL_API int ll_loop_timer(ll_loop *loop, int64_t deadline, ll_call_fn *call, void *arg, ll_timer **out);

/* Arms it anew, also after it ran, or with LL_NEVER disarms it. Cannot fail: its place was taken when it was made. */
LL_API void ll_timer_set(ll_timer *timer, int64_t deadline);
/* The point it is armed for, LL_NEVER if it is not. Cannot fail. */
LL_API int64_t ll_timer_deadline(const ll_timer *timer);
LL_API void ll_timer_free(ll_timer *timer);

/* ---- signals ---- */

/* `signo` arrived; `pid` sent it (0: the kernel). Several of one kind may come as one, as signals do. */
typedef void ll_signal_fn(void *arg, int signo, pid_t pid);

/* Delivers a signal as a callback (signalfd(2)). The signal is blocked in the calling thread, which must be the
 * loop's, from now until ll_signal_free(); no handler is installed. In a program with several threads block it in
 * the others, or it may go to them; a child inherits the mask and has to clear it before exec. One object per
 * signal and process at a time. Errors: -EINVAL no such signal; -EMFILE, -ENFILE; -ENOSPC as
 * ll_loop_fd(). */
LL_API int ll_loop_signal(ll_loop *loop, int signo, ll_signal_fn *call, void *arg, ll_signal **out);
/* Unblocks the signal if it was not blocked before; one still pending is delivered then, in its default way. */
LL_API void ll_signal_free(ll_signal *signal);

/* ---- children ---- */

struct ll_child_end {
    pid_t pid;
    int signal;          /* the signal that killed it, 0 if it exited */
    int status;          /* its exit status, 0 if it was killed */
    int core;            /* 1 if it left a core dump */
    int64_t user_ns;     /* processor time of it and the children it waited for */
    int64_t system_ns;   /* the same, inside the kernel */
    int64_t max_rss_kib; /* most memory it held at once, in KiB */
    int error;           /* 0, or why all of the above except pid is unknown: -ECHILD, somebody else reaped it, or
                          * the process ignores SIGCHLD, so that the kernel did */
};

typedef void ll_child_fn(void *arg, const struct ll_child_end *end);

/* Calls back once, when child `pid` has ended, and reaps it (pidfd_open(2)): no SIGCHLD handling, and no other
 * child is touched. `pid` must be a child of this process that nobody has reaped. Errors: -ESRCH no such process;
 * -EINVAL not a process; -EMFILE, -ENFILE; -ENOSPC as ll_loop_fd(). */
LL_API int ll_loop_child(ll_loop *loop, pid_t pid, ll_child_fn *call, void *arg, ll_child **out);
/* The same with a pidfd you have from clone3(2) or pidfd_open(2); it stays yours, free first, close after. Errors:
 * as ll_loop_fd(). `pid` in the report is filled from the kernel, 0 if `error` is set. */
LL_API int ll_loop_child_fd(ll_loop *loop, int pidfd, ll_child_fn *call, void *arg, ll_child **out);
/* Before the end: forgets the child, which is neither killed nor reaped. After it: only frees. */
LL_API void ll_child_free(ll_child *child);

/* ---- from elsewhere ---- */

/* Any thread: runs call(arg) once in the loop's thread, in the order of the posts, and wakes the loop for it. From
 * inside a callback it runs in the next pass. What is posted keeps ll_loop_run() running. The loop must outlive the
 * call. Errors: -ENOMEM. */
LL_API int ll_loop_post(ll_loop *loop, ll_call_fn *call, void *arg);

/* Any thread or signal handler: makes a waiting or the next ll_loop_step() return early, with 0 unless something was
 * due as well. */
LL_API void ll_loop_wake(ll_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
