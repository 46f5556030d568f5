/* landline/error.h: the one list of errors.
 *
 * Every call of the library that can fail returns 0 or a count on success and a negative code on failure:
 *
 *   -1 … -4095       a system error, -errno (POSIX.1-2008, <errno.h>): -ECONNREFUSED, -EAGAIN, …
 *   -4097 …          one of the library's own, listed below
 *   -8193 …          a name that did not resolve: LL_EGAI(EAI_NONAME), … (RFC 3493, getaddrinfo)
 *
 * A code is a value, not a state: there is no errno to save, and the library keeps nothing behind your back.
 * Own codes never change their number or their name; new ones are added at the end.
 */
#ifndef LANDLINE_ERROR_H
#define LANDLINE_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LL_API __attribute__((visibility("default")))
#else
#define LL_API
#endif

/* name, offset from 4096, text. To add an error, add a line at the end. */
#define LL_ERROR_LIST(X)                                                                                               \
    X(LL_EOF, 1, "the peer closed the connection")                                                                     \
    X(LL_ETIMEOUT, 2, "timed out")                                                                                     \
    X(LL_EINTERRUPTED, 3, "stopped by the interrupt hook")                                                             \
    X(LL_ELIMIT, 4, "larger than the limit allows")                                                                    \
    X(LL_EFORMAT, 5, "malformed input")                                                                                \
    X(LL_ECLOSED, 6, "the object is closed")                                                                           \
    X(LL_ENOTSUP, 7, "not supported by this system")                                                                   \
    X(LL_EADDRESS, 8, "not a valid address")                                                                           \
    X(LL_EPROTOCOL, 9, "the peer broke the protocol")                                                                  \
    X(LL_ETLS, 10, "the TLS handshake failed")                                                                         \
    X(LL_EPIN, 11, "the peer's key is not the one that is pinned")                                                     \
    X(LL_EKEYFILE, 12, "the key file is not safe to use")                                                              \
    X(LL_EREFUSED, 13, "the peer refused the request")                                                                 \
    X(LL_ENOTENROLLED, 14, "the server does not know this key")                                                        \
    X(LL_EREVOKED, 15, "the grant of this key was revoked")                                                            \
    X(LL_ENOGRANT, 16, "the grant of this key does not cover the request")                                             \
    X(LL_EINVITE, 17, "the invite is not valid")                                                                       \
    X(LL_EINVITEEXPIRED, 18, "the invite has expired")                                                                 \
    X(LL_EINVITEUSED, 19, "the invite was used before")                                                                \
    X(LL_EBUSY, 20, "the server is busy")                                                                              \
    X(LL_ELOST, 21, "the link was lost")                                                                               \
    X(LL_EUNKNOWNRUN, 22, "the server does not know this run")                                                         \
    X(LL_EVERSION, 23, "no common protocol version")                                                                   \
    X(LL_EDIGEST, 24, "the digest does not match the bytes")                                                           \
    X(LL_ECHANGED, 25, "the source changed during the transfer")                                                       \
    X(LL_EHOST, 26, "no such host is known")                                                                           \
    X(LL_ECLOCK, 27, "the clocks of the two machines are too far apart")                                               \
    X(LL_ESILENT, 28, "the server closed the connection without a word")                                               \
    X(LL_EUSAGE, 29, "the request cannot be understood")                                                               \
    X(LL_EKNOCK, 30, "the client did not show that it knows this server's key")

enum ll_error {
#define LL_ERROR_ENUM(name, number, text) name = -(4096 + (number)),
    LL_ERROR_LIST(LL_ERROR_ENUM)
#undef LL_ERROR_ENUM
};

/* A name-resolution error as a code of this list; `eai` is a (negative) EAI_… constant of <netdb.h>. */
#define LL_EGAI(eai) (-8192 - ((eai) < 0 ? -(eai) : (eai)))

/* The text of a code, in English, without a full stop. Never NULL, static or per-thread storage of the C library's
 * strerror; never fails, also for codes it does not know ("error -12345"). Does not block. */
LL_API const char *ll_strerror(int code);

/* The stable name of a code for programs: "ECONNREFUSED", "LL_EPIN", "EAI_NONAME"; "UNKNOWN" if there is none.
 * Static storage. */
LL_API const char *ll_error_name(int code);

/* An error with its place, filled by calls that can say more than a number. Plain memory of the caller's: nothing is
 * allocated, nothing is to be freed. `call` is a static string, `subject` is cut to fit and always ends in NUL; bytes
 * that do not print are escaped. */
struct ll_error_info {
    int code;          /* the negative code, 0 where nothing failed */
    const char *call;  /* the operation that failed, "connect", "getaddrinfo", …; never NULL once filled */
    char subject[120]; /* the address, path or name it was about; may be empty */
};

/* "connect 127.0.0.1:1: Connection refused" into out[size], always terminated; returns the length that a large
 * enough buffer would hold, as snprintf does. Cannot fail. */
LL_API int ll_error_format(const struct ll_error_info *info, char *out, size_t size);

#ifdef __cplusplus
}
#endif
#endif
