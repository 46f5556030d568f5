#include "lib/os/addresses.h"

#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

size_t addresses_group(enum addresses_news news, void *out, size_t size) {
    const uint32_t addresses = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    const uint32_t ways = RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
    const struct sockaddr_nl group = {.nl_family = AF_NETLINK,
                                      .nl_groups = addresses | (news == ADDRESSES_CAME ? ways : 0)};
    if (size < sizeof group)
        return 0;
    memcpy(out, &group, sizeof group);
    return sizeof group;
}

/* The bytes of an address; one of IPv4 may stand in an IPv6 one. */
static size_t bytes_of(const struct sockaddr *local, uint8_t family, uint8_t out[16]) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (local->sa_family == AF_INET && family == AF_INET) {
        memcpy(&v4, local, sizeof v4);
        memcpy(out, &v4.sin_addr, 4);
        return 4;
    }
    if (local->sa_family != AF_INET6)
        return 0;
    memcpy(&v6, local, sizeof v6);
    bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
    if (mapped != (family == AF_INET))
        return 0;
    memcpy(out, v6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    return mapped ? 4 : 16;
}

/* Whether the attributes of a message about an address name this one. */
static bool names(const char *data, size_t size, uint8_t family, const struct sockaddr *local) {
    uint8_t wanted[16];
    size_t n = bytes_of(local, family, wanted);
    bool found = false;
    while (n > 0 && size >= sizeof(struct rtattr)) {
        struct rtattr head;
        memcpy(&head, data, sizeof head);
        if (head.rta_len < sizeof head || head.rta_len > size)
            return false;
        /* On a point-to-point interface ADDRESS is the other end's, and LOCAL ours. */
        bool local_one = head.rta_type == IFA_LOCAL || (head.rta_type == IFA_ADDRESS && family == AF_INET6);
        found =
            found || (local_one && head.rta_len - RTA_LENGTH(0) == n && memcmp(data + RTA_LENGTH(0), wanted, n) == 0);
        size_t step = RTA_ALIGN(head.rta_len);
        data += step < size ? step : size;
        size -= step < size ? step : size;
    }
    return found;
}

/* The next message of a batch: its type, and what is behind its head. False: there is no (whole) one. */
static bool next(const char **data, size_t *size, uint16_t *type, const char **body, size_t *body_size) {
    struct nlmsghdr head;
    if (*size < sizeof head)
        return false;
    memcpy(&head, *data, sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > *size)
        return false;
    *type = head.nlmsg_type;
    *body = *data + NLMSG_LENGTH(0);
    *body_size = head.nlmsg_len - NLMSG_LENGTH(0);
    size_t step = NLMSG_ALIGN(head.nlmsg_len);
    *data += step < *size ? step : *size;
    *size -= step < *size ? step : *size;
    return true;
}

bool addresses_lost(const void *batch, size_t size, const struct sockaddr *local) {
    const char *data = batch, *body;
    size_t n;
    uint16_t type;
    struct ifaddrmsg about;
    const size_t attributes = NLMSG_ALIGN(sizeof about);
    while (next(&data, &size, &type, &body, &n)) {
        if (type != RTM_DELADDR || n < attributes)
            continue;
        memcpy(&about, body, sizeof about);
        if (names(body + attributes, n - attributes, about.ifa_family, local))
            return true;
    }
    return false;
}

bool addresses_came(const void *batch, size_t size) {
    const char *data = batch, *body;
    size_t n;
    uint16_t type;
    struct ifaddrmsg address;
    struct ifinfomsg interface;
    while (next(&data, &size, &type, &body, &n)) {
        if (type == RTM_NEWROUTE)
            return true;
        if (type == RTM_NEWADDR && n >= sizeof address) {
            memcpy(&address, body, sizeof address);
            if ((address.ifa_flags & IFA_F_TENTATIVE) ==
                0) /* it is told again when it has proved to be nobody else's */
                return true;
        }
        if (type == RTM_NEWLINK && n >= sizeof interface) {
            memcpy(&interface, body, sizeof interface);
            if ((interface.ifi_flags & IFF_RUNNING) != 0)
                return true;
        }
    }
    return false;
}
