#include "lib/border/border.h"

#include <pthread.h>

#include "lib/os/module.h"

static const struct tls_border *border; /* NULL until it was needed, and where it cannot be loaded */
static struct ll_error_info problem;
static bool is_own;

static void load(void) {
    static const char *const places[] = {LANDLINE_MODULE, BORDER_FILE, NULL};
    const struct module module = {
        .name = BORDER_FILE,
        .symbol = BORDER_SYMBOL,
        .copy = border_copy,
        .size = (size_t)(border_copy_end - border_copy),
        .places = places,
    };
    border = module_load(&module, &problem);
    if (border != NULL && is_own)
        border->tls_own_process();
}

static int enter(struct ll_error_info *info) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (border != NULL)
        return 0;
    if (info != NULL)
        *info = problem;
    return problem.code;
}

void tls_own_process(void) {
    is_own = true;
}

/* One that works on an object is called after one that made it; those that end objects may be called with NULL before. */
#define ENTERS(name, parameters, arguments, info)                                                                      \
    int name parameters {                                                                                              \
        int error = enter(info);                                                                                       \
        return error != 0 ? error : border->name arguments;                                                            \
    }
#define GIVES(type, name, parameters, arguments)                                                                       \
    type name parameters {                                                                                             \
        return border->name arguments;                                                                                 \
    }
#define DOES(name, parameters, arguments)                                                                              \
    void name parameters {                                                                                             \
        if (border != NULL)                                                                                            \
            border->name arguments;                                                                                    \
    }
#include "lib/border/border.def"
