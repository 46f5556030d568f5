/* The log of finished runs: any bytes as a segment of it. What is no record at its end is cut off; each record that the
 * index names can be had by its id, is made a run or refused, and is there again after the next start, until it expires. */
#include "landline/service/results.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "landline/loop.h"
#include "landline/service/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUTPUT_FILE = 4096 };

struct seen {
    struct results *results;
    struct runs *runs;
    struct buf all;
    size_t count, dropped;
};

static void demand(bool holds) {
    if (!holds)
        abort();
}

static void put_file(const char *path, const void *data, size_t size, off_t length) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    demand(fd >= 0 && write(fd, data, size) == (ssize_t)size && ftruncate(fd, length) == 0);
    close(fd);
}

/* All that the run says it has of its output can be read. */
static void read_output(const struct output *o) {
    volatile uint8_t sum = 0;
    for (uint64_t at = o->spool.base; at < o->spool.end;) {
        struct slice piece = output_at(o, at, o->spool.end - at);
        demand(piece.size > 0);
        for (size_t i = 0; i < piece.size; i++)
            sum = (uint8_t)(sum + piece.data[i]);
        at += piece.size;
    }
}

/* The first output has a file, as if the record said so; the second has none. */
static void restore(struct runs *runs, struct slice record) {
    struct run named = {.runs = runs};
    char path[4200];
    memcpy(named.id.bytes, record.data, RUN_ID_SIZE);
    runs_path(&named, 0, path, sizeof path);
    put_file(path, "output", 6, OUTPUT_FILE);
    struct run *run = run_restore(runs, record);
    if (run != NULL) {
        demand(strlen(run->owner) < sizeof run->owner && strlen(run->name) < sizeof run->name);
        read_output(&run->out[0]);
        read_output(&run->out[1]);
        run_free(run);
    }
    demand(runs->count == 0 && runs->list == NULL);
    unlink(path);
}

static void take(void *arg, struct slice record) {
    struct seen *s = arg;
    struct run_id id;
    struct buf got;
    demand(record.size >= RUN_ID_SIZE);
    memcpy(id.bytes, record.data, RUN_ID_SIZE);
    buf_init(&got, LIMIT_BUFFER);
    demand(results_has(s->results, &id) && results_get(s->results, &id, &got) == 1);
    demand(buf_size(&got) == record.size && memcmp(buf_front(&got), record.data, record.size) == 0);
    buf_free(&got);
    buf_add(&s->all, record.data, record.size);
    s->count++;
    if (s->runs != NULL)
        restore(s->runs, record);
}

static void count_dropped(void *arg, struct slice record) {
    struct seen *s = arg;
    demand(record.size >= RUN_ID_SIZE);
    s->dropped++;
}

static void open_twice(const char *folder, const char *path, struct runs *runs) {
    struct results first, again;
    struct seen one = {.results = &first, .runs = runs}, two = {.results = &again};
    struct stat st;
    buf_init(&one.all, LIMIT_BUFFER);
    buf_init(&two.all, LIMIT_BUFFER);
    demand(results_open(&first, folder) == 0 && first.count == 1);
    demand(stat(path, &st) == 0 && (uint64_t)st.st_size == first.segments[0].size);
    results_each(&first, take, &one);
    results_close(&first);
    demand(results_open(&again, folder) == 0);
    results_each(&again, take, &two);
    demand(one.count == two.count && buf_size(&one.all) == buf_size(&two.all));
    demand(buf_size(&one.all) == 0 || memcmp(buf_front(&one.all), buf_front(&two.all), buf_size(&one.all)) == 0);
    results_expire(&again, UINT64_MAX, count_dropped, &two);
    demand(two.dropped == two.count && again.count == 0 && again.index.count == 0 && stat(path, &st) != 0);
    results_close(&again);
    buf_free(&one.all);
    buf_free(&two.all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char folder[] = "/tmp/landline-results-XXXXXX", path[64];
    struct service_host host = {0};
    struct runs runs = {.host = &host, .folder = folder};
    demand(mkdtemp(folder) != NULL && ll_loop_new(&host.loop) == 0);
    snprintf(path, sizeof path, "%s/results.7", folder);
    put_file(path, data, size, (off_t)size);
    open_twice(folder, path, &runs);
    ll_loop_free(host.loop);
    demand(rmdir(folder) == 0);
    return 0;
}
