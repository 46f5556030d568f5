/* OpenSSL in a module of its own, which the program loads when it first needs a key.
 *
 * A call through the broker needs none, and OpenSSL is what costs the start of a program: 20,000 pointers that have to be
 * put right, on 90 pages that are copied for it. So build/landline does not link what of lib/tls needs OpenSSL but
 * border.c, which has functions of the same names. They load the module and call through its table; nobody who calls
 * them sees a difference. liblandline.so, and programs that are linked with the room itself, have no border. */
#ifndef LIB_BORDER_BORDER_H
#define LIB_BORDER_BORDER_H

#include "lib/tls/engine.h"
#include "lib/tls/process.h"
#include "lib/tls/sha256.h"

/* The module's one symbol, and its file; meson.build says where `meson install` puts that. */
#define BORDER_SYMBOL "landline_tls"
#define BORDER_FILE   "landline-tls.so"

struct tls_border {
    void (*tls_own_process)(void);
#define ENTERS(name, parameters, arguments, info) int(*name) parameters;
#define GIVES(type, name, parameters, arguments)  type(*name) parameters;
#define DOES(name, parameters, arguments)         void(*name) parameters;
#include "lib/border/border.def"
#undef ENTERS
#undef GIVES
#undef DOES
};

/* The module as the program carries it (copy.S). */
extern const uint8_t border_copy[], border_copy_end[];

#endif
