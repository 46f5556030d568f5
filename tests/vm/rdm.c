/* SOCK_RDM over TIPC through landline/socket.h, for a kernel that has it; `rdm absent` for one that has not. */
#include <errno.h>
#include <linux/tipc.h>
#include <stdlib.h>
#include <string.h>

#include "landline/socket.h"
#include "tests/vm/program.h"

enum { SERVICE = 18888, LARGEST = TIPC_MAX_USER_MSG_SIZE, CROWD = 500 };

static struct ll_address service(unsigned instance) {
    struct sockaddr_tipc tipc = {
        .family = AF_TIPC,
        .addrtype = TIPC_SERVICE_ADDR,
        .scope = TIPC_NODE_SCOPE,
        .addr.name.name = {.type = SERVICE, .instance = instance},
    };
    struct ll_address address;
    CHECK_CODE(ll_address_raw(&address, &tipc, sizeof tipc), 0);
    return address;
}

static void bind_range(ll_socket *socket, unsigned lower, unsigned upper) {
    struct sockaddr_tipc tipc = {
        .family = AF_TIPC,
        .addrtype = TIPC_SERVICE_RANGE,
        .scope = TIPC_NODE_SCOPE,
        .addr.nameseq = {.type = SERVICE, .lower = lower, .upper = upper},
    };
    struct ll_address address;
    CHECK_CODE(ll_address_raw(&address, &tipc, sizeof tipc), 0);
    CHECK_CODE(ll_socket_bind(socket, &address), 0);
}

static void carries_messages_both_ways(ll_socket *server, ll_socket *client) {
    struct ll_address to = service(17), from, own, read_back;
    char buffer[64], text[LL_ADDRESS_TEXT];
    CHECK_CODE(ll_socket_sendto(client, "hello", 5, 0, &to), 5);
    CHECK_CODE(ll_socket_sendto(client, "world!", 6, 0, &to), 6);
    CHECK_CODE(ll_socket_recvfrom(server, buffer, sizeof buffer, 0, &from), 5);
    CHECK(memcmp(buffer, "hello", 5) == 0);
    CHECK_CODE(ll_address_family(&from), AF_TIPC);
    CHECK_CODE(ll_socket_getsockname(client, &own), 0);
    CHECK_CODE(ll_address_family(&own), AF_TIPC);
    CHECK_CODE(ll_socket_recv(server, buffer, sizeof buffer, 0), 6);
    CHECK_CODE(ll_socket_sendto(server, "answer", 6, 0, &from), 6);
    CHECK_CODE(ll_socket_recv(client, buffer, sizeof buffer, 0), 6);
    CHECK(memcmp(buffer, "answer", 6) == 0);
    CHECK(ll_address_format(&from, text, sizeof text) < (int)sizeof text);
    CHECK_CODE(ll_address_parse(&read_back, text), 0);
    CHECK(ll_address_equal(&from, &read_back) == 1);
}

static void loses_nothing_and_keeps_the_order(ll_socket *server, ll_socket *client) {
    struct ll_address to = service(0);
    for (int i = 0; i < CROWD; i++)
        CHECK_CODE(ll_socket_sendto(client, &i, sizeof i, 0, &to), sizeof i);
    for (int i = 0; i < CROWD; i++) {
        int got = -1;
        CHECK_CODE(ll_socket_recv(server, &got, sizeof got, 0), sizeof got);
        CHECK_CODE(got, i);
    }
}

static void keeps_boundaries_and_limits(ll_socket *server, ll_socket *client) {
    struct ll_address to = service(1), nobody = service(100);
    char *bytes = calloc(1, LARGEST + 1), *got = calloc(1, LARGEST + 1);
    CHECK(bytes != NULL && got != NULL);
    memset(bytes, 'x', LARGEST + 1);
    CHECK_CODE(ll_socket_sendto(client, bytes, LARGEST, 0, &to), LARGEST);
    CHECK_CODE(ll_socket_recv(server, got, LARGEST + 1, 0), LARGEST);
    CHECK(memcmp(bytes, got, LARGEST) == 0);
    CHECK_CODE(ll_socket_sendto(client, bytes, LARGEST + 1, 0, &to), -EMSGSIZE);
    CHECK_CODE(ll_socket_sendto(client, bytes, 10, 0, &nobody), -EHOSTUNREACH);

    struct iovec part = {got, 4};
    struct ll_message message = {.parts = &part, .part_count = 1};
    CHECK_CODE(ll_socket_sendto(client, "longer", 6, 0, &to), 6);
    CHECK_CODE(ll_socket_recvmsg(server, &message, 0), 4);
    CHECK((message.flags & MSG_TRUNC) != 0);
    CHECK_CODE(ll_socket_sendto(client, "next", 4, 0, &to), 4);
    CHECK_CODE(ll_socket_recv(server, got, 10, 0), 4);
    CHECK(memcmp(got, "next", 4) == 0);
    free(bytes);
    free(got);
}

static void waits_as_told(ll_socket *server) {
    char byte;
    CHECK_CODE(ll_socket_settimeout(server, 0.05), 0);
    CHECK_CODE(ll_socket_recv(server, &byte, 1, 0), LL_ETIMEOUT);
    CHECK_CODE(ll_socket_settimeout(server, 0), 0);
    CHECK_CODE(ll_socket_recv(server, &byte, 1, 0), -EAGAIN);
    CHECK_CODE(ll_socket_listen(server, 1), -EOPNOTSUPP);
}

static void makes_pairs(void) {
    ll_socket *pair[2];
    char buffer[8];
    CHECK_CODE(ll_socket_pair(AF_TIPC, SOCK_RDM, 0, pair), 0);
    CHECK_CODE(ll_socket_type(pair[0]), SOCK_RDM);
    CHECK_CODE(ll_socket_send(pair[0], "one", 3, 0), 3);
    CHECK_CODE(ll_socket_send(pair[0], "more", 4, 0), 4);
    CHECK_CODE(ll_socket_recv(pair[1], buffer, sizeof buffer, 0), 3);
    CHECK_CODE(ll_socket_recv(pair[1], buffer, sizeof buffer, 0), 4);
    ll_socket_free(pair[0]);
    ll_socket_free(pair[1]);
}

static int present(void) {
    ll_socket *server, *client;
    CHECK_CODE(ll_socket_open(AF_TIPC, SOCK_RDM, 0, &server), 0);
    CHECK_CODE(ll_socket_open(AF_TIPC, SOCK_RDM, 0, &client), 0);
    if (failures > 0)
        return verdict();
    CHECK_CODE(ll_socket_family(server), AF_TIPC);
    CHECK_CODE(ll_socket_type(server), SOCK_RDM);
    bind_range(server, 0, 99);
    carries_messages_both_ways(server, client);
    loses_nothing_and_keeps_the_order(server, client);
    keeps_boundaries_and_limits(server, client);
    waits_as_told(server);
    makes_pairs();
    CHECK_CODE(ll_socket_close(server), 0);
    CHECK_CODE(ll_socket_close(server), LL_ECLOSED);
    ll_socket_free(server);
    ll_socket_free(client);
    return verdict();
}

static int absent(void) {
    ll_socket *socket, *pair[2];
    CHECK_CODE(ll_socket_open(AF_TIPC, SOCK_RDM, 0, &socket), LL_ENOTSUP);
    CHECK(socket == NULL);
    CHECK_CODE(ll_socket_open(AF_INET, SOCK_RDM, 0, &socket), LL_ENOTSUP);
    CHECK_CODE(ll_socket_pair(AF_TIPC, SOCK_RDM, 0, pair), LL_ENOTSUP);
    return verdict();
}

int main(int argc, char **argv) {
    return argc > 1 && strcmp(argv[1], "absent") == 0 ? absent() : present();
}
