#include "lib/os/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENTRY = 16 << 10, MOST_GROUPS = 65536 };

void account_free(struct account *account) {
    free(account->name);
    free(account->groups);
    *account = (struct account){0};
}

static int fill(struct account *out, const struct passwd *entry) {
    const char *shell = entry->pw_shell[0] != '\0' ? entry->pw_shell : "/bin/sh";
    size_t name = strlen(entry->pw_name) + 1, home = strlen(entry->pw_dir) + 1, sh = strlen(shell) + 1;
    char *text = malloc(name + home + sh);
    if (text == NULL)
        return -ENOMEM;
    *out = (struct account){.name = text, .uid = entry->pw_uid, .gid = entry->pw_gid};
    memcpy(text, entry->pw_name, name);
    out->home = memcpy(text + name, entry->pw_dir, home);
    out->shell = memcpy(text + name + home, shell, sh);
    return 0;
}

static int find_groups(struct account *account) {
    int count = 32;
    for (;;) {
        gid_t *groups = realloc(account->groups, (size_t)count * sizeof *groups);
        if (groups == NULL)
            return -ENOMEM;
        account->groups = groups;
        int had = count;
        if (getgrouplist(account->name, account->gid, groups, &count) >= 0) {
            account->group_count = (size_t)count;
            return 0;
        }
        if (count <= had || count > MOST_GROUPS)
            return -EINVAL;
    }
}

int account_find(struct account *out, const char *name) {
    *out = (struct account){0};
    char *text = malloc(ENTRY), number[16];
    if (text == NULL)
        return -ENOMEM;
    struct passwd entry, *found = NULL;
    int e = name != NULL ? getpwnam_r(name, &entry, text, ENTRY, &found)
                         : getpwuid_r(geteuid(), &entry, text, ENTRY, &found);
    if (found == NULL && name == NULL) {
        snprintf(number, sizeof number, "%u", (unsigned)geteuid());
        entry =
            (struct passwd){.pw_name = number, .pw_dir = "/", .pw_shell = "", .pw_uid = geteuid(), .pw_gid = getegid()};
        found = &entry;
        e = 0;
    }
    e = found != NULL ? fill(out, found) : e != 0 ? -e : -ENOENT;
    if (e == 0 && name != NULL)
        e = find_groups(out);
    if (e != 0)
        account_free(out);
    free(text);
    return e;
}
