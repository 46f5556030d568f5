/* landline classic serve: one of the four plain protocols, for many clients at once. */
#ifndef LANDLINE_CLASSIC_SERVE_H
#define LANDLINE_CLASSIC_SERVE_H

#include "landline/address.h"
#include "landline/error.h"

struct classic_service;

struct classic_config {
    const struct classic_service *service;
    struct ll_address address;
    /* Lines for the person who runs it: what it is, "listening on …", then whatever a client was refused for. */
    void (*say)(void *arg, const char *line);
    void *arg;
};

/* "upper", "exec", "file", "ssh"; NULL for another name. */
const struct classic_service *classic_find(const char *name);
/* The port the protocol has by custom. */
int classic_port(const struct classic_service *service);

/* Serves until SIGINT, SIGTERM or SIGHUP, then ends the connections and the commands that run for them: 0. A negative
 * code, with what failed in `info`, when it cannot begin; clients cannot make it end. */
int classic_serve(const struct classic_config *config, struct ll_error_info *info);

#endif
