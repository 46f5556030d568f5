/* Names to addresses and back. */
#include "lib/net/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/net/socket.h"

int resolve_deadline(double seconds, int64_t *deadline) {
    int64_t length;
    int r = socket_nanoseconds(seconds, &length);
    if (r == 0)
        *deadline = length == SOCKET_FOREVER ? CLOCK_NEVER : clock_after(clock_now(), length);
    return r;
}

/* What the C library's resolver says, as a code; EAI_SYSTEM means errno. */
static int resolver_code(int eai) {
    if (eai == 0)
        return 0;
    return eai == EAI_SYSTEM && errno != 0 ? -errno : LL_EGAI(eai);
}

/* ---- Names to addresses ---- */

struct lookup {
    struct abandon_job job;
    struct addrinfo hints, *list;
    int code;
    char *host, *service; /* behind the struct, or NULL */
    char text[];
};

static void look_up(struct abandon_job *job) {
    struct lookup *l = (struct lookup *)job;
    l->code = resolver_code(getaddrinfo(l->host, l->service, &l->hints, &l->list));
}

static void release_lookup(struct abandon_job *job) {
    struct lookup *l = (struct lookup *)job;
    if (l->list != NULL)
        freeaddrinfo(l->list);
    free(l);
}

static char *keep(char **room, const char *text) {
    if (text == NULL)
        return NULL;
    char *kept = *room;
    *room = stpcpy(kept, text) + 1;
    return kept;
}

static struct lookup *new_lookup(const char *host, const char *service, const struct ll_addrinfo_hints *hints) {
    size_t size = (host != NULL ? strlen(host) + 1 : 0) + (service != NULL ? strlen(service) + 1 : 0);
    struct lookup *l = malloc(sizeof *l + size);
    if (l == NULL)
        return NULL;
    char *room = l->text;
    *l = (struct lookup){.job = {.work = look_up, .release = release_lookup, .done = -1, .holders = 1},
                         .hints = {.ai_flags = hints->flags,
                                   .ai_family = hints->family,
                                   .ai_socktype = hints->type,
                                   .ai_protocol = hints->protocol}};
    l->host = keep(&room, host);
    l->service = keep(&room, service);
    return l;
}

static int copy_answers(const struct addrinfo *list, struct ll_addrinfo **answers) {
    size_t count = 0;
    for (const struct addrinfo *a = list; a != NULL && count < LIMIT_ANSWERS; a = a->ai_next)
        count++;
    struct ll_addrinfo *out = calloc(count, sizeof *out);
    if (out == NULL)
        return -ENOMEM;
    size_t i = 0;
    for (const struct addrinfo *a = list; i < count; a = a->ai_next, i++) {
        out[i] = (struct ll_addrinfo){.family = a->ai_family, .type = a->ai_socktype, .protocol = a->ai_protocol};
        ll_address_raw(&out[i].address, a->ai_addr, a->ai_addrlen);
        if (a->ai_canonname != NULL)
            snprintf(out[i].canonical, sizeof out[i].canonical, "%s", a->ai_canonname);
    }
    *answers = out;
    return (int)count;
}

static int is_number(const char *text) {
    return text == NULL || (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0');
}

/* Whether the answer needs nobody else: numbers only. Such a look-up does not wait and is made on the spot. */
static int resolve_numbers(struct lookup *l) {
    int flags = l->hints.ai_flags;
    if (l->host != NULL)
        l->hints.ai_flags |= AI_NUMERICHOST;
    l->hints.ai_flags |= AI_NUMERICSERV;
    look_up(&l->job);
    l->hints.ai_flags = flags;
    return l->code != LL_EGAI(EAI_NONAME);
}

int resolve_all(const char *host, const char *service, const struct ll_addrinfo_hints *hints, int64_t deadline,
                ll_socket *socket, struct ll_addrinfo **answers) {
    if (service != NULL && is_number(service) && (strlen(service) > 9 || strtol(service, NULL, 10) > 65535))
        return -ERANGE;
    struct lookup *l = new_lookup(host, service, hints);
    if (l == NULL)
        return -ENOMEM;
    int r = resolve_numbers(l) ? 0 : abandon_run(&l->job, deadline, socket);
    if (r < 0)
        return r;
    r = l->code < 0 ? l->code : copy_answers(l->list, answers);
    abandon_release(&l->job);
    return r;
}

int ll_getaddrinfo(const char *host, const char *service, const struct ll_addrinfo_hints *hints, double timeout_s,
                   struct ll_addrinfo **answers, struct ll_error_info *info) {
    static const struct ll_addrinfo_hints anything = {0};
    int64_t deadline = 0;
    if (answers == NULL || (host == NULL && service == NULL))
        return error_at(info, -EINVAL, "getaddrinfo", host);
    *answers = NULL;
    int r = resolve_deadline(timeout_s, &deadline);
    if (r == 0)
        r = resolve_all(host, service, hints != NULL ? hints : &anything, deadline, NULL, answers);
    return r < 0 ? error_at(info, r, "getaddrinfo", host != NULL ? host : service) : r;
}

void ll_addrinfo_free(struct ll_addrinfo *answers) {
    free(answers);
}

int resolve_one(const struct resolve_request *request, struct ll_address *address) {
    int r = request->family == AF_INET ? ll_address_ipv4(address, request->host, request->port)
                                       : ll_address_ipv6(address, request->host, request->port, 0, 0);
    if (r != LL_EADDRESS)
        return r;
    if (request->port < 0 || request->port > 65535)
        return -ERANGE;
    if (request->numeric_only)
        return -EAGAIN;
    struct ll_addrinfo_hints hints = {.flags = request->flags, .family = request->family, .type = request->type};
    struct ll_addrinfo *answers = NULL;
    /* The port is filled in here, so the type does not matter, and not every one is known there (SOCK_RDM). */
    if (hints.type != SOCK_STREAM && hints.type != SOCK_DGRAM)
        hints.type = SOCK_DGRAM;
    r = resolve_all(request->host, NULL, &hints, request->deadline, request->socket, &answers);
    if (r < 0)
        return r;
    *address = answers[0].address;
    ll_addrinfo_free(answers);
    return ll_address_set_port(address, request->port);
}

/* ---- Addresses to names ---- */

struct reverse {
    struct abandon_job job;
    struct ll_address address;
    int flags, code;
    socklen_t host_size, service_size;
    char host[NI_MAXHOST], service[NI_MAXSERV];
};

static void look_back(struct abandon_job *job) {
    struct reverse *v = (struct reverse *)job;
    v->code =
        resolver_code(getnameinfo(&v->address.as.any, v->address.length, v->host_size > 0 ? v->host : NULL,
                                  v->host_size, v->service_size > 0 ? v->service : NULL, v->service_size, v->flags));
}

static void release_reverse(struct abandon_job *job) {
    free(job);
}

static socklen_t at_most(size_t size, size_t most) {
    return (socklen_t)(size < most ? size : most);
}

int ll_getnameinfo(const struct ll_address *address, int flags, double timeout_s, char *host, size_t host_size,
                   char *service, size_t service_size) {
    int64_t deadline = 0;
    if (address == NULL || address->length > sizeof address->as || (host == NULL && host_size > 0) ||
        (service == NULL && service_size > 0))
        return -EINVAL;
    int r = resolve_deadline(timeout_s, &deadline);
    if (r < 0)
        return r;
    struct reverse *v = malloc(sizeof *v);
    if (v == NULL)
        return -ENOMEM;
    *v = (struct reverse){.job = {.work = look_back, .release = release_reverse, .done = -1, .holders = 1},
                          .address = *address,
                          .flags = flags,
                          .host_size = at_most(host_size, sizeof v->host),
                          .service_size = at_most(service_size, sizeof v->service)};
    if ((flags & NI_NUMERICHOST) != 0 && (flags & NI_NUMERICSERV) != 0)
        look_back(&v->job);
    else
        r = abandon_run(&v->job, deadline, NULL);
    if (r < 0)
        return r;
    r = v->code;
    if (r == 0 && host_size > 0)
        memcpy(host, v->host, strlen(v->host) + 1);
    if (r == 0 && service_size > 0)
        memcpy(service, v->service, strlen(v->service) + 1);
    abandon_release(&v->job);
    return r;
}
