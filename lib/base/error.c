#include "lib/base/error.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/escape.h"

static const struct own {
    int code;
    const char *name, *text;
} own[] = {
#define OWN_ROW(name, number, text) {name, #name, text},
    LL_ERROR_LIST(OWN_ROW)
#undef OWN_ROW
};

static const struct gai {
    int code;
    const char *name;
} gai[] = {
    {EAI_ADDRFAMILY, "EAI_ADDRFAMILY"}, {EAI_AGAIN, "EAI_AGAIN"},
    {EAI_BADFLAGS, "EAI_BADFLAGS"},     {EAI_FAIL, "EAI_FAIL"},
    {EAI_FAMILY, "EAI_FAMILY"},         {EAI_MEMORY, "EAI_MEMORY"},
    {EAI_NODATA, "EAI_NODATA"},         {EAI_NONAME, "EAI_NONAME"},
    {EAI_OVERFLOW, "EAI_OVERFLOW"},     {EAI_SERVICE, "EAI_SERVICE"},
    {EAI_SOCKTYPE, "EAI_SOCKTYPE"},     {EAI_SYSTEM, "EAI_SYSTEM"},
};

enum { FIRST_OWN = -4096, FIRST_GAI = -8192, LAST_GAI = -8192 - 4096 };

static const struct own *own_error(int code) {
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i].code == code)
            return &own[i];
    return NULL;
}

const char *ll_strerror(int code) {
    static _Thread_local char unknown[32];
    if (code == 0)
        return "success";
    if (code > FIRST_OWN && code < 0)
        return strerror(-code);
    if (code < FIRST_GAI && code > LAST_GAI)
        return gai_strerror(code - FIRST_GAI);
    const struct own *found = own_error(code);
    if (found != NULL)
        return found->text;
    snprintf(unknown, sizeof unknown, "error %d", code);
    return unknown;
}

const char *ll_error_name(int code) {
    const char *name = NULL;
    if (code > FIRST_OWN && code < 0)
        name = strerrorname_np(-code);
    for (size_t i = 0; i < sizeof gai / sizeof *gai; i++)
        if (code == FIRST_GAI + gai[i].code)
            name = gai[i].name;
    const struct own *found = own_error(code);
    if (found != NULL)
        name = found->name;
    return name != NULL ? name : "UNKNOWN";
}

int ll_error_format(const struct ll_error_info *info, char *out, size_t size) {
    const char *gap = info->subject[0] != '\0' ? " " : "";
    return snprintf(out, size, "%s%s%s: %s", info->call != NULL ? info->call : "landline", gap, info->subject,
                    ll_strerror(info->code));
}

int error_at(struct ll_error_info *info, int code, const char *call, const char *subject) {
    if (info != NULL) {
        info->code = code;
        info->call = call;
        escape_text(info->subject, sizeof info->subject, subject != NULL ? subject : "");
    }
    return code;
}
