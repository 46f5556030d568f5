#include "landline/client/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/os/random.h"

static struct slice text_slice(const char *text) {
    return (struct slice){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

/* Seconds as the wire has them, rounded up, so that a short time is not none. */
static uint64_t milliseconds(double seconds) {
    return seconds <= 0 ? 0 : seconds > 1e15 ? UINT64_MAX / 2 : (uint64_t)(seconds * 1e3 + 0.999);
}

static uint32_t clamp32(uint64_t value, uint32_t most) {
    return value > most ? most : (uint32_t)value;
}

static int check(const struct ll_run_options *o) {
    int commands = (o->argc > 0) + (o->shell != NULL) + (o->login ? 1 : 0);
    if (commands != 1 || (o->login && !o->terminal))
        return -EINVAL;
    if ((o->argc > 0 && o->argv == NULL) || (o->environment_count > 0 && o->environment == NULL))
        return -EINVAL;
    if (o->nice < -20 || o->nice > 19 || o->umask > 07777)
        return -EINVAL;
    for (size_t i = 0; i < o->environment_count; i++)
        if (o->environment[i][0] == '=' || strchr(o->environment[i], '=') == NULL)
            return -EINVAL;
    if (o->argc > LIMIT_ARGUMENTS || o->environment_count > UINT16_MAX || o->limit_count > UINT8_MAX)
        return LL_ELIMIT;
    for (size_t i = 0; i < o->argc; i++)
        if (strlen(o->argv[i]) > LIMIT_ARGUMENT)
            return LL_ELIMIT;
    if (o->shell != NULL && strlen(o->shell) > LIMIT_ARGUMENT)
        return LL_ELIMIT;
    return 0;
}

/* Storage for the arrays that a request points to. */
struct arrays {
    struct slice *argv;
    struct run_variable *variables;
    struct run_limit *limits;
};

static int fill_arrays(struct arrays *arrays, const struct ll_run_options *o) {
    arrays->argv = calloc(o->argc + 1, sizeof *arrays->argv);
    arrays->variables = calloc(o->environment_count + 1, sizeof *arrays->variables);
    arrays->limits = calloc(o->limit_count + 1, sizeof *arrays->limits);
    if (arrays->argv == NULL || arrays->variables == NULL || arrays->limits == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < o->argc; i++)
        arrays->argv[i] = text_slice(o->argv[i]);
    if (o->shell != NULL)
        arrays->argv[0] = text_slice(o->shell);
    for (size_t i = 0; i < o->environment_count; i++) {
        const char *equals = strchr(o->environment[i], '=');
        arrays->variables[i].name =
            (struct slice){(const uint8_t *)o->environment[i], (size_t)(equals - o->environment[i])};
        arrays->variables[i].value = text_slice(equals + 1);
    }
    for (size_t i = 0; i < o->limit_count; i++)
        arrays->limits[i] = (struct run_limit){(uint8_t)o->limits[i].resource, o->limits[i].soft, o->limits[i].hard};
    return 0;
}

static uint8_t flags_of(const struct ll_run_options *o) {
    return (uint8_t)((o->shell != NULL ? RUN_SHELL : 0) | (o->terminal ? RUN_TTY : 0) | (o->detach ? RUN_DETACH : 0) |
                     (o->no_input ? RUN_NO_STDIN : 0) | (o->login ? RUN_LOGIN : 0));
}

static void fill(struct run_request *r, const struct ll_run_options *o, const struct arrays *arrays) {
    r->flags = flags_of(o);
    r->on_loss = o->on_loss == LL_KILL ? RUN_KILL : RUN_KEEP;
    if (o->keep_s != 0)
        r->keep_s = o->keep_s < 0 ? RUN_FOREVER : clamp32(milliseconds(o->keep_s) / 1000, RUN_FOREVER - 1);
    r->overflow = o->drop_oldest ? RUN_DROP : RUN_BLOCK;
    r->timeout_ms = milliseconds(o->timeout_s);
    if (o->grace_s != 0)
        r->grace_ms = clamp32(milliseconds(o->grace_s), UINT32_MAX);
    r->umask = o->set_umask ? (uint16_t)o->umask : RUN_UMASK_DEFAULT;
    r->nice = o->set_nice ? (uint8_t)(o->nice + RUN_NICE_ZERO) : RUN_NICE_SAME;
    r->cwd = text_slice(o->cwd);
    r->argc = o->login ? 0 : o->shell != NULL ? 1 : (uint32_t)o->argc;
    r->argv = arrays->argv;
    r->variable_count = (uint16_t)o->environment_count;
    r->variables = arrays->variables;
    r->limit_count = (uint8_t)o->limit_count;
    r->limits = arrays->limits;
    r->name = text_slice(o->name);
    if (o->terminal) {
        r->size = (struct run_window_size){o->size.rows, o->size.columns, o->size.xpixel, o->size.ypixel};
        r->term = text_slice(o->term);
    }
}

int request_call(struct call **out, const struct ll_run_options *options, uint64_t unix_ms) {
    struct arrays arrays = {0};
    struct run_request request = run_request_default();
    uint8_t random[RUN_ID_RANDOM];
    *out = NULL;
    int error = check(options);
    if (error == 0)
        error = random_bytes(random, sizeof random);
    if (error == 0)
        error = fill_arrays(&arrays, options);
    if (error == 0) {
        request.id = run_id_make(unix_ms, random);
        fill(&request, options, &arrays);
        error = call_new_run(out, options->login || options->name != NULL ? "shell" : "run", &request);
    }
    free(arrays.argv);
    free(arrays.variables);
    free(arrays.limits);
    return error;
}

int request_attach_call(struct call **out, const struct ll_attach_options *options, uint64_t unix_ms) {
    uint8_t random[RUN_ID_RANDOM];
    struct run_attach attach = {
        .flags = (uint8_t)((options->from_now ? RUN_FROM_NOW : 0) | (options->take_input ? RUN_TAKE_INPUT : 0)),
        .size = {options->size.rows, options->size.columns, options->size.xpixel, options->size.ypixel}};
    *out = NULL;
    if ((options->id == NULL) == (options->name == NULL))
        return -EINVAL;
    if (options->id != NULL && run_id_parse(options->id, &attach.id) != 0)
        return LL_EFORMAT;
    if (options->name != NULL)
        attach.name = text_slice(options->name);
    int error = random_bytes(random, sizeof random);
    if (error != 0)
        return error;
    attach.call = run_id_make(unix_ms, random);
    return call_new_attach(out, &attach);
}
