#include "lib/os/clone_into.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>

/* The child has a stack of its own, so nothing between the system call and main() may need what is on the caller's: what it
 * calls waits in registers, which it inherits. main() does not return. */
#if defined(__x86_64__) && defined(__LP64__)

static long call(const struct clone_args *args, int (*main)(void *), void *argument) {
    long result;
    register int (*start)(void *) __asm__("r12") = main;
    register void *handed __asm__("r13") = argument;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "0"((long)SYS_clone3), "D"(args), "S"(sizeof *args), "r"(start), "r"(handed)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

#else

static long call(const struct clone_args *args, int (*main)(void *), void *argument) {
    (void)args;
    (void)main;
    (void)argument;
    return -ENOSYS;
}

#endif

int clone_into(int (*main)(void *), void *stack, size_t size, uint64_t flags, void *argument, int *pidfd, int group) {
    const struct clone_args args = {
        .flags = flags | CLONE_INTO_CGROUP,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)stack,
        .stack_size = size,
        .cgroup = (uint64_t)(unsigned)group,
    };
    return (int)call(&args, main, argument);
}
