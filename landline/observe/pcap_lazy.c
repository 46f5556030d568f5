#include "landline/observe/pcap_lazy.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* dlsym() gives a pointer to an object; POSIX wants it to serve for functions too. */
static bool find(void *library, const char *name, void *function) {
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

const struct pcap_lazy *pcap_lazy(void) {
    static struct pcap_lazy functions;
    static bool loaded, tried;
    if (tried)
        return loaded ? &functions : NULL;
    tried = true;
    void *library = dlopen("libpcap.so.0.8", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        library = dlopen("libpcap.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return NULL;
    loaded = true;
#define PCAP_LAZY_FIND(name) loaded = find(library, #name, &functions.name) && loaded;
    PCAP_LAZY_LIST(PCAP_LAZY_FIND)
#undef PCAP_LAZY_FIND
    return loaded ? &functions : NULL;
}
