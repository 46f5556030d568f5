#include "lib/tls/hello.h"

#include <string.h>

#include "landline/error.h"
#include "lib/base/limits.h"
#include "lib/base/reader.h"

enum {
    RECORD_HEADER = 5,
    MESSAGE_HEADER = 4,
    HANDSHAKE = 22,
    CLIENT_HELLO = 1,
    RANDOM_SIZE = 32,
    SERVER_NAME = 0, /* the extension, and the type of name that is a host's */
};

/* extension_data of server_name: a list of one name. */
static void read_name(struct reader *r, char name[HELLO_NAME]) {
    struct slice list = reader_str16(r);
    struct reader names = reader_of(list.data, list.size);
    uint8_t type = reader_u8(&names);
    struct slice text = reader_str16(&names);
    if (reader_end(&names) != 0 || type != SERVER_NAME || text.size == 0 || text.size >= HELLO_NAME ||
        memchr(text.data, '\0', text.size) != NULL) {
        reader_fail(r);
        return;
    }
    memcpy(name, text.data, text.size);
    name[text.size] = '\0';
}

static void read_extensions(struct reader *r, char name[HELLO_NAME]) {
    while (!r->failed && reader_left(r) > 0) {
        uint16_t type = reader_u16(r);
        struct slice data = reader_str16(r);
        if (r->failed || type != SERVER_NAME)
            continue;
        struct reader inside = reader_of(data.data, data.size);
        if (name[0] != '\0')
            reader_fail(r);
        read_name(&inside, name);
        if (reader_end(&inside) != 0)
            reader_fail(r);
    }
}

/* Checks what is there of the two headers. Returns the size of the whole record once they are complete, else 0. */
static int check_headers(const uint8_t *bytes, size_t n) {
    static const struct {
        uint8_t low, high;
    } shape[] = {{HANDSHAKE, HANDSHAKE}, {3, 3}, {1, 3}}; /* type, version 3.1 to 3.3 */
    for (size_t i = 0; i < n && i < sizeof shape / sizeof shape[0]; i++)
        if (bytes[i] < shape[i].low || bytes[i] > shape[i].high)
            return LL_EFORMAT;
    if (n < RECORD_HEADER)
        return 0;
    size_t record = (size_t)bytes[3] << 8 | bytes[4];
    if (record > LIMIT_TLS_HELLO - RECORD_HEADER)
        return LL_ELIMIT;
    if (record < MESSAGE_HEADER || (n > RECORD_HEADER && bytes[RECORD_HEADER] != CLIENT_HELLO))
        return LL_EFORMAT;
    if (n < RECORD_HEADER + MESSAGE_HEADER)
        return 0;
    size_t message = (size_t)bytes[6] << 16 | (size_t)bytes[7] << 8 | bytes[8];
    return message == record - MESSAGE_HEADER ? (int)(RECORD_HEADER + record) : LL_EFORMAT;
}

int hello_server_name(const uint8_t *bytes, size_t n, char name[HELLO_NAME]) {
    int whole = check_headers(bytes, n);
    if (whole < 0)
        return whole;
    if (whole == 0 || n < (size_t)whole)
        return 0;

    name[0] = '\0';
    struct reader r = reader_of(bytes + RECORD_HEADER + MESSAGE_HEADER, (size_t)whole - RECORD_HEADER - MESSAGE_HEADER);
    reader_u16(&r); /* legacy_version */
    reader_bytes(&r, RANDOM_SIZE);
    reader_str8(&r);  /* legacy_session_id */
    reader_str16(&r); /* cipher_suites */
    reader_str8(&r);  /* legacy_compression_methods */
    struct slice extensions = reader_str16(&r);
    if (reader_end(&r) != 0)
        return LL_EFORMAT;
    struct reader inside = reader_of(extensions.data, extensions.size);
    read_extensions(&inside, name);
    return reader_end(&inside) == 0 ? 1 : LL_EFORMAT;
}
