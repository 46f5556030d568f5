/* landline ls: what is in a folder of another machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "landline/cli/cli.h"
#include "landline/cli/json.h"
#include "landline/cli/transfers.h"
#include "landline/error.h"
#include "landline/transfer/listing.h"
#include "lib/base/escape.h"
#include "lib/base/limits.h"

static const char about[] =
    "Shows the entries of a folder, or a file: mode, size, time, name. Names are shown with what could drive a\n"
    "terminal escaped; --json has every byte.";

struct ls {
    struct transfers t;
    char host[256];
};

static void print_text(const struct listing_entry *e) {
    char mode[11] = "----------", when[40], name[4 * TREE_NAME + 1], target[4 * TREE_LINK + 1];
    static const char bits[] = "rwxrwxrwx";
    struct tm tm;
    time_t seconds = (time_t)e->entry.mtime_s;
    mode[0] = e->kind == TREE_DIR ? 'd' : e->kind == TREE_SYMLINK ? 'l' : '-';
    for (int i = 0; i < 9; i++)
        if (e->kind == TREE_SYMLINK || (e->entry.mode & (0400 >> i)) != 0)
            mode[i + 1] = bits[i];
    if (localtime_r(&seconds, &tm) == NULL || strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm) == 0)
        memcpy(when, "?", 2);
    escape_bytes(name, sizeof name, e->entry.name.data, e->entry.name.size);
    escape_bytes(target, sizeof target, e->entry.target.data, e->entry.target.size);
    printf("%s %12llu %s %s%s%s\n", mode, (unsigned long long)e->entry.size, when, name,
           e->kind == TREE_SYMLINK ? " -> "
           : e->kind == TREE_DIR   ? "/"
                                   : "",
           target);
}

static void print_json(const struct listing_entry *e) {
    struct buf out;
    buf_init(&out, 64 << 10);
    struct json j = json_begin(&out);
    json_text(&j, "type", e->kind == TREE_DIR ? "folder" : e->kind == TREE_SYMLINK ? "link" : "file");
    json_bytes(&j, "name", e->entry.name.data, e->entry.name.size);
    json_unsigned(&j, "bytes", e->entry.size);
    json_unsigned(&j, "mode", e->entry.mode);
    json_number(&j, "mtime_s", e->entry.mtime_s);
    json_unsigned(&j, "mtime_ns", e->entry.mtime_ns);
    if (e->kind == TREE_SYMLINK)
        json_bytes(&j, "target", e->entry.target.data, e->entry.target.size);
    json_end(&j);
    fwrite(buf_front(&out), 1, buf_size(&out), stdout);
    buf_free(&out);
}

static void show(void *arg, const struct listing_entry *e) {
    struct ls *l = arg;
    if (l->t.json)
        print_json(e);
    else
        print_text(e);
}

static int engine(void *arg, struct transfer_io *io) {
    struct ls *l = arg;
    return listing_run(io, show, l, &l->t.progress.report, &l->t.summary);
}

int cmd_ls(const struct command *self, int argc, char **argv) {
    struct ls *l = calloc(1, sizeof *l);
    if (l == NULL)
        return EXIT_FAILED;
    l->t.command = self;
    const struct option_row rows[] = {
        {"json", 0, OPTION_FLAG, &l->t.json, NULL, "print an object for each entry", NULL},
        {"no-broker", 0, OPTION_FLAG, &l->t.no_broker, NULL, OPTION_NO_BROKER, NULL},
        {0},
    };
    struct operands operands;
    const char *path;
    int status = options_parse(&(struct options){.command = self, .rows = rows, .about = about, .min = 1, .max = 1},
                               argc, argv, &operands);
    if (status < 0 && !transfers_split(operands.values[0], l->host, &path))
        status = cli_usage(self, "'%s' is not HOST:PATH", operands.values[0]);
    if (status < 0) {
        struct buf paths, bytes;
        buf_init(&paths, LIMIT_OPEN_PAYLOAD);
        buf_init(&bytes, LIMIT_OPEN_PAYLOAD);
        buf_add_str32(&paths, path, strlen(path));
        const struct tree_get request = {
            .flags = TREE_LIST, .count = 1, .paths = {buf_front(&paths), buf_size(&paths)}};
        tree_put_get(&bytes, &request);
        struct client_transfer_options options = {
            .service = "ls", .request = {buf_front(&bytes), buf_size(&bytes)}, .engine = engine, .arg = l};
        l->t.host = l->host;
        l->t.plain = true;
        status = transfers_run(&l->t, &options);
        buf_free(&paths);
        buf_free(&bytes);
    }
    free(l);
    return status;
}
