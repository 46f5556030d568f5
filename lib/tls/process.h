/* For a process that is ours alone. */
#ifndef LIB_TLS_PROCESS_H
#define LIB_TLS_PROCESS_H

/* Tells OpenSSL, before its first use, to leave out what landline never needs: openssl.cnf, the texts of errors, the names
 * of old algorithms. It saves three quarters of OpenSSL's start (library.h has the figures), but it concerns the whole
 * process, so the library never does it by itself: a program that only links the library may want them. */
void tls_own_process(void);

#endif
