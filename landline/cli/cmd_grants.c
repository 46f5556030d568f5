#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/proto/invite.h"
#include "landline/server/store.h"
#include "lib/base/limits.h"

struct request {
    const char *verbs, *root, *as, *label;
    struct option_list argv;
};

static int fail(const struct ll_error_info *info) {
    char text[512];
    ll_error_format(info, text, sizeof text);
    cli_error("%s", text);
    return EXIT_FAILED;
}

static int list(const struct store *store) {
    struct grants grants;
    struct ll_error_info info = {0};
    if (store_grants(store, &grants, &info) != 0) {
        grants_free(&grants);
        return fail(&info);
    }
    for (size_t i = 0; i < grants.count; i++) {
        const struct grant *g = &grants.list[i];
        char pin[TLS_PIN_TEXT], verbs[INVITE_VERBS_TEXT];
        tls_pin_format(&g->pin, pin);
        invite_verbs_print(g->terms.verbs, verbs);
        printf("%-16s %s %s%s%s%s%s\n", g->label, pin,
               g->revoked         ? "revoked"
               : verbs[0] != '\0' ? verbs
                                  : "none",
               g->terms.as != NULL ? " as " : "", g->terms.as != NULL ? g->terms.as : "",
               g->terms.root != NULL ? " in " : "", g->terms.root != NULL ? g->terms.root : "");
        for (size_t k = 0; k < g->terms.argv_count; k++)
            printf("%-16s only: %s\n", "", g->terms.argv[k]);
    }
    if (grants.count == 0)
        cli_error("no key has a grant yet; landline invite makes an invite for one");
    grants_free(&grants);
    return EXIT_OK;
}

static int relabel(const struct command *self, struct store_change *change, struct grant *grant, const char *label) {
    struct grant *other = grants_find_name(&change->grants, label);
    if (!record_value_ok(label) || strlen(label) >= sizeof grant->label || strchr(label, ' ') != NULL)
        return cli_usage(self, "--label %s: one word of less than %zu bytes", label, sizeof grant->label);
    if (other != NULL && other != grant) {
        cli_error("another key is called '%s'", label);
        return EXIT_FAILED;
    }
    snprintf(grant->label, sizeof grant->label, "%s", label);
    return EXIT_OK;
}

static int change_one(const struct command *self, struct store_change *change, struct grant *grant,
                      const struct request *r) {
    struct terms *terms = &grant->terms;
    if (r->verbs != NULL && strcmp(r->verbs, "none") == 0)
        terms->verbs = 0;
    else if (r->verbs != NULL && invite_verbs_parse(r->verbs, &terms->verbs) != 0)
        return cli_usage(self, "--grant %s: none, or some of run, shell, get, put, upper, others", r->verbs);
    if (r->root != NULL && (!record_value_ok(r->root) || terms_set_root(terms, r->root) != 0))
        return cli_usage(self, "--root %s: an absolute path is needed", r->root);
    if (r->as != NULL && terms_set_as(terms, r->as) != 0)
        return cli_usage(self, "--as %s: not a user's name", r->as);
    for (size_t i = 0; i < r->argv.count; i++)
        if (!record_value_ok(r->argv.values[i]) || terms_set_argv(terms, r->argv.values[i]) != 0)
            return cli_usage(self, "--argv %s: not a pattern, or too many", r->argv.values[i]);
    return r->label != NULL ? relabel(self, change, grant, r->label) : EXIT_OK;
}

static int revoke_one(const struct command *self, struct store_change *change, struct grant *grant,
                      const struct request *r) {
    (void)self;
    (void)change;
    (void)r;
    grant->revoked = true;
    return EXIT_OK;
}

typedef int change_fn(const struct command *self, struct store_change *change, struct grant *grant,
                      const struct request *r);

static int alter(const struct command *self, const struct store *store, const char *name, change_fn *how,
                 const struct request *r) {
    struct store_change change;
    struct ll_error_info info = {0};
    if (store_begin(&change, store, &info) != 0)
        return fail(&info);
    struct grant *grant = grants_find_name(&change.grants, name);
    int status;
    if (grant == NULL) {
        cli_error("no key is called '%s'; landline grants shows them all", name);
        status = EXIT_FAILED;
    } else {
        status = how(self, &change, grant, r);
        if (status == EXIT_OK && store_commit(&change, &info) != 0)
            status = fail(&info);
    }
    store_end(&change);
    return status;
}

static const struct {
    const char *name;
    int operands; /* with the name */
    change_fn *how;
} actions[] = {
    {"list", 1, NULL},
    {"change", 2, change_one},
    {"revoke", 2, revoke_one},
};

int cmd_grants(const struct command *self, int argc, char **argv) {
    struct request r = {0};
    const struct option_row rows[] = {
        {"grant", 'g', OPTION_TEXT, &r.verbs, "VERBS",
         "change: what the key may do, none or some of run,shell,get,put,upper,others", NULL},
        {"root", 0, OPTION_TEXT, &r.root, "DIR", "change: files beneath it only, and where commands start", NULL},
        {"as", 0, OPTION_TEXT, &r.as, "USER", "change: the user that the key becomes", NULL},
        {"argv", 0, OPTION_LIST, &r.argv, "PATTERN", "change: allow such commands too", NULL},
        {"label", 0, OPTION_TEXT, &r.label, "NAME", "change: what the key is called", NULL},
        {0},
    };
    struct operands operands;
    struct store store;
    struct ll_error_info info = {0};
    int status = options_parse(
        &(struct options){
            .command = self,
            .rows = rows,
            .about = "Shows the keys that may come in, changes what one may do, or lets one in no more. A running\n"
                     "server obeys at once; revoking ends the key's sessions.",
            .max = 2},
        argc, argv, &operands);
    if (status >= 0)
        return status;
    const char *action = operands.count > 0 ? operands.values[0] : "list";
    status = -1;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0] && status < 0; i++) {
        if (strcmp(actions[i].name, action) != 0)
            continue;
        if (operands.count > 0 && operands.count != actions[i].operands)
            status = cli_usage(
                self, actions[i].how != NULL ? "%s needs the name or the fingerprint of a key" : "%s takes no name",
                action);
        else if (store_open(&store, &info) != 0)
            status = fail(&info);
        else
            status =
                actions[i].how != NULL ? alter(self, &store, operands.values[1], actions[i].how, &r) : list(&store);
    }
    option_list_free(&r.argv);
    return cli_finish(status >= 0 ? status : cli_usage(self, "'%s': list, change or revoke", action));
}
