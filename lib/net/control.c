/* Ancillary data: items in a message's control memory, raw and typed. */
#include "landline/message.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/net/control.h"
#include "lib/os/fd.h"

/* ---- Raw ---- */

static int usable(const struct ll_message *message) {
    return message != NULL && (uintptr_t)message->control % sizeof(size_t) == 0 &&
           (message->control != NULL || message->control_length == 0) &&
           message->control_length <= message->control_capacity;
}

size_t ll_control_space(size_t size) {
    return CMSG_SPACE(size);
}

int ll_control_add(struct ll_message *message, int level, int type, const void *data, size_t size) {
    if (!usable(message) || (data == NULL && size > 0))
        return -EINVAL;
    size_t at = CMSG_ALIGN(message->control_length);
    if (at > message->control_capacity || size > message->control_capacity ||
        CMSG_SPACE(size) > message->control_capacity - at)
        return -ENOBUFS;
    struct cmsghdr *item = (struct cmsghdr *)(void *)((char *)message->control + at);
    memset(item, 0, CMSG_SPACE(size));
    item->cmsg_len = CMSG_LEN(size);
    item->cmsg_level = level;
    item->cmsg_type = type;
    if (size > 0)
        memcpy(CMSG_DATA(item), data, size);
    message->control_length = at + CMSG_SPACE(size);
    return 0;
}

int ll_control_next(const struct ll_message *message, struct ll_control_item *item) {
    if (!usable(message) || item == NULL)
        return -EINVAL;
    const char *begin = message->control;
    size_t at = item->data == NULL
                    ? 0
                    : (size_t)((const char *)item->data - begin) - CMSG_LEN(0) + CMSG_ALIGN(CMSG_LEN(item->size));
    if (at >= message->control_length)
        return 0;
    size_t left = message->control_length - at;
    const struct cmsghdr *next = (const struct cmsghdr *)(const void *)(begin + at);
    if (left < sizeof *next || next->cmsg_len < CMSG_LEN(0) || next->cmsg_len > left)
        return LL_EFORMAT;
    *item = (struct ll_control_item){.level = next->cmsg_level,
                                     .type = next->cmsg_type,
                                     .data = CMSG_DATA(next),
                                     .size = next->cmsg_len - CMSG_LEN(0)};
    return 1;
}

/* The first item of that kind: 0, or -ENOENT. */
static int find(const struct ll_message *message, int level, int type, struct ll_control_item *item) {
    *item = (struct ll_control_item){0};
    int r;
    while ((r = ll_control_next(message, item)) > 0)
        if (item->level == level && item->type == type)
            return 0;
    return r == 0 ? -ENOENT : r;
}

/* The same with a value of exactly `size` bytes, copied out. */
static int find_value(const struct ll_message *message, int level, int type, void *value, size_t size) {
    struct ll_control_item item;
    int r = find(message, level, type, &item);
    if (r < 0)
        return r;
    if (item.size != size)
        return LL_EFORMAT;
    memcpy(value, item.data, size);
    return 0;
}

/* ---- Descriptors ---- */

int ll_control_add_fds(struct ll_message *message, const int *fds, size_t count) {
    if (fds == NULL || count == 0 || count > LL_FDS_MAX)
        return -EINVAL;
    return ll_control_add(message, SOL_SOCKET, SCM_RIGHTS, fds, count * sizeof *fds);
}

/* Takes an item out and moves what is behind it up. */
static void take_out(struct ll_message *message, const struct ll_control_item *item) {
    char *begin = message->control;
    size_t at = (size_t)((const char *)item->data - begin) - CMSG_LEN(0);
    size_t behind = at + CMSG_ALIGN(CMSG_LEN(item->size));
    if (behind > message->control_length)
        behind = message->control_length;
    memmove(begin + at, begin + behind, message->control_length - behind);
    message->control_length -= behind - at;
}

int ll_control_take_fds(struct ll_message *message, int *fds, size_t max) {
    struct ll_control_item item;
    size_t taken = 0;
    int r;
    if (fds == NULL && max > 0)
        return -EINVAL;
    while ((r = find(message, SOL_SOCKET, SCM_RIGHTS, &item)) == 0) {
        for (size_t i = 0; i + 1 <= item.size / sizeof(int); i++) {
            int fd;
            memcpy(&fd, (const char *)item.data + i * sizeof fd, sizeof fd);
            if (taken < max) {
                fds[taken++] = fd;
            } else {
                fd_close(fd);
                message->flags |= MSG_CTRUNC;
            }
        }
        take_out(message, &item);
    }
    return r == -ENOENT ? (int)taken : r;
}

int ll_control_close_fds(struct ll_message *message) {
    int fds[LL_FDS_MAX];
    int count = ll_control_take_fds(message, fds, LL_FDS_MAX);
    for (int i = 0; i < count; i++)
        fd_close(fds[i]);
    return count;
}

void control_received(struct ll_message *message) {
    if ((message->flags & MSG_CTRUNC) != 0)
        ll_control_close_fds(message);
}

int control_usable(const struct ll_message *message) {
    return usable(message);
}

/* ---- Credentials ---- */

int ll_control_add_credentials(struct ll_message *message, const struct ll_credentials *credentials) {
    if (credentials == NULL)
        return -EINVAL;
    struct ucred raw = {.pid = credentials->pid, .uid = credentials->uid, .gid = credentials->gid};
    return ll_control_add(message, SOL_SOCKET, SCM_CREDENTIALS, &raw, sizeof raw);
}

int ll_control_credentials(const struct ll_message *message, struct ll_credentials *credentials) {
    struct ucred raw;
    if (credentials == NULL)
        return -EINVAL;
    int r = find_value(message, SOL_SOCKET, SCM_CREDENTIALS, &raw, sizeof raw);
    if (r == 0)
        *credentials = (struct ll_credentials){.pid = raw.pid, .uid = raw.uid, .gid = raw.gid};
    return r;
}

/* ---- Where a datagram came in ---- */

int ll_control_add_packet_info(struct ll_message *message, const struct ll_packet_info *info) {
    if (info == NULL)
        return -EINVAL;
    if (ll_address_family(&info->address) == AF_INET) {
        struct in_pktinfo raw = {.ipi_ifindex = (int)info->interface_index,
                                 .ipi_spec_dst = info->address.as.ipv4.sin_addr};
        return ll_control_add(message, IPPROTO_IP, IP_PKTINFO, &raw, sizeof raw);
    }
    if (ll_address_family(&info->address) == AF_INET6) {
        struct in6_pktinfo raw = {.ipi6_ifindex = info->interface_index, .ipi6_addr = info->address.as.ipv6.sin6_addr};
        return ll_control_add(message, IPPROTO_IPV6, IPV6_PKTINFO, &raw, sizeof raw);
    }
    return LL_EADDRESS;
}

int ll_control_packet_info(const struct ll_message *message, struct ll_packet_info *info) {
    struct in_pktinfo four;
    struct in6_pktinfo six;
    if (info == NULL)
        return -EINVAL;
    int r = find_value(message, IPPROTO_IP, IP_PKTINFO, &four, sizeof four);
    if (r == 0) {
        info->interface_index = (unsigned int)four.ipi_ifindex;
        r = ll_address_ipv4(&info->address, "", 0);
        info->address.as.ipv4.sin_addr = four.ipi_addr;
    } else if (r == -ENOENT) {
        r = find_value(message, IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof six);
        if (r == 0) {
            info->interface_index = six.ipi6_ifindex;
            r = ll_address_ipv6(&info->address, "", 0, 0, 0);
            info->address.as.ipv6.sin6_addr = six.ipi6_addr;
        }
    }
    return r;
}

/* ---- Time to live, type of service ---- */

struct kind {
    int family, level, type;
};
static const struct kind ttl_kinds[] = {{AF_INET, IPPROTO_IP, IP_TTL}, {AF_INET6, IPPROTO_IPV6, IPV6_HOPLIMIT}};
static const struct kind tos_kinds[] = {{AF_INET, IPPROTO_IP, IP_TOS}, {AF_INET6, IPPROTO_IPV6, IPV6_TCLASS}};

static int add_octet(struct ll_message *message, const struct kind kinds[2], int family, int value) {
    for (size_t i = 0; i < 2; i++) {
        if (kinds[i].family != family)
            continue;
        if (value < 0 || value > 255)
            return -ERANGE;
        return ll_control_add(message, kinds[i].level, kinds[i].type, &value, sizeof value);
    }
    return LL_EADDRESS;
}

/* The kernel gives IP_TOS as one byte and the others as an int. */
static int find_octet(const struct ll_message *message, const struct kind kinds[2]) {
    for (size_t i = 0; i < 2; i++) {
        unsigned char byte;
        int value;
        int r = find_value(message, kinds[i].level, kinds[i].type, &value, sizeof value);
        if (r == 0)
            return value & 255;
        if (r == LL_EFORMAT && find_value(message, kinds[i].level, kinds[i].type, &byte, sizeof byte) == 0)
            return byte;
        if (r != -ENOENT)
            return r;
    }
    return -ENOENT;
}

int ll_control_add_ttl(struct ll_message *message, int family, int ttl) {
    return add_octet(message, ttl_kinds, family, ttl);
}
int ll_control_ttl(const struct ll_message *message) {
    return find_octet(message, ttl_kinds);
}
int ll_control_add_tos(struct ll_message *message, int family, int tos) {
    return add_octet(message, tos_kinds, family, tos);
}
int ll_control_tos(const struct ll_message *message) {
    return find_octet(message, tos_kinds);
}

int ll_control_timestamp(const struct ll_message *message, int64_t *nanoseconds) {
    struct timespec time;
    if (nanoseconds == NULL)
        return -EINVAL;
    int r = find_value(message, SOL_SOCKET, SCM_TIMESTAMPNS, &time, sizeof time);
    if (r == 0)
        *nanoseconds = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
    return r;
}
