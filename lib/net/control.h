/* What receiving does with ancillary data; the rest is landline/message.h. */
#ifndef LIB_NET_CONTROL_H
#define LIB_NET_CONTROL_H

#include "landline/message.h"

/* Whether the control memory is aligned, and its length within its capacity. */
int control_usable(const struct ll_message *message);

/* After receiving, flags and control_length set: closes the descriptors of a message that was cut. */
void control_received(struct ll_message *message);

#endif
