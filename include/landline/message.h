/* landline/message.h: messages with more than bytes: gathered and scattered parts, and ancillary data.
 *
 * A message goes out with ll_socket_sendmsg() and comes in with ll_socket_recvmsg() (landline/socket.h). Ancillary data
 * ("control messages", struct cmsghdr) travels in `control`, a piece of the caller's memory; the functions here add
 * items to it and find them in it, raw or typed. None of them blocks or allocates.
 *
 * Common errors, not repeated below:
 *   -EINVAL    a NULL where something is needed, a count that makes no sense, a control buffer that is not aligned for
 *              size_t (use LL_CONTROL_BUFFER, or memory from malloc)
 *   -ENOBUFS   adding: the item does not fit in control_capacity; the buffer is as it was
 *   -ENOENT    finding: the message has no such item
 *   LL_EFORMAT finding: the item is there and has the wrong size
 *
 * Sources: POSIX.1-2008 sendmsg, recvmsg; RFC 3542 (IPv6 ancillary data); cmsg(3), unix(7), ip(7), ipv6(7),
 * socket(7). */
#ifndef LANDLINE_MESSAGE_H
#define LANDLINE_MESSAGE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "landline/address.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A message. Start from {0} and set what is needed; nothing in it is owned by it. */
struct ll_message {
    struct ll_address address; /* sending: where to, length 0 on a connected socket; receiving: set to the sender's */
    struct iovec *parts;     /* the bytes: parts[0 … part_count - 1], read or filled in order; may be NULL for none */
    size_t part_count;       /* at most 1024 (IOV_MAX) */
    void *control;           /* room for ancillary data, aligned for size_t; NULL for none */
    size_t control_capacity; /* bytes at control */
    size_t control_length;   /* bytes of it in use: set by ll_control_add…() and by receiving */
    int flags;               /* receiving sets MSG_TRUNC (bytes cut), MSG_CTRUNC (ancillary data cut), MSG_EOR,
                                  MSG_OOB, MSG_ERRQUEUE; not used for sending */
    size_t length;           /* the mmsg calls set it to the bytes of this message */
};

/* Declares `name` as control memory for `size` bytes. */
#define LL_CONTROL_BUFFER(name, size) size_t name[((size) + sizeof(size_t) - 1) / sizeof(size_t)]

/* Enough for one item of each kind this header knows, with up to 16 descriptors. */
#define LL_CONTROL_USUAL 512

/* The most descriptors one message can carry (SCM_MAX_FD of the Linux kernel). */
#define LL_FDS_MAX 253

/* Bytes of control memory that an item with `size` bytes of data takes (CMSG_SPACE). */
LL_API size_t ll_control_space(size_t size);

/* ---- Raw ---- */

/* Adds an item: `size` bytes of data at level (SOL_SOCKET, IPPROTO_IP, …) and type (SCM_RIGHTS, IP_TTL, …). */
LL_API int ll_control_add(struct ll_message *message, int level, int type, const void *data, size_t size);

/* An item found in a message; data points into its control memory. */
struct ll_control_item {
    int level, type;
    const void *data;
    size_t size;
};

/* Walks the items: start with item->data NULL; each call moves to the next. 1: *item is an item; 0: there are no more;
 * LL_EFORMAT: the control memory holds no well-formed list from here on. */
LL_API int ll_control_next(const struct ll_message *message, struct ll_control_item *item);

/* ---- Typed ---- */

/* Descriptors (SCM_RIGHTS, AF_UNIX). Adding: 1 … LL_FDS_MAX of them; they stay the caller's and may be closed once the
 * message is sent. At least one byte of data must go with them on a stream. */
LL_API int ll_control_add_fds(struct ll_message *message, const int *fds, size_t count);

/* Takes the received descriptors out of the message, and the items with them: they are the caller's now,
 * close-on-exec, up to `max` of them in fds[]; more than that are closed, and MSG_CTRUNC is set in message->flags.
 * Returns how many fds[] got (0 where there are none). A second call finds none. */
LL_API int ll_control_take_fds(struct ll_message *message, int *fds, size_t max);

/* Closes the received descriptors that were not taken. Returns how many. */
LL_API int ll_control_close_fds(struct ll_message *message);

/* Who sent it (SCM_CREDENTIALS, AF_UNIX): the kernel vouches for it. Receiving needs LL_RECEIVE_CREDENTIALS. Sending
 * other than one's own needs privilege; the send gives -EPERM. */
struct ll_credentials {
    pid_t pid; /* 0: in another pid namespace */
    uid_t uid;
    gid_t gid;
};
LL_API int ll_control_add_credentials(struct ll_message *message, const struct ll_credentials *credentials);
LL_API int ll_control_credentials(const struct ll_message *message, struct ll_credentials *credentials);

/* Where a datagram came in (IP_PKTINFO, IPV6_PKTINFO; needs LL_RECEIVE_PKTINFO): the interface, and the address it was
 * sent to, port 0. Adding it to an outgoing message chooses the interface (0: any) and source address (AF_INET or
 * AF_INET6; an address of all zero: any) for that message. LL_EADDRESS for another family. */
struct ll_packet_info {
    unsigned int interface_index;
    struct ll_address address;
};
LL_API int ll_control_add_packet_info(struct ll_message *message, const struct ll_packet_info *info);
LL_API int ll_control_packet_info(const struct ll_message *message, struct ll_packet_info *info);

/* Time to live or hop limit, 0 … 255 (IP_TTL, IPV6_HOPLIMIT; needs LL_RECEIVE_TTL), and the octet of DSCP and ECN,
 * 0 … 255, ECN in the low two bits, RFC 3168 (IP_TOS, IPV6_TCLASS; needs LL_RECEIVE_TOS). `family` is AF_INET or
 * AF_INET6, else LL_EADDRESS; a value out of range is -ERANGE. Finding returns the value. */
LL_API int ll_control_add_ttl(struct ll_message *message, int family, int ttl);
LL_API int ll_control_ttl(const struct ll_message *message);
LL_API int ll_control_add_tos(struct ll_message *message, int family, int tos);
LL_API int ll_control_tos(const struct ll_message *message);

/* When the kernel received it, nanoseconds since 1970 on the system's clock (SO_TIMESTAMPNS; needs
 * LL_RECEIVE_TIMESTAMP). */
LL_API int ll_control_timestamp(const struct ll_message *message, int64_t *nanoseconds);

#ifdef __cplusplus
}
#endif
#endif
