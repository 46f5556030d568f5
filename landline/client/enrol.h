/* Enrolment: with the line of an invite, to the server, once (docs/PROTOCOL.md section 5.1). */
#ifndef LANDLINE_CLIENT_ENROL_H
#define LANDLINE_CLIENT_ENROL_H

#include "landline/client.h"
#include "landline/proto/invite.h"

struct enrol_welcome {
    uint32_t verbs;
    char server_name[64]; /* printable */
};

/* Connects to the invite's server, which must have the invite's key, and enrols the key of `key_file` (made if there is
 * none) under `own_name`. `host` is the name for messages. Waits for at most `timeout_s`. 0; LL_EINVITE,
 * LL_EINVITEEXPIRED, LL_EINVITEUSED, LL_EPIN, LL_EKEYFILE, and what else connecting gives, in words in `failure`. */
int enrol_host(const char *host, const struct invite *invite, const char *key_file, const char *own_name,
               double timeout_s, struct enrol_welcome *welcome, struct ll_failure *failure);

#endif
