/* A server inside of the test, on the test's own loop, and a folder that goes with it. The client beside it has the folder's
 * `key`; it is enrolled once embedded_grant() was called, which is to be done before the server is opened. */
#ifndef TESTS_UNIT_SERVER_EMBEDDED_H
#define TESTS_UNIT_SERVER_EMBEDDED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ftw.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "landline/client.h"
#include "landline/server.h"
#include "landline/tls.h"

struct embedded {
    char folder[64];
    char pin[LL_PIN_TEXT], key[80]; /* the server's; the file of the client's */
    ll_loop *loop;
    ll_server *server;
    ll_watch *watch;
    ll_timer *timer;
};

static inline void embedded_path(const struct embedded *e, const char *name, char out[128]) {
    snprintf(out, 128, "%s/%s", e->folder, name);
}

static inline void embedded_write(const struct embedded *e, const char *name, const char *text) {
    char path[128];
    embedded_path(e, name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

/* The pin of a key that is made if it is not there. */
static inline void embedded_pin(const char *path, char out[LL_PIN_TEXT]) {
    ll_tls *tls;
    assert_int_equal(ll_tls_open(path, NULL, &tls), 0);
    ll_pin_format(ll_tls_pin(tls), out);
    ll_tls_close(tls);
}

/* The folder alone. */
static inline void embedded_make(struct embedded *e) {
    char path[128];
    *e = (struct embedded){.folder = "/tmp/landline-embedded-XXXXXX"};
    assert_non_null(mkdtemp(e->folder));
    assert_int_equal(setenv("LANDLINE_HOME", e->folder, 1), 0);
    embedded_path(e, "server", path);
    assert_int_equal(mkdir(path, 0700), 0);
    embedded_path(e, "server/key", path);
    embedded_pin(path, e->pin);
    snprintf(e->key, sizeof e->key, "%s/key", e->folder);
}

/* What the client's key may do from now on; commands run as who runs the test. */
static inline void embedded_grant(const struct embedded *e, const char *verbs) {
    char pin[LL_PIN_TEXT], text[512], as[80] = "";
    const struct passwd *user = geteuid() == 0 ? getpwuid(0) : NULL;
    embedded_pin(e->key, pin);
    if (user != NULL)
        snprintf(as, sizeof as, "  as %s\n", user->pw_name);
    snprintf(text, sizeof text, "grant %s\n  label me\n  created 1\n  verbs %s\n%s", pin, verbs, as);
    embedded_write(e, "server/grants", text);
}

static inline void embedded_step(void *arg) {
    struct embedded *e = arg;
    assert_true(ll_server_step(e->server, 0) >= 0);
    ll_timer_set(e->timer, ll_server_deadline(e->server));
}

static inline void embedded_ready(void *arg, unsigned events) {
    (void)events;
    embedded_step(arg);
}

/* `options` lack folder and address. */
static inline void embedded_open(struct embedded *e, struct ll_serve_options options) {
    options.folder = e->folder;
    options.listen = "127.0.0.1:0";
    assert_int_equal(ll_server_open(&options, &e->server, NULL), 0);
    assert_int_equal(ll_loop_new(&e->loop), 0);
    assert_int_equal(ll_loop_timer(e->loop, 0, embedded_step, e, &e->timer), 0);
    assert_int_equal(ll_loop_fd(e->loop, ll_server_fileno(e->server), LL_READ, embedded_ready, e, &e->watch), 0);
}

static inline ll_client *embedded_client(const struct embedded *e) {
    const struct ll_client_options options = {.host = "box",
                                              .addresses = ll_server_address(e->server, 0),
                                              .pin = e->pin,
                                              .key_file = e->key,
                                              .loop = e->loop};
    ll_client *client;
    assert_int_equal(ll_client_open(&options, &client, NULL), 0);
    return client;
}

static inline int embedded_forget(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st, (void)type, (void)where;
    return remove(path);
}

/* Whatever of it was made. */
static inline void embedded_close(struct embedded *e) {
    ll_loop_free(e->loop);
    ll_server_free(e->server);
    assert_int_equal(nftw(e->folder, embedded_forget, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
