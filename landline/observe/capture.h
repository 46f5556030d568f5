/* Where packets come from: an interface (libpcap, needs CAP_NET_RAW) or a file, and the file they can be kept in.
 * Built without libpcap every open answers LL_ENOTSUP. */
#ifndef LANDLINE_OBSERVE_CAPTURE_H
#define LANDLINE_OBSERVE_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "landline/error.h"
#include "landline/observe/packet.h"

struct capture;

enum { CAPTURE_DELAY_MS = 10 }; /* a packet may wait so long in the kernel until it can be read */

/* Listens on an interface ("any" for all), for packets that match a filter in libpcap's language. Non-blocking; packets
 * are kept by the kernel from here on, up to `bytes` of each. 0, -EPERM without the privilege, -ENODEV, LL_ENOTSUP, another code; `info` says
 * more. */
int capture_open_live(struct capture **out, const char *interface, const char *filter, size_t bytes,
                      struct ll_error_info *info);
/* Reads a pcap or pcapng file. */
int capture_open_file(struct capture **out, const char *path, struct ll_error_info *info);
/* Keeps every packet that is read from now on in a pcap file too. */
int capture_keep(struct capture *c, const char *path, struct ll_error_info *info);
/* Readable when packets wait; -1 for a file. */
int capture_fileno(const struct capture *c);
/* The next packet into *p, whose payload is valid until the next call. 1; 0 when none waits now; LL_EOF at the end of a
 * file; a negative code. Packets that are no TCP are passed over; broken ones too, and counted. */
int capture_next(struct capture *c, struct packet *p);
/* Packets that were broken, and those that the kernel had no room for. */
uint64_t capture_broken(const struct capture *c);
uint64_t capture_dropped(const struct capture *c);
/* Also ends the file of capture_keep(): the first error of writing it, or 0. */
int capture_close(struct capture *c);

#endif
