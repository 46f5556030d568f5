#include "landline/proto/message.h"

#include "landline/error.h"

static const struct message_rule rules[256] = {
#define MESSAGE_RULE(name, number, scope, least, most, server, client) [number] = {#name, MESSAGE_##scope, least, most},
    MESSAGE_LIST(MESSAGE_RULE)
#undef MESSAGE_RULE
};

/* [role][type]: the states in which it is accepted. */
static const uint8_t accepted[MESSAGE_ROLES][256] = {
#define MESSAGE_AT_SERVER(name, number, scope, least, most, server, client) [number] = server,
#define MESSAGE_AT_CLIENT(name, number, scope, least, most, server, client) [number] = client,
    [MESSAGE_SERVER] = {MESSAGE_LIST(MESSAGE_AT_SERVER)},
    [MESSAGE_CLIENT] = {MESSAGE_LIST(MESSAGE_AT_CLIENT)},
#undef MESSAGE_AT_SERVER
#undef MESSAGE_AT_CLIENT
};

static const struct message_rule optional_rule = {"optional", MESSAGE_OF_ANY, 0, LIMIT_SERVICE_PAYLOAD};

const struct message_rule *message_rule(enum message_role role, enum message_state state, uint8_t type) {
    if (rules[type].name != NULL)
        return accepted[role][type] >> state & 1 ? &rules[type] : NULL;
    bool may_close = accepted[role][MESSAGE_CLOSE] >> state & 1;
    return (type & MESSAGE_OPTIONAL) && may_close ? &optional_rule : NULL;
}

const char *message_name(uint8_t type) {
    return rules[type].name != NULL ? rules[type].name : "?";
}

struct code {
    const char *name, *text;
    int error;
};

static const struct code codes[] = {
#define MESSAGE_CODE_ROW(name, number, error, text) [number] = {#name, text, error},
    MESSAGE_CODE_LIST(MESSAGE_CODE_ROW)
#undef MESSAGE_CODE_ROW
};

static struct code code_of(uint16_t code) {
    bool known = code < sizeof codes / sizeof codes[0] && codes[code].name != NULL;
    return known ? codes[code] : (struct code){"UNKNOWN", "a reason without a name", LL_EREFUSED};
}

const char *message_code_name(uint16_t code) {
    return code_of(code).name;
}

const char *message_code_text(uint16_t code) {
    return code_of(code).text;
}

int message_code_error(uint16_t code) {
    return code_of(code).error;
}

static void write_integer(uint8_t *out, uint64_t v, size_t width) {
    for (size_t i = 0; i < width; i++)
        out[i] = (uint8_t)(v >> (8 * (width - 1 - i)));
}

void message_head_write(uint8_t out[MESSAGE_HEAD], const struct message_head *head) {
    write_integer(out, head->length, 4);
    out[4] = head->type;
    out[5] = head->channel;
    write_integer(out + 6, head->flags, 2);
    write_integer(out + 8, head->stream, 4);
}

struct message_head message_head_read(const uint8_t bytes[MESSAGE_HEAD]) {
    struct reader r = reader_of(bytes, MESSAGE_HEAD);
    struct message_head head = {.length = reader_u32(&r)};
    head.type = reader_u8(&r);
    head.channel = reader_u8(&r);
    head.flags = reader_u16(&r);
    head.stream = reader_u32(&r);
    return head;
}

size_t message_begin(struct buf *b, uint8_t type, uint8_t channel, uint32_t stream) {
    size_t mark = buf_size(b);
    struct message_head head = {.type = type, .channel = channel, .stream = stream};
    uint8_t bytes[MESSAGE_HEAD];
    message_head_write(bytes, &head);
    buf_add(b, bytes, sizeof bytes);
    return mark;
}

void message_finish(struct buf *b, size_t mark) {
    if (b->failed == 0)
        write_integer(buf_front(b) + mark, buf_size(b) - mark - MESSAGE_HEAD, 4);
}

void message_data_head(uint8_t out[MESSAGE_DATA_HEAD], uint8_t channel, uint32_t stream, uint64_t offset, size_t n) {
    struct message_head head = {
        .length = (uint32_t)(8 + n), .type = MESSAGE_DATA, .channel = channel, .stream = stream};
    message_head_write(out, &head);
    write_integer(out + MESSAGE_HEAD, offset, 8);
}
