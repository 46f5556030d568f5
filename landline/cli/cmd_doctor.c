/* landline doctor: what is wrong, and the one thing to change. */
#include "landline/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "landline/address.h"
#include "landline/cli/options.h"
#include "landline/client/hosts.h"
#include "landline/observe/doctor.h"
#include "lib/base/limits.h"
#include "lib/tls/engine.h"

static int show(const struct doctor *d, bool json) {
    struct buf out;
    buf_init(&out, LIMIT_TRACE_PICTURE);
    if (json)
        doctor_json(&out, d);
    else
        doctor_text(&out, d);
    fwrite(buf_front(&out), 1, buf_size(&out), stdout);
    int failed = out.failed != 0 ? out.failed : d->failed;
    buf_free(&out);
    const struct finding *worst = doctor_worst(d);
    if (failed != 0)
        cli_error("doctor: %s", ll_strerror(failed));
    return cli_finish(failed != 0 || (worst != NULL && worst->state == DOCTOR_WRONG) ? EXIT_FAILED : EXIT_OK);
}

/* One HOST:PORT; a code where the text is none. */
static int visit(struct doctor *d, const char *text, int64_t timeout) {
    char host[256];
    int port = CLI_PORT;
    int code = ll_address_split(text, host, sizeof host, &port);
    if (code == 0)
        doctor_host(d, host, port, timeout);
    return code;
}

/* A host of the list: each of its addresses, then through landline. */
static void visit_paired(struct doctor *d, const struct host *host, int64_t timeout) {
    char addresses[sizeof host->addresses], *rest = NULL;
    snprintf(addresses, sizeof addresses, "%s", host->addresses);
    for (char *one = strtok_r(addresses, ",", &rest); one != NULL; one = strtok_r(NULL, ",", &rest))
        visit(d, one, timeout);
    doctor_pair(d, host->name, timeout);
}

static int visit_any(struct doctor *d, const char *text, int64_t timeout) {
    struct hosts hosts = {0};
    struct ll_error_info info;
    int code = hosts_load(&hosts, &info), split = 0;
    const struct host *host = code == 0 ? hosts_find(&hosts, text) : NULL;
    if (code != 0) {
        char why[256];
        ll_error_format(&info, why, sizeof why);
        doctor_advise(doctor_add(d, "host", "list of hosts", DOCTOR_WRONG, "%s", why), "repair or remove the file: %s",
                      why);
    }
    if (host != NULL) {
        visit_paired(d, host, timeout);
    } else {
        split = visit(d, text, timeout);
        doctor_add(d, "landline", "pairing", DOCTOR_FACT, "%s is not in the list of hosts (landline add)", text);
    }
    hosts_free(&hosts);
    return split;
}

/* Here, since landline/observe knows nothing of our own cryptography. */
static void check_cipher(struct doctor *d) {
    int code = tls_prepare_for_bulk();
    const char *text = code == 0         ? "with AVX-512 (libipsec-mb)"
                       : code == -ENOENT ? "by OpenSSL; the package libipsec-mb1 has the processor's AVX-512 used"
                                         : "by OpenSSL";
    doctor_add(d, "network", "encryption of bulk", DOCTOR_FACT, "%s", text);
}

static const char about[] =
    "Without a host: what this machine offers to landline. With one: every step of the way to it, timed.\n"
    "Exit status: 0 all works, 1 something does not.";

int cmd_doctor(const struct command *self, int argc, char **argv) {
    bool json = false;
    int64_t timeout = 5000000000;
    const struct option_row rows[] = {
        {"json", 'j', OPTION_FLAG, &json, NULL, "print one JSON object instead", NULL},
        {"timeout", 't', OPTION_DURATION, &timeout, "TIME", "for each step, at most (5s)", NULL},
        {0},
    };
    struct operands operands;
    int leave = options_parse(&(struct options){.command = self, .rows = rows, .about = about, .max = 1}, argc, argv,
                              &operands);
    if (leave >= 0)
        return leave;
    struct doctor d;
    doctor_init(&d);
    if (operands.count == 0) {
        doctor_machine(&d);
        check_cipher(&d);
    } else {
        int code = visit_any(&d, operands.values[0], timeout);
        if (code != 0) {
            doctor_free(&d);
            return cli_usage(self, "'%s' is not HOST[:PORT]: %s", operands.values[0], ll_strerror(code));
        }
    }
    int status = show(&d, json);
    doctor_free(&d);
    return status;
}
