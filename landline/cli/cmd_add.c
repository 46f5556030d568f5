/* landline add: makes a host known, from the line of an invite, and this user known to it. */
#include <errno.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/client/enrol.h"
#include "landline/client/failure.h"
#include "landline/client/hosts.h"
#include "lib/os/paths.h"
#include "lib/os/terminal.h"

static const double ENROL_TIMEOUT_S = 20;

/* A line of standard input; what is typed at a terminal is not shown, for it is a secret. */
static ssize_t read_line(char **line, size_t *size) {
    struct terminal_mode mode = {0};
    if (terminal_is(STDIN_FILENO)) {
        cli_note("paste the line that 'landline invite' printed on the server (it is not shown): ");
        terminal_silent(&mode, STDIN_FILENO);
    }
    ssize_t n = getline(line, size, stdin);
    terminal_restore(&mode);
    return n;
}

static int read_invite(struct invite *invite) {
    char *line = NULL;
    size_t size = 0;
    int error;
    do {
        ssize_t n = read_line(&line, &size);
        error = n < 0 ? LL_EOF : invite_parse(line, (size_t)n, invite);
    } while (error == LL_EINVITE && line[strspn(line, " \t\r\n")] == '\0'); /* passes over empty lines */
    if (line != NULL)
        explicit_bzero(line, size);
    free(line);
    if (error == LL_EOF)
        cli_error("no invite came on standard input: 'landline invite' on the server prints one, a single line");
    else if (error != 0)
        cli_error(
            "this is not an invite: it is one line, landline://HOST:PORT#CODE, as 'landline invite' prints it; copy "
            "the whole of it");
    return error;
}

/* What this user is called in the server's list of grants. */
static void own_name(char *out, size_t size) {
    char machine[256] = "";
    const struct passwd *user = getpwuid(geteuid());
    gethostname(machine, sizeof machine - 1);
    machine[strcspn(machine, ".")] = '\0';
    snprintf(out, size, "%s@%s", user != NULL ? user->pw_name : "somebody", machine);
}

/* A name that is taken may be enrolled again, unless the server has another key now. */
static int check_name(const char *name, const struct tls_pin *pin, bool *known) {
    struct hosts hosts;
    struct ll_error_info info;
    struct ll_failure failure;
    int error = hosts_load(&hosts, &info);
    if (error != 0) {
        failure_info(&failure, NULL, error, &info);
        cli_error("%s", failure.sentence);
        return error;
    }
    const struct host *host = hosts_find(&hosts, name);
    *known = host != NULL;
    if (host != NULL && !tls_pin_equal(&host->pin, pin)) {
        char old[TLS_PIN_TEXT], new[TLS_PIN_TEXT];
        tls_pin_format(&host->pin, old);
        tls_pin_format(pin, new);
        cli_error("'%s' is another server already (its key is %s, the invite's is %s); choose another name, or first: "
                  "landline hosts remove %s",
                  name, old, new, name);
        error = -EEXIST;
    }
    hosts_free(&hosts);
    return error;
}

static int store(const char *name, const struct invite *invite, bool known) {
    struct host host = {.key = "key"};
    struct ll_error_info info;
    struct ll_failure failure;
    bool v6 = strchr(invite->host, ':') != NULL;
    snprintf(host.name, sizeof host.name, "%s", name);
    snprintf(host.addresses, sizeof host.addresses, v6 ? "[%s]:%u" : "%s:%u", invite->host, invite->port);
    memcpy(host.pin.bytes, invite->pin, TLS_PIN_SIZE);
    int error = known ? hosts_remove(name, &info) : 0;
    if (error == 0 || error == LL_EHOST)
        error = hosts_add(&host, &info);
    if (error != 0) {
        failure_info(&failure, name, error, &info);
        cli_error("%s", failure.sentence);
    }
    return error;
}

static int add(const char *name, const struct invite *invite) {
    char key[PATHS_SIZE], label[256], verbs[INVITE_VERBS_TEXT];
    struct enrol_welcome welcome;
    struct ll_failure failure;
    struct tls_pin pin;
    bool known = false;
    memcpy(pin.bytes, invite->pin, TLS_PIN_SIZE);
    if (check_name(name, &pin, &known) != 0)
        return EXIT_FAILED;
    int error = paths_folder(PATHS_CONFIG, key);
    if (error == 0)
        error = paths_make(key, NULL);
    if (error == 0)
        error = paths_join(key, key, "key");
    if (error != 0) {
        cli_error("the config folder cannot be made: %s", ll_strerror(error));
        return EXIT_FAILED;
    }
    own_name(label, sizeof label);
    if (enrol_host(name, invite, key, label, ENROL_TIMEOUT_S, &welcome, &failure) != 0) {
        cli_error("%s", failure.sentence);
        return EXIT_FAILED;
    }
    if (store(name, invite, known) != 0)
        return EXIT_FAILED;
    invite_verbs_print(welcome.verbs, verbs);
    printf("%s is known now, and lets this user: %s\n", name, verbs);
    return cli_finish(EXIT_OK);
}

int cmd_add(const struct command *self, int argc, char **argv) {
    const struct option_row rows[] = {{0}};
    struct operands operands;
    struct invite invite;
    int leave = options_parse(
        &(struct options){.command = self,
                          .rows = rows,
                          .about =
                              "Reads the line of an invite from the terminal, where it is not shown, or from standard "
                              "input:\n    ssh box landline invite | landline add box",
                          .min = 1,
                          .max = 1},
        argc, argv, &operands);
    if (leave >= 0)
        return leave;
    const char *name = operands.values[0];
    if (strncmp(name, "landline://", 11) == 0)
        return cli_usage(self, "an invite is a secret and does not belong on a command line, where others can read it: "
                               "give a name, and the invite when asked");
    if (!hosts_name_ok(name))
        return cli_usage(self, "'%s' is not a name for a host: letters, digits, '.', '_' and '-', at most %d", name,
                         LIMIT_HOST_NAME);
    int status = read_invite(&invite) == 0 ? add(name, &invite) : EXIT_FAILED;
    explicit_bzero(&invite, sizeof invite);
    return status;
}
