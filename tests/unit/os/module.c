/* lib/os/module.h: which file is taken, when the copy is, and what is said when neither can be loaded.
 *
 * argv[1] is a shared object. Each load has a process of its own, which tells what its symbol then lies in. */
#include "lib/os/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { ROOM = 1 << 20, NOBODY = 65534, SKIPPED = 77 };

static uint8_t image[ROOM];
static size_t image_size;
static char folder[] = "/tmp/landline-module-XXXXXX", file[64], other[64];

struct outcome {
    int answer; /* what the symbol points to, 0 without */
    char from[256];
    pid_t pid;
    char name[64]; /* by which a debugger looks for it */
    struct ll_error_info info;
};

/* The name of what is mapped at an address. */
static void name_of(const void *at, char name[256]) {
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t begin, end;
        int skip = 0;
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &begin, &end, &skip) == 2 && begin <= (uintptr_t)at &&
            (uintptr_t)at < end)
            snprintf(name, 256, "%.*s", (int)strcspn(line + skip, "\n"), line + skip);
    }
    if (maps != NULL)
        fclose(maps);
}

static void describe(const void *symbol, struct outcome *result) {
    Dl_info found;
    name_of(symbol, result->from);
    result->pid = getpid();
    if (dladdr(symbol, &found) != 0)
        snprintf(result->name, sizeof result->name, "%s", found.dli_fname);
}

/* Loads in another process, behind `before`, which may say that this machine does not let it. */
static struct outcome load(const struct module *module, int (*before)(void)) {
    struct outcome result = {0};
    int ends[2], status;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (before != NULL && before() != 0)
            _exit(SKIPPED);
        const int *symbol = module_load(module, &result.info);
        result.answer = symbol != NULL ? *symbol : 0;
        if (symbol != NULL)
            describe(symbol, &result);
        _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], &result, sizeof result);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        skip();
    assert_int_equal(status, 0);
    assert_int_equal(n, sizeof result);
    return result;
}

static struct module with(const char *const *places) {
    return (struct module){"plugin.so", "plugin_answer", image, image_size, places};
}

static void put(const char *path, const void *bytes, size_t size, mode_t mode) {
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void assert_taken(const struct module *module, const char *from, int (*before)(void)) {
    struct outcome result = load(module, before);
    assert_int_equal(result.answer, 42);
    assert_string_equal(result.from, from);
    assert_int_equal(result.info.code, 0);
}

static const char COPY[] = "/memfd:plugin.so (deleted)";

static void assert_file_taken(const char *from) {
    const char *const places[] = {file, other, NULL};
    struct module module = with(places);
    assert_taken(&module, from, NULL);
}

static int remove_files(void **state) {
    (void)state;
    unlink(file);
    unlink(other);
    return 0;
}

static void takes_the_file(void **state) {
    (void)state;
    put(file, image, image_size, 0755);
    assert_file_taken(file);
}

/* "self" would be the debugger, and a low number could be a pipe of its own, from which it would read. */
static void a_debugger_finds_it(void **state) {
    (void)state;
    char expected[64];
    put(file, image, image_size, 0755);
    const char *const places[] = {file, NULL};
    struct module module = with(places);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= 1000)
        skip();
    struct outcome result = load(&module, NULL);
    snprintf(expected, sizeof expected, "/proc/%d/fd/1000", (int)result.pid);
    assert_string_equal(result.name, expected);
}

static void takes_the_copy_without(void **state) {
    (void)state;
    assert_file_taken(COPY);
}

static void takes_the_next_file(void **state) {
    (void)state;
    put(file, "garbage", 7, 0755);
    put(other, image, image_size, 0755);
    assert_file_taken(other);
}

/* Above the root there is the root. */
static void a_place_is_seen_from_the_program(void **state) {
    (void)state;
    char far[256] = "";
    put(file, image, image_size, 0755);
    for (int i = 0; i < 40; i++)
        memcpy(far + 3 * i, "../", 4);
    snprintf(far + strlen(far), sizeof far - strlen(far), "%s", file + 1);
    const char *const places[] = {"/nowhere/at/all", "nowhere", far, NULL};
    struct module module = with(places);
    assert_taken(&module, file, NULL);
}

/* strip(1) moves the table of sections, which only the ELF header knows. */
static void another_table_of_sections_is_the_same(void **state) {
    (void)state;
    static uint8_t bytes[ROOM];
    memcpy(bytes, image, image_size);
    memset(bytes + 40, 0, 8);
    put(file, bytes, image_size, 0755);
    assert_file_taken(file);
}

static void every_other_build_is_not(void **state) {
    (void)state;
    static uint8_t bytes[ROOM];
    memcpy(bytes, image, image_size);
    for (size_t at = 64; at < MODULE_HEAD; at += 503) {
        bytes[at] ^= 1;
        put(file, bytes, image_size, 0755);
        assert_file_taken(COPY);
        bytes[at] ^= 1;
    }
}

static void a_header_that_is_none(void **state) {
    (void)state;
    static uint8_t bytes[ROOM];
    memcpy(bytes, image, image_size);
    memset(bytes, 'x', 64);
    put(file, bytes, image_size, 0755);
    assert_file_taken(COPY);
}

static void a_file_that_was_cut_is_not(void **state) {
    (void)state;
    const size_t sizes[] = {0, 64, MODULE_HEAD - 1, MODULE_HEAD, image_size - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put(file, image, sizes[i], 0755);
        assert_file_taken(COPY);
    }
}

static void what_others_can_write_is_not(void **state) {
    (void)state;
    put(file, image, image_size, 0775);
    assert_file_taken(COPY);
    put(file, image, image_size, 0757);
    assert_file_taken(COPY);
}

static void what_is_another_owners_is_not(void **state) {
    (void)state;
    put(file, image, image_size, 0755);
    if (chown(file, NOBODY, NOBODY) < 0)
        skip();
    assert_file_taken(COPY);
}

static void a_folder_and_a_pipe_are_not(void **state) {
    (void)state;
    assert_int_equal(mkfifo(file, 0700), 0);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_file_taken(COPY);
    rmdir(other);
}

static int close_the_descriptors(void) {
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_NOFILE, &none);
}

static void without_a_descriptor_it_says_so(void **state) {
    (void)state;
    const char *const places[] = {NULL};
    struct module module = with(places);
    int answer;
    struct ll_error_info info;
    /* The pipe is closed to it as well: this one is told by its status. */
    pid_t pid = fork();
    if (pid == 0) {
        close_the_descriptors();
        bool right = module_load(&module, &info) == NULL && info.code == -EMFILE &&
                     strcmp(info.call, "load into memory") == 0 && strcmp(info.subject, "plugin.so") == 0;
        _exit(right ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &answer, 0), pid);
    assert_int_equal(answer, 0);
}

static void assert_failed(const struct outcome *result, const char *message) {
    char text[256];
    ll_error_format(&result->info, text, sizeof text);
    assert_int_equal(result->answer, 0);
    assert_string_equal(text, message);
}

static void a_copy_that_cannot_be_loaded(void **state) {
    (void)state;
    static const uint8_t zeros[2 * MODULE_HEAD];
    const char *const places[] = {NULL};
    struct module module = {"plugin.so", "plugin_answer", zeros, sizeof zeros, places};
    struct outcome result = load(&module, NULL);
    assert_failed(&result, "load plugin.so: memory must be executable here, or that file beside the program: "
                           "not supported by this system");
}

static void a_symbol_that_is_not_there(void **state) {
    (void)state;
    const char *const places[] = {NULL};
    struct module module = {"plugin.so", "plugin_question", image, image_size, places};
    struct outcome result = load(&module, NULL);
    assert_failed(&result, "find plugin_question: not supported by this system");
}

/* An empty folder in its place. */
static int hide_proc(void) {
    if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return -1;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    return mount("none", "/proc", "tmpfs", 0, NULL);
}

static void without_proc_it_says_so(void **state) {
    (void)state;
    put(file, image, image_size, 0755);
    const char *const places[] = {file, NULL};
    struct module module = with(places);
    struct outcome result = load(&module, hide_proc);
    assert_failed(&result, "load plugin.so: /proc must be mounted: not supported by this system");
}

/* The strictest value of vm.memfd_noexec, for the processes of a name space. */
static int forbid_executable_memory_files(void) {
    int fd = unshare(CLONE_NEWPID) < 0 ? -1 : open("/proc/sys/vm/memfd_noexec", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int status = 1;
    pid_t pid = fork();
    if (pid != 0) {
        /* The process of the name space does what is left to do. */
        close(fd);
        waitpid(pid, &status, 0);
        _exit(WEXITSTATUS(status));
    }
    return write(fd, "2", 1) == 1 ? 0 : -1;
}

static void where_memory_files_are_never_executable(void **state) {
    (void)state;
    const char *const places[] = {NULL};
    struct module module = with(places);
    assert_taken(&module, COPY, forbid_executable_memory_files);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(takes_the_file, remove_files),
        cmocka_unit_test_teardown(a_debugger_finds_it, remove_files),
        cmocka_unit_test(takes_the_copy_without),
        cmocka_unit_test_teardown(takes_the_next_file, remove_files),
        cmocka_unit_test_teardown(a_place_is_seen_from_the_program, remove_files),
        cmocka_unit_test_teardown(another_table_of_sections_is_the_same, remove_files),
        cmocka_unit_test_teardown(every_other_build_is_not, remove_files),
        cmocka_unit_test_teardown(a_header_that_is_none, remove_files),
        cmocka_unit_test_teardown(a_file_that_was_cut_is_not, remove_files),
        cmocka_unit_test_teardown(what_others_can_write_is_not, remove_files),
        cmocka_unit_test_teardown(what_is_another_owners_is_not, remove_files),
        cmocka_unit_test_teardown(a_folder_and_a_pipe_are_not, remove_files),
        cmocka_unit_test(without_a_descriptor_it_says_so),
        cmocka_unit_test(a_copy_that_cannot_be_loaded),
        cmocka_unit_test(a_symbol_that_is_not_there),
        cmocka_unit_test_teardown(without_proc_it_says_so, remove_files),
        cmocka_unit_test(where_memory_files_are_never_executable),
    };
    int fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? -1 : read(fd, image, sizeof image);
    if (n < 2 * MODULE_HEAD || n == ROOM || mkdtemp(folder) == NULL)
        return 1;
    close(fd);
    image_size = (size_t)n;
    snprintf(file, sizeof file, "%s/file", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
