/* The conversations of the four clients. */
#ifndef LANDLINE_CLASSIC_TALK_H
#define LANDLINE_CLASSIC_TALK_H

#include "landline/classic/client.h"

int talk_upper(ll_socket *socket, const struct terminal *terminal);
int talk_exec(ll_socket *socket, const struct terminal *terminal);
int talk_ssh(ll_socket *socket, const struct terminal *terminal);
int talk_get(ll_socket *socket, const struct terminal *terminal);

#endif
