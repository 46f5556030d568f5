/* A listening socket as one task. */
#include "landline/socket.h"

#include <errno.h>

#include "lib/base/error.h"

int ll_has_dualstack_ipv6(void) {
    ll_socket *s;
    if (ll_socket_open(AF_INET6, SOCK_STREAM, 0, &s) < 0)
        return 0;
    int r = ll_socket_setsockopt_int(s, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    ll_socket_free(s);
    return r == 0;
}

/* The rules of Python's create_server: a port in TIME_WAIT may be taken again, and one listener does not take the
 * other family's port unless asked to. */
static int set_rules(ll_socket *s, int family, const struct ll_server_options *options, const char **call) {
    int r = 0;
    *call = "setsockopt";
    if (family == AF_INET || family == AF_INET6)
        r = ll_socket_setsockopt_int(s, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0 && options->reuse_port)
        r = ll_socket_setsockopt_int(s, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0 && family == AF_INET6)
        r = ll_socket_setsockopt_int(s, IPPROTO_IPV6, IPV6_V6ONLY, !options->dual_stack);
    return r;
}

static int listen_on(ll_socket *s, const struct ll_address *address, const struct ll_server_options *options,
                     const char **call) {
    int r = set_rules(s, ll_address_family(address), options, call);
    if (r == 0) {
        *call = "bind";
        r = ll_socket_bind(s, address);
    }
    if (r == 0) {
        *call = "listen";
        r = ll_socket_listen(s, options->backlog != 0 ? options->backlog : LL_BACKLOG);
    }
    return r;
}

int ll_create_server(const struct ll_address *address, const struct ll_server_options *options, ll_socket **out,
                     struct ll_error_info *info) {
    static const struct ll_server_options usual = {0};
    char text[LL_ADDRESS_TEXT];
    const char *call = "socket";
    ll_socket *s = NULL;
    int r = -EINVAL;
    if (options == NULL)
        options = &usual;
    if (out != NULL)
        *out = NULL;
    ll_address_format(address, text, sizeof text);
    if (out == NULL || address == NULL || (options->dual_stack && ll_address_family(address) != AF_INET6))
        return error_at(info, r, call, text);
    r = options->dual_stack && !ll_has_dualstack_ipv6() ? LL_ENOTSUP : 0;
    if (r == 0)
        r = ll_socket_open(ll_address_family(address), SOCK_STREAM, 0, &s);
    if (r == 0)
        r = listen_on(s, address, options, &call);
    if (r < 0) {
        ll_socket_free(s);
        return error_at(info, r, call, text);
    }
    *out = s;
    return 0;
}
