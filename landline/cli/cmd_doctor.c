/* landline doctor: what is wrong, and the one thing to change. */
#include "landline/cli/cli.h"

#include <stdio.h>

#include "landline/address.h"
#include "landline/cli/options.h"
#include "landline/observe/doctor.h"
#include "lib/base/limits.h"

enum { PORT_USUAL = 80 };

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
    } else {
        char host[256];
        int port = PORT_USUAL;
        int code = ll_address_split(operands.values[0], host, sizeof host, &port);
        if (code != 0)
            return cli_usage(self, "'%s' is not HOST[:PORT]: %s", operands.values[0], ll_strerror(code));
        doctor_host(&d, host, port, timeout);
    }
    int status = show(&d, json);
    doctor_free(&d);
    return status;
}
