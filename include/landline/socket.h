/* landline/socket.h: the socket module.
 *
 * What Python's `socket` module gives its users, in C: the same operations with the same semantics, on AF_UNIX,
 * AF_INET, AF_INET6 and whatever else the system has; SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_RDM.
 *
 * Time. A socket is in one of three modes, as ll_socket_settimeout() sets them:
 *   blocking      a call waits as long as it takes; new sockets are so
 *   time-out t    a call waits t seconds in all, then gives LL_ETIMEOUT. All calls are tried before anything is waited
 *                 for, so that what can be done at once is done at once
 *   non-blocking  a call never waits: -EAGAIN (connect: -EINPROGRESS), and the caller's event loop knows when to return
 * The kernel's own time-out of a connection stays -ETIMEDOUT: LL_ETIMEOUT always means "the caller's time was up".
 * The descriptor has O_NONBLOCK in the latter two modes, as in Python: who shares it (dup, fork) shares that.
 *
 * Signals (PEP 475). A call that a signal interrupts asks the interrupt hooks, the socket's and then the thread's; when
 * both say go on, or there are none, it goes on with the time that remains. When one says stop it returns
 * LL_EINTERRUPTED. No function installs a handler, none raises SIGPIPE: sending to a peer that is gone is -EPIPE.
 *
 * Descriptors (PEP 446). Every descriptor made here is close-on-exec from its birth: open, pair, accept, dup and
 * received ones.
 *
 * Threads. Any number of threads may send, receive, wait, shut down and ask on one socket at the same time: the kernel
 * orders them. ll_socket_close() is safe against them all: calls that wait return LL_ECLOSED, and so do later ones;
 * the descriptor's number stays reserved until the last of them has left, so none can touch a stranger's descriptor.
 * A waiting call is woken by shutting the connection down, for others that share it too. Two waits cannot be woken
 * so, and end when the peer takes something: a blocking connect and a blocking datagram send on AF_UNIX whose peer is
 * full. Only ll_socket_free() needs to be alone: no call on that socket may be under way, none may follow.
 * Making a socket, changing its time-out or its hook while another thread's call waits is allowed and touches later
 * calls only.
 *
 * Errors. Every function here returns a negative code of landline/error.h on failure. These may come from any that
 * takes a socket, and are not repeated below:
 *   -EINVAL          NULL for the socket, or for another pointer that is needed
 *   LL_ECLOSED       the socket is closed (or was, while the call waited)
 *   LL_ETIMEOUT      the time-out passed; -EAGAIN in non-blocking mode
 *   LL_EINTERRUPTED  a hook said stop
 *   -ENOMEM, -ENOBUFS, -EMFILE, -ENFILE   the system is short of something; from calls that make something
 * ll_socket_error() says more about the last failure: the call and the address.
 *
 * Sources: POSIX.1-2008 <sys/socket.h>; Python 3 Library Reference, socket; PEP 446, PEP 475; RFC 8305 for
 * ll_create_connection. */
#ifndef LANDLINE_SOCKET_H
#define LANDLINE_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "landline/address.h"
#include "landline/error.h"
#include "landline/message.h"
#include "landline/resolve.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ll_socket ll_socket;

/* ---- Making and ending ---- */

/* A new socket in blocking mode; with SOCK_NONBLOCK in `type`, in non-blocking mode. Seed and Python: socket(family,
 * type, proto), there with AF_INET, SOCK_STREAM, 0 as defaults.
 * *out is the caller's, to be ended with ll_socket_free(). Does not block.
 * LL_ENOTSUP: this system has no such family, or the family no such type (SOCK_RDM without TIPC or RDS);
 * -EPROTONOSUPPORT, -EPROTOTYPE: no such protocol; -EPERM, -EACCES: SOCK_RAW and AF_PACKET need CAP_NET_RAW;
 * -EINVAL: flags in type that are not SOCK_NONBLOCK or SOCK_CLOEXEC. */
LL_API int ll_socket_open(int family, int type, int protocol, ll_socket **out);

/* Two sockets connected with each other (socketpair); AF_UNIX, and AF_TIPC where there is one. Errors as for
 * ll_socket_open; LL_ENOTSUP also where the family has no pairs. */
LL_API int ll_socket_pair(int family, int type, int protocol, ll_socket *out[2]);

/* Makes a socket of a descriptor, which belongs to the socket from then on; on failure it stays the caller's. It is
 * made close-on-exec. Family, type and protocol are read from it, and so is the mode: one with O_NONBLOCK comes out
 * non-blocking. -EBADF: no descriptor; -ENOTSOCK: not a socket's. */
LL_API int ll_socket_adopt(int fd, ll_socket **out);

/* Gives the descriptor back to the caller, who has to close it, and leaves the socket closed. Returns the descriptor.
 * -EBUSY: another thread is in a call on the socket. */
LL_API int ll_socket_detach(ll_socket *socket);

/* A second socket on the same connection, with its own descriptor, mode as the first's, no hook. */
LL_API int ll_socket_dup(ll_socket *socket, ll_socket **out);

/* Closes the socket: 0, LL_ECLOSED when it was closed before, or what close(2) reports (-EIO, -ENOSPC, -EDQUOT), after
 * which it is closed all the same. Bytes sent stay on their way. See "Threads" above; the memory stays until
 * ll_socket_free(). Does not block, unless SO_LINGER asks for it. */
LL_API int ll_socket_close(ll_socket *socket);

/* Closes the socket if it is open, and releases it. NULL is fine. */
LL_API void ll_socket_free(ll_socket *socket);

/* ---- Mode and hooks ---- */

/* Blocking (true, the default) or non-blocking: ll_socket_settimeout with LL_FOREVER or 0. */
LL_API int ll_socket_setblocking(ll_socket *socket, bool blocking);

/* The time-out in seconds, fractions included, rounded up to a nanosecond; 0 is non-blocking, LL_FOREVER blocking.
 * Holds for accept, connect, and everything that sends or receives, for each call anew; for ll_socket_sendall and
 * ll_socket_recvall in all, not for each part. -EINVAL: negative or not a number; -EOVERFLOW: above 292 years. */
LL_API int ll_socket_settimeout(ll_socket *socket, double seconds);

/* The time-out into *seconds, as set; LL_FOREVER when blocking. */
LL_API int ll_socket_gettimeout(const ll_socket *socket, double *seconds);

/* 1 in blocking mode and with a time-out, 0 in non-blocking mode. */
LL_API int ll_socket_getblocking(const ll_socket *socket);

/* Asked when a signal interrupted a call, after the program's handler ran: 0 goes on, anything else stops the call.
 * Also asked between the parts of ll_socket_sendall, _recvall and _sendfile, since a part may have ended early for a
 * signal. It runs in the thread of the call and may take its time; it may close the socket (the call then returns
 * LL_ECLOSED), and must not free it. */
typedef int ll_interrupt_hook(void *argument);

/* The hook of one socket; NULL takes it away. */
LL_API int ll_socket_set_interrupt(ll_socket *socket, ll_interrupt_hook *hook, void *argument);

/* The hook of the calling thread, for all sockets and name look-ups it waits for; NULL takes it away. */
LL_API void ll_thread_set_interrupt(ll_interrupt_hook *hook, void *argument);

/* ---- Naming and connecting ---- */

/* Binds the socket to an address of its family. Does not block.
 * -EADDRINUSE, -EADDRNOTAVAIL, -EACCES (ports below 1024, directory not writable), -ENOENT, -ENOTDIR, -ELOOP,
 * -ENAMETOOLONG, -EROFS (UNIX paths), -EAFNOSUPPORT (another family), -ENODEV (scope),
 * -EINVAL (bound already, or the wrong length). Nothing sets SO_REUSEADDR here; only ll_create_server does. */
LL_API int ll_socket_bind(ll_socket *socket, const struct ll_address *address);

/* The same for a host by name or number: "" is any address, "<broadcast>" the broadcast address, as in Python; for
 * AF_INET and AF_INET6 sockets, else LL_EADDRESS. The name is looked up within the socket's time-out (in non-blocking
 * mode only numbers will do: else -EAGAIN). Also the errors of ll_getaddrinfo, and -ERANGE for the port. */
LL_API int ll_socket_bind_host(ll_socket *socket, const char *host, int port);

/* Starts to accept connections. `backlog` is how many may wait to be accepted before the system refuses or ignores
 * more; the system caps it at net.core.somaxconn, a negative one is taken for 0, LL_BACKLOG is the default of Python.
 * Does not block. -EADDRINUSE, -EOPNOTSUPP (the type does not listen), -EINVAL (connected). */
#define LL_BACKLOG 128
LL_API int ll_socket_listen(ll_socket *socket, int backlog);

/* Waits for a connection and makes it a socket of its own, the caller's, in blocking mode whatever the listener's (the
 * listener's time-out is for the wait only). `peer` gets the address of the other end, may be NULL, and is unnamed for
 * most UNIX clients. -EINVAL: not listening; -EOPNOTSUPP: not a type that accepts; -EMFILE, -ENFILE: out of
 * descriptors, and the connection still waits; -ECONNABORTED: it went before it was accepted, try again; -EPERM: a
 * firewall's rule. */
LL_API int ll_socket_accept(ll_socket *listener, ll_socket **out, struct ll_address *peer);

/* The same with a choice of mode: SOCK_NONBLOCK in `flags` makes the new socket non-blocking without another call. */
LL_API int ll_socket_accept4(ll_socket *listener, int flags, ll_socket **out, struct ll_address *peer);

/* Connects to an address; on a datagram socket it only sets the peer, and an address of family AF_UNSPEC takes it
 * back. -EINPROGRESS in non-blocking mode: when the descriptor is ready, connecting again tells how it ended (SO_ERROR
 * alone does not: Linux wakes who waits for an ICMP error that it does not take for the end, and says 0 then).
 * After LL_ETIMEOUT the attempt goes on in the kernel: a later connect says -EALREADY while it does, -EISCONN or 0
 * once it is there, or the error that ended it. After a signal it goes on, it is not begun again. -ECONNREFUSED,
 * -ENETUNREACH, -EHOSTUNREACH, -ETIMEDOUT (the network's), -ECONNRESET, -EADDRNOTAVAIL, -EAFNOSUPPORT, -EACCES,
 * -EPERM, -ENOENT (UNIX path), -EPROTOTYPE (UNIX, another type), -EISCONN, -EALREADY, -EAGAIN (AF_UNIX, non-blocking
 * or with a time-out: the listener's queue is full; the kernel has no way to wait there). */
LL_API int ll_socket_connect(ll_socket *socket, const struct ll_address *address);

/* The same for a host by name or number: the time-out covers looking up the name too. Of the name's addresses the first
 * of the socket's family is taken, as Python does; ll_create_connection tries them all. Errors as for
 * ll_socket_bind_host and ll_socket_connect. */
LL_API int ll_socket_connect_host(ll_socket *socket, const char *host, int port);

/* The same as ll_socket_connect, with the result as Python's connect_ex gives it: 0, or the positive errno of the
 * connect: ECONNREFUSED; EINPROGRESS; EAGAIN for the time-out (10035 or 10060 on another system); EBADF for a closed
 * socket. What has no errno stays negative: LL_EINTERRUPTED, and -EINVAL for a NULL. */
LL_API int ll_socket_connect_ex(ll_socket *socket, const struct ll_address *address);

/* Ends one direction (SHUT_RD, SHUT_WR) or both (SHUT_RDWR). After SHUT_WR the peer's recv gives 0 once it has read
 * all, and this side can still receive. -ENOTCONN; -EINVAL for another `how`; -EOPNOTSUPP (families without). */
LL_API int ll_socket_shutdown(ll_socket *socket, int how);

/* The peer's and the own address. -ENOTCONN; a socket not yet bound has port 0 or is unnamed. */
LL_API int ll_socket_getpeername(ll_socket *socket, struct ll_address *out);
LL_API int ll_socket_getsockname(ll_socket *socket, struct ll_address *out);

/* The descriptor, for poll and the like; it stays the socket's. LL_ECLOSED once closed. */
LL_API int ll_socket_fileno(const ll_socket *socket);

/* What it was made with: AF_…, SOCK_…, IPPROTO_… (0 becomes what the system chose). Also on a closed socket. */
LL_API int ll_socket_family(const ll_socket *socket);
LL_API int ll_socket_type(const ll_socket *socket);
LL_API int ll_socket_protocol(const ll_socket *socket);

/* The last failure of a call on this socket, by any thread: its code, the call's name, and the address it was about
 * (where bind, connect or sendto was told to go; else the peer). info->code is 0 while nothing has failed. -EAGAIN and
 * -EINPROGRESS in non-blocking mode are no failures and are not kept. Returns 0. Works on a closed socket. */
LL_API int ll_socket_error(ll_socket *socket, struct ll_error_info *info);

/* ---- Bytes ---- *
 *
 * `flags` are MSG_… of the system: MSG_PEEK, MSG_OOB, MSG_WAITALL, MSG_TRUNC, MSG_MORE, MSG_DONTWAIT, …; MSG_NOSIGNAL is
 * always set; MSG_DONTWAIT makes the one call non-blocking (-EAGAIN). The buffers are the caller's. Receiving: -ECONNRESET, -ECONNREFUSED (datagrams: an ICMP answer came),
 * -ENOTCONN, -EFAULT, -EOPNOTSUPP (flags), -EINVAL (MSG_OOB without urgent data). Sending: -EPIPE, -ECONNRESET,
 * -EMSGSIZE (larger than a datagram can be), -EDESTADDRREQ, -ENOTCONN, -EISCONN, -ENOBUFS, -ENETUNREACH, -EHOSTUNREACH,
 * -ENETDOWN, -EACCES (broadcast without SO_BROADCAST), -EPERM, -ECONNREFUSED, -EFAULT. */

/* Receives up to `size` bytes; returns how many. 0 means the peer closed its side (stream), or an empty datagram.
 * Asked for 0 bytes it gives 0 and takes nothing, as in Python (but with MSG_TRUNC it asks the system: with MSG_PEEK
 * that is the length of the next datagram). Of a datagram larger than `size` the rest is lost; with MSG_TRUNC in flags
 * the true length is returned. MSG_WAITALL waits for all in blocking mode only; ll_socket_recvall() does in every
 * mode. */
LL_API ssize_t ll_socket_recv(ll_socket *socket, void *buffer, size_t size, int flags);

/* The same, and who sent it into *from (may be NULL); of length 0 on a connected stream. */
LL_API ssize_t ll_socket_recvfrom(ll_socket *socket, void *buffer, size_t size, int flags, struct ll_address *from);

/* Receives exactly `size` bytes: 0, or LL_EOF when the peer closed before. -EINVAL with MSG_PEEK. *received (may be
 * NULL) gets how many came, on failure too. The time-out holds for the whole. */
LL_API int ll_socket_recvall(ll_socket *socket, void *buffer, size_t size, int flags, size_t *received);

/* Sends some of the bytes: returns how many the system took, which may be fewer than `size`; the rest is the caller's
 * to send. A datagram goes as a whole. */
LL_API ssize_t ll_socket_send(ll_socket *socket, const void *buffer, size_t size, int flags);

/* Sends them all: 0. *sent (may be NULL) gets how many went, on failure too. The time-out holds for the whole, across
 * partial sends. size 0 sends once (an empty datagram). */
LL_API int ll_socket_sendall(ll_socket *socket, const void *buffer, size_t size, int flags, size_t *sent);

/* Sends one datagram to an address; returns the bytes sent. */
LL_API ssize_t ll_socket_sendto(ll_socket *socket, const void *buffer, size_t size, int flags,
                                const struct ll_address *to);

/* One message with parts and ancillary data (landline/message.h); returns its bytes. Receiving sets address,
 * control_length and flags of *message. Received descriptors are close-on-exec; where the ancillary data was cut
 * (MSG_CTRUNC) those of the message are closed and their item is taken out: what is left of a cut list helps nobody.
 * What is not taken with ll_control_take_fds() the caller has to close with ll_control_close_fds(). Also: -EMSGSIZE
 * for more than 1024 parts, -EPERM (credentials), -ETOOMANYREFS (descriptors in flight), -EBADF (one of them is none),
 * -EINVAL (a control item the protocol does not know). */
LL_API ssize_t ll_socket_sendmsg(ll_socket *socket, const struct ll_message *message, int flags);
LL_API ssize_t ll_socket_recvmsg(ll_socket *socket, struct ll_message *message, int flags);

/* Many messages in few system calls (sendmmsg, recvmmsg): messages[0 … count - 1], returns how many went or came, at
 * least 1, or the error of the first. Each one's `length` is set. Receiving waits (in its mode) for the first only. */
LL_API ssize_t ll_socket_sendmmsg(ll_socket *socket, struct ll_message *messages, size_t count, int flags);
LL_API ssize_t ll_socket_recvmmsg(ll_socket *socket, struct ll_message *messages, size_t count, int flags);

/* Sends bytes with descriptors over AF_UNIX; they stay the caller's. count is 1 … LL_FDS_MAX. Returns the bytes sent.
 * */
LL_API ssize_t ll_socket_send_fds(ll_socket *socket, const void *buffer, size_t size, const int *fds, size_t count,
                                  int flags);

/* Receives bytes and up to `max` descriptors, close-on-exec, the caller's. *count gets their number; those that came
 * beyond max are closed, and *message_flags (may be NULL) then has MSG_CTRUNC. Returns the bytes. */
LL_API ssize_t ll_socket_recv_fds(ll_socket *socket, void *buffer, size_t size, int *fds, size_t max, size_t *count,
                                  int flags, int *message_flags);

/* Sends `count` bytes (0: up to the end) of the file `file` from `offset` on, over a stream: with sendfile(2), or by
 * reading and sending where the file cannot (a pipe has no offset: use 0; it is read from where it is). *sent gets the
 * bytes sent, on failure too (may be NULL); 0 is returned when all went, also if the file ended before count. The
 * file's own position is left just behind what was sent, as Python does. The time-out holds for each wait, not for the
 * whole: a file is as long as it is. -EINVAL: not a stream, non-blocking mode, a negative offset; -EBADF: file is not
 * open for reading; -EIO, -EISDIR. */
LL_API int ll_socket_sendfile(ll_socket *socket, int file, off_t offset, uint64_t count, uint64_t *sent);

/* ---- Options ---- */

/* setsockopt(2), getsockopt(2): *size is the room at `value`, then the bytes the kernel gave. -ENOPROTOOPT, -EDOM,
 * -EINVAL, -EPERM, -EFAULT. */
LL_API int ll_socket_setsockopt(ll_socket *socket, int level, int option, const void *value, size_t size);
LL_API int ll_socket_getsockopt(ll_socket *socket, int level, int option, void *value, size_t *size);

/* The same for the many options that are an int. LL_EFORMAT where the kernel gave another size. */
LL_API int ll_socket_setsockopt_int(ll_socket *socket, int level, int option, int value);
LL_API int ll_socket_getsockopt_int(ll_socket *socket, int level, int option, int *value);

/* Which ancillary items incoming messages shall have; or them together. Each is set on (true) or off for the socket's
 * family: -EOPNOTSUPP where it has no such thing. */
enum ll_receive {
    LL_RECEIVE_CREDENTIALS = 1, /* AF_UNIX */
    LL_RECEIVE_PKTINFO = 2,     /* AF_INET, AF_INET6 */
    LL_RECEIVE_TTL = 4,         /* AF_INET, AF_INET6 */
    LL_RECEIVE_TOS = 8,         /* AF_INET, AF_INET6 */
    LL_RECEIVE_TIMESTAMP = 16,  /* any */
};
LL_API int ll_socket_receive(ll_socket *socket, unsigned int what, bool on);

/* Who is at the other end of a connected AF_UNIX socket, as of connect or listen (SO_PEERCRED). -ENOTCONN: nobody is
 * known; -EOPNOTSUPP for other families. */
LL_API int ll_socket_peer_credentials(ll_socket *socket, struct ll_credentials *credentials);

/* What the kernel knows about a TCP connection (TCP_INFO, tcp(7)), in the kernel's order. How much of it there is
 * depends on the kernel: `length` bytes, counted from `state`, are filled, the rest is 0; LL_TCP_INFO_HAS tells for
 * one field. Times are micro- or milliseconds as their names say; windows, bytes and segments are counts. */
struct ll_tcp_info {
    uint32_t length;
    uint8_t send_window_scale, receive_window_scale; /* the halves of window_scales */
    uint8_t app_limited, fast_open_failure;          /* from delivery_bits: bit 0, bits 1 and 2 */
    uint8_t state;                                   /* TCP_ESTABLISHED, … of <netinet/tcp.h> */
    uint8_t congestion_state, retransmits, probes, backoff, options, window_scales, delivery_bits;
    uint32_t rto_us, ato_us, send_mss, receive_mss;
    uint32_t unacked, sacked, lost, retransmitted, forward_acked;
    uint32_t last_data_sent_ms, last_ack_sent_ms, last_data_received_ms, last_ack_received_ms;
    uint32_t path_mtu, receive_ssthresh, rtt_us, rtt_variance_us, send_ssthresh, congestion_window, advertised_mss;
    uint32_t reordering, receive_rtt_us, receive_space, total_retransmitted;
    uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
    uint32_t segments_out, segments_in, not_sent_bytes, min_rtt_us, data_segments_in, data_segments_out;
    uint64_t delivery_rate, busy_us, receive_window_limited_us, send_buffer_limited_us;
    uint32_t delivered, delivered_ce;
    uint64_t bytes_sent, bytes_retransmitted;
    uint32_t dsack_duplicates, reordering_seen, out_of_order_packets, send_window, receive_window, rehash;
};
#define LL_TCP_INFO_HAS(info, field)                                                                                   \
    (offsetof(struct ll_tcp_info, field) + sizeof((info)->field) - offsetof(struct ll_tcp_info, state) <=              \
     (size_t)(info)->length)

/* -EOPNOTSUPP for a socket that is not TCP; LL_ENOTSUP where the kernel gives less than up to `receive_mss`. */
LL_API int ll_socket_tcp_info(ll_socket *socket, struct ll_tcp_info *info);

/* ---- Whole tasks ---- */

/* How ll_create_connection connects; all zero is a good choice. */
struct ll_connection_options {
    double timeout_s;                /* for looking up and connecting together; 0 is no limit */
    double stagger_s;                /* start the next address when the last has not answered so long; 0 is 0.25 */
    int family;                      /* AF_INET or AF_INET6 for one only */
    const struct ll_address *source; /* bind to it first; addresses of other families are left out */
    struct ll_error_info *errors;    /* every attempt's failure, in the order they failed, up to errors_max */
    size_t errors_max;
    size_t *error_count; /* how many failed, which may be more than errors_max */
};

/* A TCP connection to host and port, the quickest of all its addresses (happy eyeballs, RFC 8305): they are looked up
 * once, sorted (RFC 6724), taken from both families by turns, started one stagger apart or as soon as one fails, and
 * the first that connects wins; the others are closed. At most 64 addresses are tried. The connection is in blocking
 * mode, the caller's. May block for timeout_s. `options` and `info` may be NULL. Errors: those of ll_getaddrinfo;
 * where every attempt failed, the code of the one that failed first, since it was the best address, and info names
 * that address; LL_ETIMEOUT, LL_EADDRESS (none is of the source's family), -ERANGE (port), -EINVAL, -EOVERFLOW
 * (times). Only the thread's interrupt hook is asked. */
LL_API int ll_create_connection(const char *host, int port, const struct ll_connection_options *options,
                                ll_socket **out, struct ll_error_info *info);

/* How ll_create_server listens; all zero is as Python's create_server. */
struct ll_server_options {
    int backlog;     /* 0 is LL_BACKLOG */
    bool reuse_port; /* SO_REUSEPORT: several sockets share the port */
    bool dual_stack; /* an AF_INET6 listener takes IPv4 too (IPV6_V6ONLY off); LL_ENOTSUP where the system cannot */
};

/* A stream socket that listens on `address` (AF_INET, AF_INET6, AF_UNIX), with SO_REUSEADDR on for the first two, and
 * IPv6 only unless dual_stack says otherwise (-EINVAL with AF_INET or AF_UNIX). The caller's, in blocking mode. Does
 * not block. `options` and `info` may be NULL. Errors as for ll_socket_open, _bind and _listen. */
LL_API int ll_create_server(const struct ll_address *address, const struct ll_server_options *options, ll_socket **out,
                            struct ll_error_info *info);

/* 1 where a socket can listen on IPv4 and IPv6 at once, else 0. */
LL_API int ll_has_dualstack_ipv6(void);

/* A listening socket handed over by the service manager. */
struct ll_activated {
    ll_socket *socket; /* the caller's */
    char name[256];    /* from LISTEN_FDNAMES, else "unknown" */
};

/* Takes over the sockets of socket activation (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; descriptors
 * from 3 on), up to `max`, and returns how many; 0 when the variables are absent or for another process. The
 * environment is left as it is: call it once. LL_EFORMAT: the variables make no sense; LL_ELIMIT: more than max;
 * -EBADF, -ENOTSOCK: one is no socket; nothing is taken then, but those before it may be close-on-exec already. */
LL_API int ll_listen_fds(struct ll_activated *out, size_t max);

#ifdef __cplusplus
}
#endif
#endif
