/* The options of landline run, from words to a request. */
#ifndef LANDLINE_CLI_RUN_OPTIONS_H
#define LANDLINE_CLI_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "landline/cli/options.h"
#include "landline/client.h"

enum { RUN_OPTION_LIMITS = 16 };

struct run_options {
    /* As they stand on the command line. */
    const char *shell, *cwd, *input, *status_file;
    struct option_list environment;
    int64_t timeout, grace, patience;
    struct ll_limit limits[RUN_OPTION_LIMITS];
    size_t limit_count;
    bool terminal, interactive, detach, drop_oldest, quiet, no_broker, json;
    int verbose;
    bool set_umask, set_nice;
    unsigned int umask;
    int nice;
    enum ll_on_loss on_loss;
    double keep_s;
};

struct run_options run_options_default(void);
void run_options_free(struct run_options *options);

/* Values of options, for tables: option_call. */
const char *run_option_umask(void *target, const char *value); /* struct run_options */
const char *run_option_nice(void *target, const char *value);  /* struct run_options */
const char *run_option_limit(void *target, const char *value); /* struct run_options */
const char *run_option_loss(void *target, const char *value);  /* struct run_options */

/* Of --env, the value that is not NAME=VALUE; NULL: all are. */
const char *run_options_no_variable(const struct run_options *options);

/* The request. `out` points into `options` and `argv`. */
void run_options_request(struct ll_run_options *out, const struct run_options *options, int argc, char **argv);

#endif
