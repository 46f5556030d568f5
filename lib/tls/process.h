/* For a process that is ours alone. */
#ifndef LIB_TLS_PROCESS_H
#define LIB_TLS_PROCESS_H

#include <stdbool.h>

/* Lets OpenSSL, at its first use, leave out what landline never needs: openssl.cnf, the texts of errors, the names of old
 * algorithms. It saves three quarters of OpenSSL's start (library.h has the figures), but it concerns the whole process, so
 * the library never does it by itself: a program that only links the library may want them. Nothing of OpenSSL is
 * touched yet: a call that the broker serves never does. */
void tls_own_process(void);
/* Whether that was said. */
bool tls_process_is_own(void);

/* Before the first use of OpenSSL (but for its hashes, which need no start): does what was said above, or nothing. */
void tls_process_begin(void);

#endif
