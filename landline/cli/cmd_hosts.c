/* landline hosts: list, rename, remove. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/client/broker.h"
#include "landline/client/failure.h"
#include "landline/client/hosts.h"

static int fail(int error, const struct ll_error_info *info) {
    struct ll_failure failure;
    failure_info(&failure, NULL, error, info);
    cli_error("%s", failure.sentence);
    return EXIT_FAILED;
}

/* The process that keeps a connection to it, if there is one. */
static void show_broker(const struct host *host) {
    struct broker_place place;
    int64_t since;
    pid_t pid = broker_place_of_host(&place, host) == 0 ? broker_find(&place, &since) : 0;
    if (pid == 0)
        return;
    char text[32] = "";
    time_t seconds = since;
    struct tm tm;
    if (localtime_r(&seconds, &tm) != NULL)
        strftime(text, sizeof text, "%H:%M:%S", &tm);
    printf("\tconnected since %s by process %ld", text, (long)pid);
}

static int list(const struct operands *operands) {
    (void)operands;
    struct hosts hosts;
    struct ll_error_info info;
    int error = hosts_load(&hosts, &info);
    if (error != 0)
        return fail(error, &info);
    for (size_t i = 0; i < hosts.count; i++) {
        char pin[TLS_PIN_TEXT];
        tls_pin_format(&hosts.list[i].pin, pin);
        printf("%s\t%s\t%s", hosts.list[i].name, hosts.list[i].addresses, pin);
        show_broker(&hosts.list[i]);
        putchar('\n');
    }
    hosts_free(&hosts);
    return cli_finish(EXIT_OK);
}

/* What a change came to, in words. */
static int changed(int error, const struct ll_error_info *info, const char *name, const char *other) {
    if (error == 0)
        return EXIT_OK;
    if (error == LL_EHOST)
        cli_error("no host '%s' is known; 'landline hosts' lists those that are", name);
    else if (error == -EEXIST)
        cli_error("there is a host '%s' already; nothing was changed", other);
    else if (error == LL_EUSAGE)
        cli_error("'%s' is not a name for a host: letters, digits, '.', '_' and '-', at most %d", other,
                  LIMIT_HOST_NAME);
    else
        return fail(error, info);
    return EXIT_FAILED;
}

/* Where the broker of a host is that is about to change; the name is empty where that cannot be told. */
static struct broker_place place_of(const char *name) {
    struct ll_error_info info;
    struct hosts hosts;
    struct broker_place place = {.name = ""};
    if (hosts_load(&hosts, &info) != 0)
        return place;
    const struct host *host = hosts_find(&hosts, name);
    if (host == NULL || broker_place_of_host(&place, host) != 0)
        place.name[0] = '\0';
    hosts_free(&hosts);
    return place;
}

/* Ends it when the list has changed, so that no call in between leaves another. */
static int changed_place(const struct broker_place *place, int error) {
    if (error == 0 && place->name[0] != '\0')
        broker_stop(place);
    return error;
}

static int rename_host(const struct operands *operands) {
    struct ll_error_info info;
    const char *from = operands->values[1], *to = operands->values[2];
    struct broker_place place = place_of(from);
    return changed(changed_place(&place, hosts_rename(from, to, &info)), &info, from, to);
}

static int remove_host(const struct operands *operands) {
    struct ll_error_info info;
    const char *name = operands->values[1];
    struct broker_place place = place_of(name);
    return changed(changed_place(&place, hosts_remove(name, &info)), &info, name, name);
}

static const struct verb {
    const char *name;
    int (*run)(const struct operands *operands);
    int words;
} verbs[] = {
    {"list", list, 0},
    {"rename", rename_host, 2},
    {"remove", remove_host, 1},
};

int cmd_hosts(const struct command *self, int argc, char **argv) {
    const struct option_row rows[] = {{0}};
    struct operands operands;
    int leave = options_parse(&(struct options){.command = self, .rows = rows, .max = 3}, argc, argv, &operands);
    if (leave >= 0)
        return leave;
    if (operands.count == 0)
        return list(&operands);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(operands.values[0], verbs[i].name) == 0)
            return operands.count - 1 == verbs[i].words
                       ? verbs[i].run(&operands)
                       : cli_usage(self, "'%s' takes %d word%s, not %d", verbs[i].name, verbs[i].words,
                                   verbs[i].words == 1 ? "" : "s", operands.count - 1);
    const char *nearest = cli_nearest(operands.values[0], &verbs[0].name, sizeof verbs / sizeof *verbs, sizeof *verbs);
    if (nearest != NULL)
        return cli_usage(self, "'%s' is not list, rename or remove; did you mean '%s'?", operands.values[0], nearest);
    return cli_usage(self, "'%s' is not list, rename or remove", operands.values[0]);
}
