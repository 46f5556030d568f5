/* lib/os/plain.h: opening without waiting, appearing whole or not at all. */
#include "lib/os/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/plain-test-XXXXXX";
static char path[64];

static int set_up(void **state) {
    (void)state;
    memcpy(folder, "/tmp/plain-test-XXXXXX", sizeof folder);
    snprintf(path, sizeof path, "%s/file", mkdtemp(folder));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails, and so does the test, when a temporary file is left */
}

static void assert_holds(const char *expected) {
    char bytes[64];
    uint64_t size;
    int fd = plain_open(path, &size);
    assert_true(fd >= 0);
    assert_int_equal(size, strlen(expected));
    assert_int_equal(read(fd, bytes, sizeof bytes), size);
    assert_memory_equal(bytes, expected, size);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
}

static void appears_whole(void **state) {
    (void)state;
    struct plain_new file;
    struct stat status;
    mode_t old = umask(027);
    assert_int_equal(plain_create(&file, path), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(plain_write(&file, "hello ", 6), 0);
    assert_int_equal(plain_write(&file, "world", 5), 0);
    assert_int_equal(plain_publish(&file), 0);
    umask(old);
    assert_holds("hello world");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    plain_discard(&file); /* nothing left to do */
}

static void replaces_or_leaves_alone(void **state) {
    (void)state;
    struct plain_new file;
    assert_int_equal(plain_create(&file, path), 0);
    assert_int_equal(plain_write(&file, "first", 5), 0);
    assert_int_equal(plain_publish(&file), 0);
    assert_int_equal(plain_create(&file, path), 0);
    assert_int_equal(plain_write(&file, "second", 6), 0);
    plain_discard(&file);
    assert_holds("first");
    assert_int_equal(plain_create(&file, path), 0);
    assert_int_equal(plain_publish(&file), 0);
    assert_holds("");
}

static void takes_bytes_in_front(void **state) {
    (void)state;
    struct plain_new file;
    assert_int_equal(plain_create(&file, path), 0);
    assert_int_equal(plain_write(&file, "-11-22", 6), 0);
    assert_int_equal(plain_prepend(&file, "2026", 4), 0);
    assert_int_equal(plain_publish(&file), 0);
    assert_holds("2026-11-22");
}

static void says_what_cannot_be(void **state) {
    (void)state;
    struct plain_new file;
    uint64_t size;
    char fifo[80], below[80];
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    snprintf(below, sizeof below, "%s/no/such", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(plain_open(fifo, &size), -EINVAL);
    assert_int_equal(plain_open("/dev/null", &size), -EINVAL);
    assert_int_equal(plain_open(folder, &size), -EISDIR);
    assert_int_equal(plain_open(path, &size), -ENOENT);
    assert_int_equal(plain_create(&file, below), -ENOENT);
    assert_int_equal(file.fd, -1);
    plain_discard(&file);
    unlink(fifo);

    /* The name is taken by a folder: only at the end is that known. */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(plain_create(&file, path), 0);
    assert_int_equal(plain_publish(&file), -EISDIR);
    plain_discard(&file);
    assert_int_equal(rmdir(path), 0);
}

static void reports_a_full_disk(void **state) {
    (void)state;
    struct plain_new file;
    assert_int_equal(plain_create(&file, path), 0);
    int full = open("/dev/full", O_RDWR | O_CLOEXEC);
    assert_int_equal(dup2(full, file.fd), file.fd);
    close(full);
    assert_int_equal(plain_write(&file, "x", 1), -ENOSPC);
    plain_discard(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appears_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replaces_or_leaves_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_bytes_in_front, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_what_cannot_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reports_a_full_disk, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
