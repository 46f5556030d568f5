/* The look at a ClientHello before anything is done for it.
 *
 * Whether a stranger knows the server's pin is decided on the bytes alone: no TLS object exists, no memory beyond the
 * message is held, no key is touched. Only the shape and the server's name are read; everything else is for the TLS
 * library, which parses the same bytes again. The ClientHello has to fit one record (RFC 8446 5.1 lets it be split; no
 * stack does so below 16 KiB) and LIMIT_TLS_HELLO bytes. */
#ifndef LIB_TLS_HELLO_H
#define LIB_TLS_HELLO_H

#include <stddef.h>
#include <stdint.h>

enum {
    HELLO_NAME = 256,
};

/* Looks at the first n bytes that a client sent. Returns 1 and the name of the server_name extension (RFC 6066 3; empty
 * if there is none) when the ClientHello is whole and well formed, 0 when more bytes are needed, LL_EFORMAT as soon as
 * the bytes cannot become one, LL_ELIMIT when it says that it is larger than the limit. */
int hello_server_name(const uint8_t *bytes, size_t n, char name[HELLO_NAME]);

#endif
