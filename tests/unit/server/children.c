/* landline/server.h: the processes that a server inside a program starts. They are its own business: it collects each of them, and
 * no other child of the program. */
#include "tests/unit/server/embedded.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "landline/client/transfer.h"
#include "lib/os/clock.h"
#include "tests/unit/net/support.h"

static struct embedded here;

static int set_up(void **state) {
    (void)state;
    embedded_make(&here);
    embedded_grant(&here, "run,get,put");
    embedded_open(&here, (struct ll_serve_options){0});
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    embedded_close(&here);
    return 0;
}

static void no_child_is_left(void) {
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void end_server(void) {
    ll_loop_free(here.loop);
    ll_server_free(here.server);
    here.loop = NULL;
    here.server = NULL;
}

static size_t output(void *arg, ll_run *run, int channel, const void *bytes, size_t n) {
    (void)run, (void)channel;
    strncat(arg, bytes, n);
    return n;
}

/* One that keeps running, with a process that has left its session; returns that one's number. */
static pid_t start_run(ll_client *client, ll_run **run) {
    const char *const argv[] = {"sh", "-c", "(setsid sleep 1000 </dev/null & echo $!) & wait; exec sleep 1000"};
    const struct ll_run_options options = {.argv = argv, .argc = 3};
    static char said[64];
    memset(said, 0, sizeof said);
    assert_code(ll_run_start(client, &options, &(struct ll_run_callbacks){.output = output}, said, run), 0);
    while (strchr(said, '\n') == NULL)
        assert_true(ll_loop_step(here.loop, LL_NEVER) >= 0);
    return (pid_t)strtol(said, NULL, 10);
}

static bool is_alive(pid_t pid) {
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    const char *after = n > 0 ? strrchr(text, ')') : NULL;
    return after != NULL && after[2] != 'Z';
}

static void runs_that_are_killed(void **state) {
    ll_client *client = embedded_client(&here);
    ll_run *run;
    (void)state;
    pid_t hidden = start_run(client, &run);
    assert_true(hidden > 0 && is_alive(hidden));
    ll_run_free(run);
    ll_client_free(client);
    end_server();
    no_child_is_left();
    assert_false(is_alive(hidden));
}

static int no_engine(void *arg, struct transfer_io *io) {
    (void)arg, (void)io;
    return LL_ELOST;
}

static void over(void *arg, int code, const struct ll_failure *failure) {
    (void)failure;
    *(int *)arg = code;
}

/* Their processes are the program `landline` again, which this one is not. */
static void transfers_are_refused(void **state) {
    static const char *const services[] = {"get", "put", "ls"};
    static const uint8_t get[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, put[] = {0, 0, 0, 0, 0, 0};
    ll_client *client = embedded_client(&here);
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct transfer_report report = {0};
        struct client_transfer *transfer;
        int code = 1;
        const struct client_transfer_options options = {.service = services[i],
                                                        .request = i == 1 ? (struct slice){put, sizeof put}
                                                                          : (struct slice){get, sizeof get},
                                                        .engine = no_engine,
                                                        .over = over,
                                                        .arg = &code,
                                                        .report = &report};
        assert_code(client_transfer_start(client, &options, &transfer), 0);
        while (code == 1)
            assert_true(ll_loop_step(here.loop, LL_NEVER) >= 0);
        client_transfer_free(transfer);
        assert_int_equal(code, LL_ENOTSUP);
        no_child_is_left();
    }
    ll_client_free(client);
}

/* Over more than one of the server's sweeps. */
static void children_of_the_program(void **state) {
    int status, adopts = 1;
    (void)state;
    assert_int_equal(prctl(PR_GET_CHILD_SUBREAPER, &adopts), 0);
    assert_int_equal(adopts, 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    assert_true(pid > 0);
    for (int64_t until = clock_after(clock_now(), INT64_C(2500000000)); clock_now() < until;)
        assert_true(ll_loop_step(here.loop, until) >= 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 7);
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1)
        return 0; /* taken for another program */
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(runs_that_are_killed),
        TEST(transfers_are_refused),
        TEST(children_of_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
