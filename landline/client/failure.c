#include "landline/client/failure.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/escape.h"

int failure_set(struct ll_failure *out, int code, const char *format, ...) {
    if (out == NULL)
        return code;
    char text[sizeof out->sentence];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    out->code = code;
    escape_sentence(out->sentence, sizeof out->sentence, text, strlen(text));
    return code;
}

int failure_info(struct ll_failure *out, const char *host, int code, const struct ll_error_info *info) {
    const char *prefix = host != NULL ? host : "", *colon = host != NULL ? ": " : "";
    const char *what = info->call != NULL ? info->call : "", *subject = info->subject;
    if (code == LL_EKEYFILE)
        return failure_set(out, code,
                           "%s%sthe key file %s is not safe to use: %s; only its owner may read it (chmod 600)", prefix,
                           colon, subject, what);
    if (code == LL_EFORMAT)
        return failure_set(out, code, "%s%s%s: %s", prefix, colon, subject, what);
    return failure_set(out, code, "%s%scannot %s%s%s: %s", prefix, colon, what, subject[0] != '\0' ? " " : "", subject,
                       ll_strerror(code));
}

/* What to do about a connection that could not be made, by its code. */
static const struct hint {
    int code;
    const char *text;
} hints[] = {
    {-ECONNREFUSED, "is 'landline serve' running there?"},
    {-EHOSTUNREACH, "is the machine on, and on this network?"},
    {-ENETUNREACH, "is this machine connected to the network?"},
    {-ETIMEDOUT, "is the machine on, and does a firewall let this port through?"},
    {LL_ETIMEOUT, "is the machine on, and does a firewall let this port through?"},
    {LL_EGAI(EAI_NONAME), "is the name right? 'landline hosts' shows it"},
    {LL_EGAI(EAI_AGAIN), "the name server does not answer now; try again"},
};

int failure_dial(struct ll_failure *out, const struct failure_place *place, const struct dial_end *end) {
    const char *hint = "'landline doctor' looks closer";
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (hints[i].code == end->error)
            hint = hints[i].text;
    return failure_set(out, end->error, "%s: cannot connect to %s: %s; %s", place->host,
                       end->info.subject[0] != '\0' ? end->info.subject : place->address, ll_strerror(end->error),
                       hint);
}

static int changed_key(struct ll_failure *out, const struct failure_place *place, const struct link_end *end) {
    char old[TLS_PIN_TEXT], new[TLS_PIN_TEXT] = "another";
    tls_pin_format(place->expected, old);
    if (end->has_peer)
        tls_pin_format(&end->peer, new);
    return failure_set(
        out, LL_EPIN,
        "%s: the server at %s has another key than the pinned one (pinned %s, it has %s), so nothing was "
        "sent; if it was set up anew: 'landline hosts remove %s', 'landline invite' there, 'landline add "
        "%s' here",
        place->host, place->address, old, new, place->host, place->host);
}

static int unknown_key(struct ll_failure *out, const struct failure_place *place, const struct link_end *end) {
    char own[TLS_PIN_TEXT];
    tls_pin_format(tls_identity_pin(place->own), own);
    return failure_set(out, end->code,
                       "%s: %s (this key is %s); run 'landline invite' on the server and 'landline add %s' here",
                       place->host,
                       end->code == LL_EREVOKED ? "the grant of this key was revoked by the server"
                                                : "the server does not know this key",
                       own, place->host);
}

static const char *reason(const struct link_end *end) {
    return end->text[0] != '\0' ? end->text : ll_strerror(end->code);
}

int failure_link(struct ll_failure *out, const struct failure_place *place, const struct link_end *end) {
    const char *host = place->host, *address = place->address;
    switch (end->code) {
    case LL_EPIN:
        return changed_key(out, place, end);
    case LL_ENOTENROLLED:
    case LL_EREVOKED:
        return unknown_key(out, place, end);
    case LL_ESILENT:
        return failure_set(out, end->code,
                           "%s: the server at %s closed the connection without a word: it has another key than the "
                           "pinned one, or the clocks of the two machines differ by more than a day, or it is no "
                           "landline server; check 'date' on both, and 'landline doctor %s'",
                           host, address, host);
    case LL_EBUSY:
        return failure_set(out, end->code, "%s: the server at %s is busy (%s); try again in %u s", host, address,
                           reason(end), (end->retry_after_ms + 999) / 1000);
    case LL_EVERSION:
        return failure_set(out, end->code,
                           "%s: no protocol version in common: this side speaks %d, the server says: %s", host,
                           MESSAGE_VERSION, reason(end));
    case LL_EINVITE:
    case LL_EINVITEEXPIRED:
    case LL_EINVITEUSED:
        return failure_set(out, end->code, "%s: %s; run 'landline invite' on the server for a new one", host,
                           ll_strerror(end->code));
    case LL_ETIMEOUT:
        return failure_set(out, end->code, "%s: the server at %s does not answer%s", host, address,
                           end->was_in ? " any more" : "; is it landline that listens there?");
    case LL_ETLS:
        return failure_set(out, end->code, "%s: no secure connection to %s: %s; is it landline that listens there?",
                           host, address, reason(end));
    case LL_EPROTOCOL:
        return failure_set(out, end->code, "%s: the server at %s broke the protocol: %s", host, address, reason(end));
    case -EADDRNOTAVAIL:
        return failure_set(out, end->code,
                           "%s: the connection to %s ended: this machine has lost the address it had for it", host,
                           address);
    default:
        return failure_set(out, end->code, "%s: the connection to %s ended: %s", host, address, reason(end));
    }
}

int failure_refused(struct ll_failure *out, const char *host, const char *what, const struct message_refused *refused) {
    char text[256];
    int code = message_code_error(refused->code);
    escape_sentence(text, sizeof text, refused->text.data, refused->text.size);
    if (text[0] == '\0')
        snprintf(text, sizeof text, "%s", message_code_text(refused->code));
    if (code == LL_ENOGRANT)
        return failure_set(out, code,
                           "%s: the grant of this key does not cover '%s' (%s); on the server, 'landline grants' shows "
                           "and changes it",
                           host, what, text);
    if (refused->code == CODE_FULL)
        return failure_set(out, code, "%s: nothing was started: %s; try again when one of them has ended", host, text);
    if (refused->code == CODE_STILL_RUNNING)
        return failure_set(out, code, "%s: it is still running; 'landline attach' waits for it", host);
    return failure_set(out, code, "%s: the server refused '%s': %s%s%s", host, what, text,
                       refused->error != 0 ? ": " : "", refused->error != 0 ? ll_strerror(-(int)refused->error) : "");
}
