#include "lib/border/border.h"

/* The module's side. */
extern const struct tls_border landline_tls;

__attribute__((visibility("default"))) const struct tls_border landline_tls = {
    .tls_own_process = tls_own_process,
#define ENTERS(name, parameters, arguments, info) .name = name,
#define GIVES(type, name, parameters, arguments)  .name = name,
#define DOES(name, parameters, arguments)         .name = name,
#include "lib/border/border.def"
};
