/* Both directions of an established connection: which records may come, and what is answered. */
#include "lib/tls/engine_state.h"

#include <string.h>

#include "lib/base/limits.h"

enum {
    ALERT_CLOSE_NOTIFY = 0,
    ALERT_UNEXPECTED_MESSAGE = 10,
    ALERT_BAD_RECORD_MAC = 20,
    ALERT_DECODE_ERROR = 50,
    ALERT_FATAL = 2,
    KEY_UPDATE = 24,
    KEY_UPDATE_SIZE = 5,
};

int duplex_emit(struct tls_engine *e, enum record_type type, const void *bytes, size_t n) {
    if (e->offloaded)
        return offload_emit(e, type, bytes, n);
    uint8_t *out = buf_reserve(&e->out, n + RECORD_OVERHEAD);
    struct iovec part = {(void *)bytes, n};
    struct record_parts parts = {&part, 1, 0};
    int r = out == NULL ? e->out.failed : record_seal(&e->send, type, &parts, n, out);
    if (r == 0)
        buf_commit(&e->out, n + RECORD_OVERHEAD);
    else
        engine_fail(e, r, "a record could not be sealed");
    return r;
}

void duplex_fail(struct tls_engine *e, uint8_t alert, int error, const char *sentence) {
    const uint8_t message[] = {ALERT_FATAL, alert};
    if (!e->said_close)
        duplex_emit(e, RECORD_ALERT, message, sizeof message);
    engine_fail(e, error, sentence);
}

static void take_alert(struct tls_engine *e, const uint8_t *alert, size_t n) {
    if (n != 2)
        duplex_fail(e, ALERT_DECODE_ERROR, LL_EPROTOCOL, "the peer sent a malformed alert");
    else if (alert[1] == ALERT_CLOSE_NOTIFY)
        e->state = TLS_CLOSED;
    else
        engine_fail(e, LL_EREFUSED, "the peer ended the connection with an alert");
}

/* Records that carry no data cost work and give nothing: so many in a row, and then one for each so much data. */
static bool too_idle(struct tls_engine *e) {
    if (++e->idle_records <= LIMIT_TLS_UPDATES)
        return false;
    duplex_fail(e, ALERT_UNEXPECTED_MESSAGE, LL_EPROTOCOL, "the peer sends messages without data, over and over");
    return true;
}

/* The one handshake message that may come now. It ends its record (RFC 8446 5.1), and we want it to be all of it. */
static void take_message(struct tls_engine *e, const uint8_t *message, size_t n) {
    static const uint8_t expected[KEY_UPDATE_SIZE - 1] = {KEY_UPDATE, 0, 0, 1};
    if (n != KEY_UPDATE_SIZE || memcmp(message, expected, sizeof expected) != 0 || message[sizeof expected] > 1) {
        duplex_fail(e, ALERT_UNEXPECTED_MESSAGE, LL_EPROTOCOL, "the peer sent a handshake message that has no place");
        return;
    }
    bool request = message[sizeof expected] == 1;
    if (!request && e->updates_asked > 0)
        e->updates_asked--;
    else if (too_idle(e))
        return;
    if (record_key_update(&e->receive) != 0)
        engine_fail(e, LL_ETLS, "the new key could not be made");
    /* Answered in front of the next data (4.6.3): many requests are one answer. */
    e->update_owed |= request;
}

static void take_data(struct tls_engine *e, size_t n, const uint8_t *apart) {
    if (n == 0 && too_idle(e))
        return;
    e->apart = apart;
    e->apart_size = apart != NULL ? n - e->place.head : 0;
    e->plain_at = RECORD_HEADER;
    e->plain_end = RECORD_HEADER + n - e->apart_size;
    e->data_bytes += n;
    if (e->data_bytes >= LIMIT_TLS_UPDATE_EVERY) {
        e->data_bytes -= LIMIT_TLS_UPDATE_EVERY;
        e->idle_records -= e->idle_records > 0;
    }
}

static void take_record(struct tls_engine *e, int type, size_t n, const uint8_t *apart) {
    const uint8_t *content = buf_front(&e->in) + RECORD_HEADER;
    if (type == RECORD_DATA)
        take_data(e, n, apart);
    else if (type == RECORD_ALERT)
        take_alert(e, content, n);
    else if (type == RECORD_HANDSHAKE)
        take_message(e, content, n);
    else
        duplex_fail(e, ALERT_UNEXPECTED_MESSAGE, LL_EPROTOCOL, "the peer sent a record of an unknown type");
}

bool duplex_advance(struct tls_engine *e) {
    size_t held = buf_size(&e->in), n = 0;
    int size = held == 0 ? 0 : record_size(buf_front(&e->in), held);
    if (size < 0) {
        duplex_fail(e, ALERT_UNEXPECTED_MESSAGE, LL_EPROTOCOL, "the peer sent what is no TLS record");
        return false;
    }
    if (size == 0 || held < (size_t)size)
        return false;
    const uint8_t *apart = NULL;
    int type = record_open(&e->receive, buf_front(&e->in), (size_t)size, &e->place, &n, &apart);
    if (type < 0) {
        duplex_fail(e, ALERT_BAD_RECORD_MAC, LL_EPROTOCOL, "a record was changed on its way");
        return false;
    }
    e->opened = (size_t)size;
    take_record(e, type, n, apart);
    if (e->plain_at == e->plain_end) {
        buf_consume(&e->in, e->opened);
        e->opened = 0;
    }
    return e->state == TLS_ESTABLISHED;
}
