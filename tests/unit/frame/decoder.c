/* landline/frame.h: every cut, every limit, in place where it can be. */
#include "landline/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/net/fault.h"

enum { OUT = 64 };

/* The header of landline's own protocol: u32 length, u8 type, u8 channel, u16 flags, u32 stream; a limit per type. */
static const size_t type_limit[] = {10, 0, 70000};

static int measure_typed(void *arg, const uint8_t *header, size_t *payload_size) {
    size_t *measured = arg;
    ++*measured;
    if (header[4] >= sizeof type_limit / sizeof *type_limit)
        return LL_EPROTOCOL;
    *payload_size = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    return *payload_size > type_limit[header[4]] ? LL_ELIMIT : 0;
}

static ll_frame_decoder *decoder_of(struct ll_frame_format format) {
    ll_frame_decoder *d;
    assert_int_equal(ll_frame_decoder_new(&format, &d), 0);
    return d;
}

static size_t put(uint8_t *to, const char *text) {
    size_t n = strlen(text);
    assert_int_equal(ll_frame_u32_header(to, n, 100), 0);
    memcpy(to + 4, text, n);
    return 4 + n;
}

/* Feeds bytes[from … to - 1] and appends what comes out, each frame in brackets. */
static void feed(ll_frame_decoder *d, const uint8_t *bytes, size_t n, char *out) {
    struct ll_frame f;
    uint8_t *copy = malloc(n + 1); /* exactly as long as the piece, so that a sanitizer sees a read too far */
    memcpy(copy, bytes, n);
    const uint8_t *at = copy;
    int e;
    while ((e = ll_frame_next(d, &at, &n, &f)) > 0) {
        size_t used = strlen(out);
        snprintf(out + used, OUT - used, "[%.*s]", (int)f.size, (const char *)f.payload);
        assert_int_equal(f.header[3], f.size);
    }
    assert_int_equal(e, 0);
    assert_int_equal(n, 0);
    free(copy);
}

static void every_cut(void **state) {
    (void)state;
    uint8_t wire[64];
    size_t n = put(wire, "hello");
    n += put(wire + n, "");
    n += put(wire + n, "a");
    n += put(wire + n, "world");
    for (size_t first = 0; first <= n; first++) {
        for (size_t second = first; second <= n; second++) {
            ll_frame_decoder *d = decoder_of(ll_frame_u32(100));
            char out[OUT] = "";
            feed(d, wire, first, out);
            feed(d, wire + first, second - first, out);
            bool whole = second == 0 || second == 9 || second == 13 || second == 18 || second == n;
            assert_int_equal(ll_frame_end(d), whole ? 0 : LL_EFORMAT);
            assert_true((ll_frame_held(d) == 0) == whole);
            feed(d, wire + second, n - second, out);
            assert_string_equal(out, "[hello][][a][world]");
            assert_int_equal(ll_frame_end(d), 0);
            ll_frame_decoder_free(d);
        }
    }
}

static void byte_by_byte(void **state) {
    (void)state;
    uint8_t wire[64];
    size_t n = put(wire, "hello");
    n += put(wire + n, "");
    n += put(wire + n, "x");
    ll_frame_decoder *d = decoder_of(ll_frame_u32(5));
    char out[OUT] = "";
    for (size_t i = 0; i < n; i++)
        feed(d, wire + i, 1, out);
    assert_string_equal(out, "[hello][][x]");
    ll_frame_decoder_free(d);
}

static void whole_frames_are_not_copied(void **state) {
    (void)state;
    uint8_t wire[64];
    size_t n = put(wire, "one");
    n += put(wire + n, "two");
    const uint8_t *at = wire;
    struct ll_frame f;
    ll_frame_decoder *d = decoder_of(ll_frame_u32(100));
    assert_int_equal(ll_frame_next(d, &at, &n, &f), 1);
    assert_ptr_equal(f.header, wire);
    assert_ptr_equal(f.payload, wire + 4);
    assert_int_equal(ll_frame_next(d, &at, &n, &f), 1);
    assert_ptr_equal(f.payload, wire + 11);
    assert_int_equal(ll_frame_next(d, &at, &n, &f), 0);
    /* A cut header does not make the payload a copy. */
    size_t two = 2, rest = 5;
    at = wire;
    assert_int_equal(ll_frame_next(d, &at, &two, &f), 0);
    assert_int_equal(ll_frame_held(d), 2);
    assert_int_equal(ll_frame_next(d, &at, &rest, &f), 1);
    assert_ptr_equal(f.payload, wire + 4);
    ll_frame_decoder_free(d);
}

static void limits(void **state) {
    (void)state;
    for (size_t size = 99; size <= 101; size++) {
        uint8_t wire[4 + 101] = {0};
        assert_int_equal(ll_frame_u32_header(wire, size, 100), size <= 100 ? 0 : LL_ELIMIT);
        assert_int_equal(ll_frame_u32_header(wire, size, 1000), 0);
        ll_frame_decoder *d = decoder_of(ll_frame_u32(100));
        const uint8_t *at = wire;
        size_t n = 4 + size;
        struct ll_frame f;
        assert_int_equal(ll_frame_next(d, &at, &n, &f), size <= 100 ? 1 : LL_ELIMIT);
        assert_int_equal(n, size <= 100 ? 0 : 4 + size);
        if (size > 100) { /* it stays, and nothing more is taken */
            assert_int_equal(ll_frame_next(d, &at, &n, &f), LL_ELIMIT);
            assert_int_equal(n, 4 + size);
            assert_int_equal(ll_frame_end(d), LL_ELIMIT);
        }
        ll_frame_decoder_free(d);
    }
    uint8_t header[4] = {9, 9, 9, 9};
    assert_int_equal(ll_frame_u32_header(header, (size_t)UINT32_MAX + 1, SIZE_MAX), LL_ELIMIT);
    assert_int_equal(header[0], 9);
    assert_int_equal(ll_frame_u32_header(header, UINT32_MAX, SIZE_MAX), 0);
    assert_int_equal(header[0], 0xff);
}

/* A limit of the format's own, per type, for whole and for cut headers; measured once a frame. */
static void typed_headers(void **state) {
    (void)state;
    for (size_t cut = 0; cut <= 12; cut++) {
        for (uint8_t type = 0; type <= 3; type++) {
            for (size_t over = 0; over <= 1; over++) {
                size_t measured = 0, size = (type < 3 ? type_limit[type] : 0) + over;
                struct ll_frame_format format = {12, 1 << 20, measure_typed, &measured};
                ll_frame_decoder *d = decoder_of(format);
                uint8_t *wire = calloc(1, 12 + size);
                wire[1] = (uint8_t)(size >> 16);
                wire[2] = (uint8_t)(size >> 8);
                wire[3] = (uint8_t)size;
                wire[4] = type;
                const uint8_t *at = wire;
                size_t first = cut, rest = 12 + size - cut;
                struct ll_frame f;
                int e = ll_frame_next(d, &at, &first, &f);
                if (e == 0)
                    e = ll_frame_next(d, &at, &rest, &f);
                assert_int_equal(e, type == 3 ? LL_EPROTOCOL : over ? LL_ELIMIT : 1);
                assert_int_equal(measured, 1);
                ll_frame_decoder_free(d);
                free(wire);
            }
        }
    }
}

/* A big frame in small pieces, twice: the storage grows, is given back, and the second one is right as well. */
static void big_frames_in_pieces(void **state) {
    (void)state;
    enum { SIZE = 300000 };
    ll_frame_decoder *d = decoder_of(ll_frame_u32(SIZE));
    uint8_t *wire = malloc(4 + SIZE);
    assert_int_equal(ll_frame_u32_header(wire, SIZE, SIZE), 0);
    for (size_t i = 0; i < SIZE; i++)
        wire[4 + i] = (uint8_t)(i * 31 + i / 257);
    for (int round = 0; round < 2; round++) {
        size_t done = 0;
        int e = 0;
        struct ll_frame f;
        while (e == 0 && done < 4 + SIZE) {
            const uint8_t *at = wire + done;
            size_t piece = 4 + SIZE - done < 777 ? 4 + SIZE - done : 777, left = piece;
            e = ll_frame_next(d, &at, &left, &f);
            done += piece - left;
        }
        assert_int_equal(e, 1);
        assert_int_equal(f.size, SIZE);
        assert_memory_equal(f.payload, wire + 4, SIZE);
        assert_memory_equal(f.header, wire, 4);
    }
    ll_frame_decoder_free(d);
    free(wire);
}

/* An announced length that memory cannot be had for fails when the bytes come, not before. */
static void announced_is_not_taken(void **state) {
    (void)state;
    ll_frame_decoder *d = decoder_of(ll_frame_u32(UINT32_MAX));
    const uint8_t wire[] = {0xff, 0xff, 0xff, 0xff, 1, 2, 3};
    const uint8_t *at = wire;
    size_t n = sizeof wire;
    struct ll_frame f;
    assert_int_equal(ll_frame_next(d, &at, &n, &f), 0);
    assert_int_equal(ll_frame_held(d), 7);
    ll_frame_decoder_free(d);
}

static void bad_formats(void **state) {
    (void)state;
    ll_frame_decoder *d;
    struct ll_frame_format format = ll_frame_u32(1);
    for (size_t size = LL_FRAME_HEADER_MAX - 1; size <= LL_FRAME_HEADER_MAX + 1; size++) {
        format.header_size = size;
        assert_int_equal(ll_frame_decoder_new(&format, &d), size <= LL_FRAME_HEADER_MAX ? 0 : -EINVAL);
        ll_frame_decoder_free(d);
    }
    format.header_size = 0;
    assert_int_equal(ll_frame_decoder_new(&format, &d), -EINVAL);
    assert_null(d);
    format = (struct ll_frame_format){.header_size = 4};
    assert_int_equal(ll_frame_decoder_new(&format, &d), -EINVAL);
}

/* Without memory there is no decoder, and a frame that comes in pieces stops the stream for good. */
static void out_of_memory(void **state) {
    (void)state;
    ll_frame_decoder *d;
    struct ll_frame_format format = ll_frame_u32(100);
    fault_set(FAULT_CALLOC, 0, ENOMEM);
    assert_int_equal(ll_frame_decoder_new(&format, &d), -ENOMEM);
    assert_null(d);
    d = decoder_of(format);
    const uint8_t wire[] = {0, 0, 0, 3, 1, 2};
    const uint8_t *at = wire;
    size_t n = sizeof wire;
    struct ll_frame f;
    fault_set(FAULT_MALLOC, 0, ENOMEM);
    assert_int_equal(ll_frame_next(d, &at, &n, &f), -ENOMEM);
    fault_clear();
    at = wire;
    n = sizeof wire;
    assert_int_equal(ll_frame_next(d, &at, &n, &f), -ENOMEM);
    assert_int_equal(n, sizeof wire);
    assert_int_equal(ll_frame_end(d), -ENOMEM);
    ll_frame_decoder_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(whole_frames_are_not_copied),
        cmocka_unit_test(limits),
        cmocka_unit_test(typed_headers),
        cmocka_unit_test(big_frames_in_pieces),
        cmocka_unit_test(announced_is_not_taken),
        cmocka_unit_test(bad_formats),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
