/* Invites (docs/PROTOCOL.md section 5.1) and the verbs of a grant. Pure text: tokens are made, and proofs computed, by
 * the callers with lib/tls/sha256.h. */
#ifndef LANDLINE_PROTO_INVITE_H
#define LANDLINE_PROTO_INVITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    INVITE_PIN = 32,
    INVITE_TOKEN = 16,
    INVITE_TOKEN_ID = 8,
    INVITE_HOST = 253, /* the longest host: a DNS name */
    /* "landline://[" host "]:65535#" code NUL */
    INVITE_LINE = 11 + 2 + INVITE_HOST + 6 + 1 + 74 + 1,
};

/* What the MACs are made of: lengths without the NUL. */
#define INVITE_TOKEN_ID_LABEL "landline token id 1"
#define INVITE_KEY_LABEL      "landline enrol key 1"
#define INVITE_PROOF_LABEL    "landline enrol 1"

struct invite {
    char host[INVITE_HOST + 1]; /* DNS name, IPv4 or IPv6 address (without brackets, scope allowed) */
    uint16_t port;              /* never 0 */
    uint8_t pin[INVITE_PIN];
    uint8_t token[INVITE_TOKEN];
    uint64_t expiry_ms; /* unix_ms */
};

/* The line, without a newline. 0; LL_EADDRESS for a host that cannot stand in one or port 0. */
int invite_print(const struct invite *invite, char out[INVITE_LINE]);

/* Reads a line; spaces and line ends around it are skipped. 0; LL_EADDRESS for a bad address; LL_EINVITE for anything else
 * that is no invite of version 1. It does not look at a clock. */
int invite_parse(const char *line, size_t size, struct invite *invite);

/* Splits "HOST:PORT", "[V6]:PORT", "HOST", "V6"; port_default where there is none. Only syntax is looked at. 0 or LL_EADDRESS. */
int invite_split_address(const char *text, size_t size, uint16_t port_default, char host[INVITE_HOST + 1],
                         uint16_t *port);

/* Bits of `verbs` in WELCOME and of grants. */
enum invite_verb {
    VERB_RUN = 1,
    VERB_SHELL = 2,
    VERB_GET = 4,
    VERB_PUT = 8,
    VERB_UPPER = 16,
    VERB_OTHERS = 32,
    VERB_ALL = 63,
};

enum { INVITE_VERBS_TEXT = 64 };
/* "run,shell,get"; "" for 0. */
void invite_verbs_print(uint32_t verbs, char out[INVITE_VERBS_TEXT]);
/* 0, or LL_EFORMAT for a name that is no verb, an empty one, or one that stands twice. */
int invite_verbs_parse(const char *text, uint32_t *verbs);

#endif
