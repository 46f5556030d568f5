/* landline key: who this user is to servers. */
#include <stdio.h>
#include <string.h>

#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/client/failure.h"
#include "lib/os/paths.h"
#include "lib/tls/identity.h"

static int show(const char *path) {
    struct tls_identity *identity;
    struct ll_error_info info;
    struct ll_failure failure;
    int error = tls_identity_open(&identity, path, &info);
    if (error != 0) {
        failure_info(&failure, NULL, error, &info);
        cli_error("%s", failure.sentence);
        return EXIT_FAILED;
    }
    char pin[TLS_PIN_TEXT], public_key[TLS_PUBLIC_TEXT];
    tls_pin_format(tls_identity_pin(identity), pin);
    tls_identity_format(identity, public_key);
    printf("%s %s %s\n", pin, public_key, path);
    tls_identity_close(identity);
    return cli_finish(EXIT_OK);
}

int cmd_key(const struct command *self, int argc, char **argv) {
    const struct option_row rows[] = {{0}};
    struct operands operands;
    char path[PATHS_SIZE];
    int leave =
        options_parse(&(struct options){.command = self,
                                        .rows = rows,
                                        .about = "Prints fingerprint, public key and file. A key is made if there "
                                                 "is none yet.",
                                        .max = 0},
                      argc, argv, &operands);
    if (leave >= 0)
        return leave;
    int error = paths_folder(PATHS_CONFIG, path);
    if (error == 0)
        error = paths_make(path, NULL);
    if (error == 0)
        error = paths_join(path, path, "key");
    if (error == 0)
        return show(path);
    cli_error("the config folder cannot be made: %s", ll_strerror(error));
    return EXIT_FAILED;
}
