/* The hosts a user knows: one line each in the file `hosts` of the config folder.
 *
 *     # landline hosts: name, addresses, the server's pin, the key file used there
 *     box 192.0.2.1:7474,box.example.org:7474 SHA256:… key
 *
 * Four words, separated by one space. What is not understood is an error with its line, never passed over: a host that
 * is lost or mixed up would be worse. The file is replaced as a whole, under a lock. */
#ifndef LANDLINE_CLIENT_HOSTS_H
#define LANDLINE_CLIENT_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "landline/error.h"
#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/tls/pin.h"

struct host {
    char name[LIMIT_HOST_NAME + 1];
    char addresses[LIMIT_HOST_ADDRESSES + 1]; /* HOST:PORT, separated by commas, in the order to be tried */
    struct tls_pin pin;
    char key[LIMIT_HOST_NAME + 1]; /* file in the config folder */
};

struct hosts {
    struct host *list;
    size_t count;
};

void hosts_free(struct hosts *hosts);

/* Reads the user's file; one that is missing is an empty list. LL_EFORMAT where it is malformed, with file and line in
 * `info`, LL_ELIMIT, -errno. */
int hosts_load(struct hosts *hosts, struct ll_error_info *info);

/* NULL where there is none. */
struct host *hosts_find(const struct hosts *hosts, const char *name);

/* Whether the text can be a host's name: letters, digits, '.', '_', '-', beginning with a letter or digit. */
bool hosts_name_ok(const char *name);

/* Whether the text is a list of HOST:PORT. */
bool hosts_addresses_ok(const char *addresses);

/* Changes to the file, each in one step under the lock. -EEXIST: the (new) name is taken; LL_EHOST: the name is not
 * there; else as hosts_load. */
int hosts_add(const struct host *host, struct ll_error_info *info);
int hosts_rename(const char *from, const char *to, struct ll_error_info *info);
int hosts_remove(const char *name, struct ll_error_info *info);

/* The pure halves, for tests. `name` is for messages. */
int hosts_parse(struct hosts *hosts, const char *name, const void *text, size_t n, struct ll_error_info *info);
void hosts_write(struct buf *out, const struct hosts *hosts);

#endif
