#include "landline/service/service.h"

#include <string.h>

/* To add a service: a file with its row, and a line here. */
extern const struct service service_upper, service_run, service_shell, service_attach, service_kill, service_result,
    service_runs, service_get, service_put, service_ls, service_join;

static const struct service *const services[] = {
    &service_run,   &service_shell, &service_attach, &service_runs, &service_result, &service_kill,
    &service_upper, &service_get,   &service_put,    &service_ls,   &service_join,
};

const struct service *service_find(const void *name, size_t n) {
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        if (strlen(services[i]->name) == n && memcmp(services[i]->name, name, n) == 0)
            return services[i];
    return NULL;
}
