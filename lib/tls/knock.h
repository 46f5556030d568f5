/* The knock: the first label of the name in the ClientHello, by which a client shows that it knows the server's pin.
 *
 *   time  = u64, big-endian, seconds since 1970 UTC
 *   key   = SHA-256("landline knock key 1" || server pin)
 *   mac   = the first 16 bytes of HMAC-SHA-256(key, "landline knock 1" || time)
 *   label = base32(time || mac), lower case, without padding (RFC 4648 6): 39 characters
 *   SNI   = label "." name
 *
 * `name` is the DNS name that the client dials, or "landline" where it dials an address. It is a filter, not
 * authentication: a knock that was overheard may be replayed for LIMIT_KNOCK_AGE seconds, and all that it buys is a
 * handshake, which needs the keys. Pure functions. Test vectors are in tests/unit/tls/knock.c and docs/PROTOCOL.md. */
#ifndef LIB_TLS_KNOCK_H
#define LIB_TLS_KNOCK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/tls/pin.h"

enum {
    KNOCK_LABEL = 39,
    KNOCK_NAME = 254, /* a name of 253 characters, the most DNS has, and its NUL */
};

enum knock_result {
    KNOCK_OK,
    KNOCK_NONE,  /* no label of the right shape */
    KNOCK_MAC,   /* made for another key, or forged */
    KNOCK_CLOCK, /* made with the right key, at a time too far from ours */
    KNOCK_ERROR, /* the crypto library failed; to be refused as the others */
};

/* Writes the SNI, terminated, into out. `name` NULL, empty, or an IP address gives "landline". Returns 0, LL_ELIMIT where
 * the whole would not fit a DNS name, LL_EADDRESS for a name with bytes that no host name has, LL_ETLS. */
int knock_make(const struct tls_pin *server, uint64_t unix_time, const char *name, char out[KNOCK_NAME]);

/* Judges the SNI of a ClientHello against the server's own pin and its clock; letters may come in either case. */
enum knock_result knock_check(const struct tls_pin *server, uint64_t unix_now, const char *sni);

/* A few words for the log, "no knock". Static. */
const char *knock_text(enum knock_result result);

#endif
