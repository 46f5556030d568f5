/* lib/net/stream_fd.c where memory runs out: the descriptor was handed over, so it is closed. */
#include "landline/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

static void no_memory(void **state) {
    (void)state;
    ll_stream *stream = (void *)1;
    int fd = dup(0);
    fault_set(FAULT_CALLOC, 0, ENOMEM);
    assert_code(ll_stream_fd(fd, &stream), -ENOMEM);
    assert_null(stream);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    fault_clear();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
