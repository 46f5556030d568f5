/* landline/proto/message.h: every message there and back, cut at every length, its text cut to fit. */
#include "landline/proto/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"

static struct slice text_slice(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void assert_text(struct slice s, const char *text) {
    assert_int_equal(s.size, strlen(text));
    assert_memory_equal(s.data, text, s.size);
}

/* Puts, gets, and proves that fewer bytes and one more are errors; from `least` on, where the
 * last field is "the rest", they are not. */
#define ROUND_TRIP(kind, sent, got, least)                                                                             \
    do {                                                                                                               \
        buf_clear(&b);                                                                                                 \
        message_put_##kind(&b, sent);                                                                                  \
        buf_add_u8(&b, 0);                                                                                             \
        size_t size = buf_size(&b) - 1;                                                                                \
        for (size_t n = 0; n <= size + 1; n++) {                                                                       \
            uint8_t *copy = malloc(n + 1);                                                                             \
            memcpy(copy, b.data, n);                                                                                   \
            int e = message_get_##kind((struct slice){copy, n}, got);                                                  \
            assert_int_equal(e, n == size || n >= (least) ? 0 : LL_EFORMAT);                                           \
            free(copy);                                                                                                \
        }                                                                                                              \
        assert_int_equal(message_get_##kind((struct slice){b.data, size}, got), 0);                                    \
    } while (0)

static void greetings(void **unused) {
    (void)unused;
    struct buf b;
    buf_init(&b, 1 << 20);
    struct message_hello hello = {1, 1, 3, 0x1122334455667788, text_slice("agent")}, hello2;
    ROUND_TRIP(hello, &hello, &hello2, SIZE_MAX);
    assert_int_equal(hello2.flags, 1);
    assert_int_equal(hello2.version_max, 3);
    assert_true(hello2.clock_ms == hello.clock_ms);
    assert_text(hello2.agent, "agent");
    struct message_welcome welcome = {1, 2, {9}, 3, 4, 5, text_slice("a"), text_slice("name")}, welcome2;
    ROUND_TRIP(welcome, &welcome, &welcome2, SIZE_MAX);
    assert_int_equal(welcome2.horizon_s, 5);
    assert_int_equal(welcome2.max_streams, 4);
    assert_int_equal(welcome2.instance[0], 9);
    assert_text(welcome2.name, "name");
    struct message_enrol enrol = {{1}, {2}, text_slice("me")}, enrol2;
    ROUND_TRIP(enrol, &enrol, &enrol2, SIZE_MAX);
    assert_int_equal(enrol2.proof[0], 2);
    assert_text(enrol2.name, "me");
    struct message_busy busy = {77, text_slice("later")}, busy2;
    ROUND_TRIP(busy, &busy, &busy2, SIZE_MAX);
    assert_int_equal(busy2.retry_after_ms, 77);
    struct message_close close = {CODE_GOING_AWAY, text_slice("bye")}, close2;
    ROUND_TRIP(close, &close, &close2, SIZE_MAX);
    assert_int_equal(close2.code, 9);
    assert_text(close2.text, "bye");
    buf_free(&b);
}

static void streams(void **unused) {
    (void)unused;
    struct buf b;
    buf_init(&b, 1 << 20);
    struct message_open open = {1, 2, 3, text_slice("run"), text_slice("request")}, open2;
    ROUND_TRIP(open, &open, &open2, (size_t)13);
    assert_int_equal(open2.window2, 3);
    assert_text(open2.service, "run");
    assert_text(open2.request, "request");
    struct message_opened opened = {1, 2, 3, 4, text_slice("response")}, opened2;
    ROUND_TRIP(opened, &opened, &opened2, (size_t)32);
    assert_true(opened2.start0 == 1 && opened2.limit0 == 2 && opened2.start1 == 3 && opened2.start2 == 4);
    struct message_refused refused = {CODE_SYSTEM, 28, text_slice("full")}, refused2;
    ROUND_TRIP(refused, &refused, &refused2, SIZE_MAX);
    assert_int_equal(refused2.error, 28);
    struct message_credit credit = {5, 6}, credit2;
    ROUND_TRIP(credit, &credit, &credit2, SIZE_MAX);
    assert_true(credit2.consumed == 5 && credit2.limit == 6);
    struct message_control control = {2, text_slice("body")}, control2;
    ROUND_TRIP(control, &control, &control2, (size_t)1);
    assert_text(control2.body, "body");
    struct slice notice;
    ROUND_TRIP(notice, text_slice("mind"), &notice, SIZE_MAX);
    assert_text(notice, "mind");
    buf_free(&b);
}

static void bad_values(void **unused) {
    (void)unused;
    struct message_hello hello;
    assert_int_equal(message_get_hello((struct slice){(const uint8_t *)"\2\0\1\0\1\0\0\0\0\0\0\0\0\0", 14}, &hello),
                     LL_EFORMAT);
    assert_int_equal(message_get_hello((struct slice){(const uint8_t *)"\0\0\2\0\1\0\0\0\0\0\0\0\0\0", 14}, &hello),
                     LL_EFORMAT);
    struct message_credit credit;
    assert_int_equal(
        message_get_credit((struct slice){(const uint8_t *)"\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\1", 16}, &credit),
        LL_EFORMAT);
}

/* Texts are cut to what the payload may have, in front of a sequence that does not fit. */
static void text_cut(void **unused) {
    (void)unused;
    static char text[3000];
    for (size_t i = 0; i < sizeof text - 3; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3); /* the euro sign */
    struct buf b;
    buf_init(&b, 1 << 20);
    struct message_close close = {1, text_slice(text)}, close2;
    message_put_close(&b, &close);
    assert_true(buf_size(&b) <= LIMIT_TEXT_PAYLOAD && buf_size(&b) > LIMIT_TEXT_PAYLOAD - 3);
    assert_int_equal(message_get_close((struct slice){b.data, buf_size(&b)}, &close2), 0);
    assert_int_equal(close2.text.size % 3, 0);
    buf_clear(&b);
    struct message_hello hello = {.agent = text_slice(text)}, hello2;
    message_put_hello(&b, &hello);
    assert_int_equal(message_get_hello((struct slice){b.data, buf_size(&b)}, &hello2), 0);
    assert_int_equal(hello2.agent.size, 255);
    buf_free(&b);
}

static void head(void **unused) {
    (void)unused;
    const struct message_head h = {0x01020304, 0x13, 2, 0x0506, 0x0708090a};
    uint8_t bytes[MESSAGE_HEAD];
    message_head_write(bytes, &h);
    assert_memory_equal(bytes, "\1\2\3\4\x13\2\5\6\7\x08\x09\x0a", MESSAGE_HEAD);
    struct message_head back = message_head_read(bytes);
    assert_int_equal(back.length, h.length);
    assert_int_equal(back.type, h.type);
    assert_int_equal(back.channel, h.channel);
    assert_int_equal(back.flags, h.flags);
    assert_int_equal(back.stream, h.stream);
    uint8_t data[MESSAGE_DATA_HEAD];
    message_data_head(data, 1, 7, 0x1122334455667788, 16364);
    assert_memory_equal(data, "\0\0\x3f\xf4\x13\1\0\0\0\0\0\7\x11\x22\x33\x44\x55\x66\x77\x88", MESSAGE_DATA_HEAD);
}

static void names(void **unused) {
    (void)unused;
    assert_string_equal(message_name(MESSAGE_CREDIT), "CREDIT");
    assert_string_equal(message_name(0x04), "?");
    assert_string_equal(message_code_name(CODE_BEHIND), "BEHIND");
    assert_string_equal(message_code_name(12), "UNKNOWN");
    assert_string_equal(message_code_name(65535), "UNKNOWN");
    assert_int_equal(message_code_error(CODE_REVOKED), LL_EREVOKED);
    assert_int_equal(message_code_error(999), LL_EREFUSED);
    for (uint16_t code = 0; code < 50; code++)
        assert_true(strlen(message_code_text(code)) > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greetings), cmocka_unit_test(streams), cmocka_unit_test(bad_values),
        cmocka_unit_test(text_cut),  cmocka_unit_test(head),    cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
