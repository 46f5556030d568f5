/* A slim provider: of the algorithms of OpenSSL's default provider, the dozen that landline uses.
 *
 * OpenSSL 3 makes an object for every algorithm of a class when the first one of that class is fetched, looks through
 * all of them for every key it decodes, and does this in every process. Behind this filter the same code of the default
 * provider does the same work; only the others are not there, which also means that nobody can ask for them. */
#ifndef LIB_TLS_SLIM_H
#define LIB_TLS_SLIM_H

#include <stdbool.h>

#include <openssl/core.h>
#include <openssl/provider.h>
#include <openssl/types.h>

/* Reads the tables of `whole`, the default provider; to be called while it is active. 0, or LL_ENOTSUP when something
 * that we need is not in them. */
int slim_prepare(OSSL_PROVIDER *whole);

/* Whether `whole` has what the filter would take away. The provider of carried_provider.c has not. */
bool slim_has_more(OSSL_PROVIDER *whole);

/* Loads the filter into `context`, to which `whole` must belong as well. `whole` must live as long as the filter, but may
 * be inactive. NULL when memory runs out. */
OSSL_PROVIDER *slim_load(OSSL_LIB_CTX *context, OSSL_PROVIDER *whole);

/* Whether no such algorithm of that class (OSSL_OP_…) is among the dozen; false as long as nothing is prepared. */
bool slim_lacks(int operation, const char *name);

/* What a provider of the dozen says when libssl asks it for groups: an OSSL_FUNC_provider_get_capabilities_fn. */
int slim_capabilities(void *context, const char *capability, OSSL_CALLBACK *callback, void *argument);

#endif
