#include "landline/cli/run_options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/base/number.h"

static const struct {
    const char *name;
    int resource;
} resources[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

struct run_options run_options_default(void) {
    return (struct run_options){.input = "inherit"};
}

void run_options_free(struct run_options *options) {
    option_list_free(&options->environment);
}

const char *run_option_umask(void *target, const char *value) {
    struct run_options *options = target;
    options->set_umask = true;
    return number_parse_octal(value, 0777, &options->umask) == 0 ? NULL : "is not an octal umask such as 022";
}

const char *run_option_nice(void *target, const char *value) {
    struct run_options *options = target;
    uint64_t number;
    bool negative = value[0] == '-';
    if (number_parse(value + negative, 0, negative ? 20 : 19, &number) != 0)
        return "is not a number from -20 to 19";
    options->set_nice = true;
    options->nice = negative ? -(int)number : (int)number;
    return NULL;
}

static bool parse_value(const char *text, size_t n, uint64_t *out) {
    char copy[32];
    if (n >= sizeof copy)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    *out = UINT64_MAX;
    return strcmp(copy, "unlimited") == 0 || number_parse_size(copy, out) == 0;
}

const char *run_option_limit(void *target, const char *value) {
    struct run_options *options = target;
    const char *equals = strchr(value, '=');
    if (equals == NULL)
        return "is not NAME=VALUE";
    if (options->limit_count == RUN_OPTION_LIMITS)
        return "is one limit too many";
    struct ll_limit *limit = &options->limits[options->limit_count];
    const char *soft = equals + 1, *colon = strchr(soft, ':');
    if (!parse_value(soft, colon != NULL ? (size_t)(colon - soft) : strlen(soft), &limit->soft))
        return "has no number or 'unlimited' behind the =";
    limit->hard = limit->soft;
    if (colon != NULL && (!parse_value(colon + 1, strlen(colon + 1), &limit->hard) || limit->hard < limit->soft))
        return "has no larger number behind the :";
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        if (strlen(resources[i].name) == (size_t)(equals - value) &&
            memcmp(resources[i].name, value, (size_t)(equals - value)) == 0) {
            limit->resource = resources[i].resource;
            options->limit_count++;
            return NULL;
        }
    return "names no limit (as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, "
           "rttime, sigpending, stack)";
}

const char *run_option_loss(void *target, const char *value) {
    struct run_options *options = target;
    int64_t keep = 0;
    options->on_loss = strcmp(value, "kill") == 0 ? LL_KILL : LL_KEEP;
    if (options->on_loss == LL_KILL || strcmp(value, "keep") == 0)
        return NULL;
    if (strncmp(value, "keep=", 5) != 0)
        return "is not kill, keep or keep=DURATION";
    if (strcmp(value + 5, "forever") == 0)
        options->keep_s = -1;
    else if (number_parse_duration(value + 5, &keep) == 0 && keep > 0)
        options->keep_s = (double)keep / 1e9;
    else
        return "is not keep=DURATION, as in keep=10m or keep=forever";
    return NULL;
}

const char *run_options_no_variable(const struct run_options *options) {
    for (size_t i = 0; i < options->environment.count; i++) {
        const char *value = options->environment.values[i];
        if (value[0] == '=' || strchr(value, '=') == NULL)
            return value;
    }
    return NULL;
}

void run_options_request(struct ll_run_options *out, const struct run_options *options, int argc, char **argv) {
    *out = (struct ll_run_options){.argv = (const char *const *)argv,
                                   .argc = options->shell != NULL ? 0 : (size_t)argc,
                                   .shell = options->shell,
                                   .cwd = options->cwd,
                                   .environment = options->environment.values,
                                   .environment_count = options->environment.count,
                                   .limits = options->limits,
                                   .limit_count = options->limit_count,
                                   .timeout_s = (double)options->timeout / 1e9,
                                   .grace_s = (double)options->grace / 1e9,
                                   .set_umask = options->set_umask,
                                   .set_nice = options->set_nice,
                                   .umask = options->umask,
                                   .nice = options->nice,
                                   .terminal = options->terminal,
                                   .term = getenv("TERM"),
                                   .on_loss = options->on_loss,
                                   .keep_s = options->keep_s,
                                   .drop_oldest = options->drop_oldest,
                                   .detach = options->detach};
}
