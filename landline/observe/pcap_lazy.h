/* libpcap, loaded when a capture is opened: it brings a dozen libraries along, which every other command would pay for
 * with a third of its time to start. */
#ifndef LANDLINE_OBSERVE_PCAP_LAZY_H
#define LANDLINE_OBSERVE_PCAP_LAZY_H

#include <pcap/pcap.h>

/* The functions in use. To use another one, add it here. */
#define PCAP_LAZY_LIST(X)                                                                                              \
    X(pcap_activate)                                                                                                   \
    X(pcap_close)                                                                                                      \
    X(pcap_compile)                                                                                                    \
    X(pcap_create)                                                                                                     \
    X(pcap_datalink)                                                                                                   \
    X(pcap_dump)                                                                                                       \
    X(pcap_dump_close)                                                                                                 \
    X(pcap_dump_flush)                                                                                                 \
    X(pcap_dump_open)                                                                                                  \
    X(pcap_file)                                                                                                       \
    X(pcap_freecode)                                                                                                   \
    X(pcap_get_selectable_fd)                                                                                          \
    X(pcap_next_ex)                                                                                                    \
    X(pcap_open_offline_with_tstamp_precision)                                                                         \
    X(pcap_set_buffer_size)                                                                                            \
    X(pcap_set_datalink)                                                                                               \
    X(pcap_set_snaplen)                                                                                                \
    X(pcap_set_timeout)                                                                                                \
    X(pcap_set_tstamp_precision)                                                                                       \
    X(pcap_setfilter)                                                                                                  \
    X(pcap_setnonblock)                                                                                                \
    X(pcap_stats)

struct pcap_lazy {
#define PCAP_LAZY_MEMBER(name) __typeof__(name) *name;
    PCAP_LAZY_LIST(PCAP_LAZY_MEMBER)
#undef PCAP_LAZY_MEMBER
};

/* The library, loaded once and kept; NULL where it is not installed or too old. For one thread. */
const struct pcap_lazy *pcap_lazy(void);

#endif
