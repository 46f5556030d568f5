#include "landline/observe/capture.h"

#include <errno.h>
#include <stdlib.h>

#include "landline/observe/pcap_lazy.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

struct capture {
    pcap_t *pcap;
    pcap_dumper_t *dumper;
    enum packet_link link;
    uint64_t broken;
};

static int find_link(pcap_t *pcap, enum packet_link *link) {
    static const struct {
        int pcap;
        enum packet_link link;
    } known[] = {
        {DLT_EN10MB, PACKET_LINK_ETHERNET}, {DLT_NULL, PACKET_LINK_NULL},       {DLT_LOOP, PACKET_LINK_NULL},
        {DLT_RAW, PACKET_LINK_RAW},         {DLT_IPV4, PACKET_LINK_RAW},        {DLT_IPV6, PACKET_LINK_RAW},
        {DLT_LINUX_SLL, PACKET_LINK_SLL},   {DLT_LINUX_SLL2, PACKET_LINK_SLL2},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].pcap == pcap_lazy()->pcap_datalink(pcap)) {
            *link = known[i].link;
            return 0;
        }
    }
    return LL_ENOTSUP;
}

static struct capture *create(void) {
    return calloc(1, sizeof(struct capture));
}

/* libpcap's codes as ours. */
static int code_of(int status) {
    static const struct {
        int pcap, code;
    } known[] = {
        {PCAP_ERROR_PERM_DENIED, -EPERM},      {PCAP_ERROR_PROMISC_PERM_DENIED, -EPERM},
        {PCAP_ERROR_NO_SUCH_DEVICE, -ENODEV},  {PCAP_ERROR_IFACE_NOT_UP, -ENETDOWN},
        {PCAP_ERROR_RFMON_NOTSUP, LL_ENOTSUP},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].pcap == status)
            return known[i].code;
    }
    return -EIO;
}

static int set_filter(pcap_t *pcap, const char *filter) {
    struct bpf_program program;
    if (pcap_lazy()->pcap_compile(pcap, &program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0)
        return LL_EUSAGE;
    int status = pcap_lazy()->pcap_setfilter(pcap, &program);
    pcap_lazy()->pcap_freecode(&program);
    return status == 0 ? 0 : -EIO;
}

static int activate(struct capture *c, const char *filter, size_t bytes) {
    char text[PCAP_ERRBUF_SIZE];
    pcap_lazy()->pcap_set_snaplen(c->pcap, (int)bytes);
    pcap_lazy()->pcap_set_timeout(
        c->pcap, CAPTURE_DELAY_MS); /* not immediate mode: that gives each packet a slot of full size */
    pcap_lazy()->pcap_set_buffer_size(c->pcap, LIMIT_CAPTURE_BUFFER);
    pcap_lazy()->pcap_set_tstamp_precision(c->pcap, PCAP_TSTAMP_PRECISION_NANO);
    int status = pcap_lazy()->pcap_activate(c->pcap);
    if (status < 0)
        return code_of(status);
    pcap_lazy()->pcap_set_datalink(c->pcap,
                                   DLT_LINUX_SLL2); /* refused, and needless, where there is an Ethernet header */
    int code = find_link(c->pcap, &c->link);
    if (code == 0)
        code = set_filter(c->pcap, filter);
    if (code == 0 && pcap_lazy()->pcap_setnonblock(c->pcap, 1, text) != 0)
        code = -EIO;
    return code;
}

int capture_open_live(struct capture **out, const char *interface, const char *filter, size_t bytes,
                      struct ll_error_info *info) {
    char text[PCAP_ERRBUF_SIZE];
    if (pcap_lazy() == NULL)
        return error_at(info, LL_ENOTSUP, "load", "libpcap");
    struct capture *c = create();
    if (c == NULL)
        return error_at(info, -ENOMEM, "capture", interface);
    c->pcap = pcap_lazy()->pcap_create(interface, text);
    int code = c->pcap == NULL ? -EIO : activate(c, filter, bytes);
    if (code != 0) {
        capture_close(c);
        return error_at(info, code, "capture", interface);
    }
    *out = c;
    return 0;
}

int capture_open_file(struct capture **out, const char *path, struct ll_error_info *info) {
    char text[PCAP_ERRBUF_SIZE];
    if (pcap_lazy() == NULL)
        return error_at(info, LL_ENOTSUP, "load", "libpcap");
    struct capture *c = create();
    if (c == NULL)
        return error_at(info, -ENOMEM, "open", path);
    errno = 0;
    c->pcap = pcap_lazy()->pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, text);
    int code = c->pcap != NULL ? find_link(c->pcap, &c->link) : errno != 0 ? -errno : LL_EFORMAT;
    if (code != 0) {
        capture_close(c);
        return error_at(info, code, "open", path);
    }
    *out = c;
    return 0;
}

int capture_keep(struct capture *c, const char *path, struct ll_error_info *info) {
    errno = 0;
    c->dumper = pcap_lazy()->pcap_dump_open(c->pcap, path);
    return c->dumper != NULL ? 0 : error_at(info, errno != 0 ? -errno : -EIO, "open", path);
}

int capture_fileno(const struct capture *c) {
    return pcap_lazy()->pcap_get_selectable_fd(c->pcap);
}

static void keep(struct capture *c, const struct pcap_pkthdr *header, const uint8_t *bytes) {
    if (c->dumper != NULL)
        pcap_lazy()->pcap_dump((unsigned char *)c->dumper, header, bytes);
}

int capture_next(struct capture *c, struct packet *p) {
    for (;;) {
        struct pcap_pkthdr *header = NULL;
        const uint8_t *bytes = NULL;
        int status = pcap_lazy()->pcap_next_ex(c->pcap, &header, &bytes);
        if (status != 1)
            return status == 0                               ? 0
                   : status == PCAP_ERROR_BREAK              ? LL_EOF
                   : pcap_lazy()->pcap_file(c->pcap) != NULL ? LL_EFORMAT
                                                             : -EIO;
        keep(c, header, bytes);
        int code = packet_parse(p, c->link, bytes, header->caplen, header->len);
        p->time_ns = (int64_t)header->ts.tv_sec * 1000000000 + header->ts.tv_usec; /* nanoseconds, as asked for */
        if (code == 0)
            return 1;
        c->broken += code == LL_EFORMAT;
    }
}

uint64_t capture_broken(const struct capture *c) {
    return c->broken;
}

uint64_t capture_dropped(const struct capture *c) {
    struct pcap_stat stat = {0};
    return pcap_lazy()->pcap_file(c->pcap) == NULL && pcap_lazy()->pcap_stats(c->pcap, &stat) == 0 ? stat.ps_drop : 0;
}

int capture_close(struct capture *c) {
    int code = 0;
    if (c == NULL)
        return 0;
    if (c->dumper != NULL) {
        errno = 0;
        if (pcap_lazy()->pcap_dump_flush(c->dumper) != 0)
            code = errno != 0 ? -errno : -EIO;
        pcap_lazy()->pcap_dump_close(c->dumper);
    }
    if (c->pcap != NULL)
        pcap_lazy()->pcap_close(c->pcap);
    free(c);
    return code;
}
