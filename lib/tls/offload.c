/* The sending side when another hand seals: contents wait instead of records, and the messages between them apart. */
#include <errno.h>
#include <string.h>

#include "landline/error.h"
#include "lib/tls/engine_state.h"

bool tls_engine_can_offload(const struct tls_engine *e) {
    return e->state == TLS_ESTABLISHED && !e->said_close && !e->offloaded && tls_engine_pending_size(e) == 0 &&
           record_key_is_aes(&e->send);
}

int tls_engine_sending_key(const struct tls_engine *e, struct tls_sending_key *key) {
    if (e->state == TLS_HANDSHAKING)
        return -ENOTCONN;
    if (!record_key_is_aes(&e->send))
        return LL_ENOTSUP;
    record_key_export(&e->send, key->key, sizeof key->key);
    memcpy(key->iv, e->send.iv, sizeof key->iv);
    key->sequence = e->send.sequence;
    return 0;
}

void tls_engine_offload(struct tls_engine *e) {
    e->offloaded = true;
}

int offload_emit(struct tls_engine *e, enum record_type type, const void *bytes, size_t n) {
    if (e->message_count == OFFLOAD_MESSAGES) {
        engine_fail(e, LL_EPROTOCOL, "the peer asks for new keys and does not read");
        return LL_EPROTOCOL;
    }
    struct offload_message *message = &e->messages[e->message_count];
    size_t ahead = buf_size(&e->out);
    *message = (struct offload_message){.ahead = ahead, .type = (uint8_t)type, .size = (uint8_t)n};
    memcpy(message->bytes, bytes, n);
    e->message_count++;
    return 0;
}

int offload_write(struct tls_engine *e, const struct iovec *parts, int count, size_t total) {
    uint8_t *out = buf_reserve(&e->out, total);
    if (out == NULL) {
        int r = e->out.failed;
        e->out.failed = 0;
        return r;
    }
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > 0)
            memcpy(out, parts[i].iov_base, parts[i].iov_len);
        out += parts[i].iov_len;
    }
    buf_commit(&e->out, total);
    return 0;
}

/* The message that is to go next, if it is one. */
static const struct offload_message *first_message(const struct tls_engine *e) {
    return e->message_count > 0 && e->messages[0].ahead == 0 ? &e->messages[0] : NULL;
}

bool offload_pending(const struct tls_engine *e, const uint8_t **bytes, size_t *n) {
    const struct offload_message *message = first_message(e);
    if (message != NULL) {
        *bytes = message->bytes;
        *n = message->size;
    } else if (e->message_count > 0) {
        *bytes = buf_front(&e->out);
        *n = e->messages[0].ahead;
    }
    return e->message_count > 0;
}

size_t offload_size(const struct tls_engine *e) {
    size_t size = 0;
    for (unsigned i = 0; i < e->message_count; i++)
        size += e->messages[i].size;
    return size;
}

/* How many records the other hand made of it is not known here: no more than this. */
void tls_engine_passed(struct tls_engine *e, size_t n) {
    e->send.sequence += n / RECORD_PLAIN + 1;
}

bool offload_sent(struct tls_engine *e, size_t n) {
    const struct offload_message *message = first_message(e);
    if (message == NULL) {
        tls_engine_passed(e, n);
        for (unsigned i = 0; i < e->message_count; i++)
            e->messages[i].ahead -= n;
        return false;
    }
    if (n < message->size)
        return true; /* again, as a whole */
    bool update = message->type == RECORD_HANDSHAKE;
    e->message_count--;
    memmove(e->messages, e->messages + 1, e->message_count * sizeof e->messages[0]);
    if (update && record_key_update(&e->send) != 0)
        engine_fail(e, LL_ETLS, "the new key could not be made");
    e->key_changed |= update;
    return true;
}

uint8_t tls_engine_pending_type(const struct tls_engine *e) {
    const struct offload_message *message = first_message(e);
    return message != NULL ? message->type : TLS_TYPE_DATA;
}

bool tls_engine_key_changed(struct tls_engine *e) {
    bool changed = e->key_changed;
    e->key_changed = false;
    return changed;
}

void tls_engine_lose(struct tls_engine *e, const char *sentence) {
    buf_clear(&e->out);
    e->message_count = 0;
    engine_fail(e, LL_ELOST, sentence);
}

bool tls_engine_may_pass(const struct tls_engine *e) {
    return e->offloaded && (e->state == TLS_ESTABLISHED || e->state == TLS_CLOSED) && !e->said_close &&
           tls_engine_pending_size(e) == 0 && !engine_owes_update(e);
}
