/* Terms as lines of the files of grants and invites. */
#ifndef LANDLINE_SERVER_TERMS_RECORD_H
#define LANDLINE_SERVER_TERMS_RECORD_H

#include "landline/server/record.h"
#include "landline/service/terms.h"

/* The lines of a record that state terms; `object` must start with a struct terms. */
#define TERMS_WORDS                                                                                                    \
    {"verbs", terms_set_verbs, true, false}, {"root", terms_set_root, false, false},                                   \
        {"as", terms_set_as, false, false}, {"argv", terms_set_argv, false, true},                                     \
        {"runs", terms_set_runs, false, false}, {                                                                      \
        "environment", terms_set_environment, false, false                                                             \
    }
record_set terms_set_verbs, terms_set_root, terms_set_as, terms_set_argv, terms_set_runs, terms_set_environment;

void terms_write(struct buf *out, const struct terms *terms);

#endif
