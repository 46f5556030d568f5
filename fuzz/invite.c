/* An invite's line, an address, a list of verbs, an id: what is taken is printed and taken again, the same. */
#include "landline/proto/invite.h"

#include <stdlib.h>
#include <string.h>

#include "landline/proto/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void line(const char *text, size_t size) {
    struct invite a, b;
    char printed[INVITE_LINE];
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    if (invite_parse(text, size, &a) < 0)
        return;
    if (invite_print(&a, printed) < 0 || invite_parse(printed, strlen(printed), &b) < 0)
        abort();
    if (strcmp(a.host, b.host) != 0 || a.port != b.port || memcmp(a.token, b.token, INVITE_TOKEN) != 0 ||
        memcmp(a.pin, b.pin, INVITE_PIN) != 0 || a.expiry_ms != b.expiry_ms)
        abort();
}

static void words(const char *text) {
    uint32_t verbs, verbs2;
    struct run_id id, id2;
    char printed[INVITE_VERBS_TEXT], id_printed[RUN_ID_TEXT + 1];
    if (invite_verbs_parse(text, &verbs) == 0) {
        invite_verbs_print(verbs, printed);
        if (invite_verbs_parse(printed, &verbs2) < 0 || verbs != verbs2)
            abort();
    }
    if (run_id_parse(text, &id) == 0) {
        run_id_print(&id, id_printed);
        if (run_id_parse(id_printed, &id2) < 0 || !run_id_equal(&id, &id2))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char host[INVITE_HOST + 1];
    uint16_t port;
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = 0;
    line(text, size);
    words(text);
    if (invite_split_address(text, size, 1, host, &port) == 0 && strlen(host) > size)
        abort();
    free(text);
    return 0;
}
