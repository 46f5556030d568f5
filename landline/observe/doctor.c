#include "landline/observe/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/observe/draw.h"
#include "landline/observe/words.h"
#include "lib/base/escape.h"

void doctor_init(struct doctor *d) {
    memset(d, 0, sizeof *d);
}

void doctor_free(struct doctor *d) {
    free(d->list);
    doctor_init(d);
}

static void __attribute__((format(printf, 3, 0)))
format_into(char *out, size_t size, const char *format, va_list arguments) {
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    escape_sentence(out, size, text, strlen(text));
}

struct finding *doctor_add(struct doctor *d, const char *group, const char *name, enum doctor_state state,
                           const char *format, ...) {
    if (d->count == d->capacity) {
        size_t wanted = d->capacity == 0 ? 32 : d->capacity * 2;
        struct finding *list = reallocarray(d->list, wanted, sizeof *list);
        if (list == NULL) {
            d->failed = -ENOMEM;
            return NULL;
        }
        d->list = list;
        d->capacity = wanted;
    }
    struct finding *f = &d->list[d->count++];
    *f = (struct finding){.group = group, .state = state, .took_ns = -1};
    escape_text(f->name, sizeof f->name, name);
    va_list arguments;
    va_start(arguments, format);
    format_into(f->value, sizeof f->value, format, arguments);
    va_end(arguments);
    return f;
}

void doctor_advise(struct finding *f, const char *format, ...) {
    va_list arguments;
    if (f == NULL)
        return;
    va_start(arguments, format);
    format_into(f->advice, sizeof f->advice, format, arguments);
    va_end(arguments);
}

const struct finding *doctor_worst(const struct doctor *d) {
    const struct finding *worst = NULL;
    for (size_t i = 0; i < d->count; i++) {
        const struct finding *f = &d->list[i];
        if (f->advice[0] != '\0' && (worst == NULL || f->state > worst->state))
            worst = f;
    }
    return worst;
}

const char *doctor_state_name(enum doctor_state state) {
    static const char *const names[] = {"fact", "good", "could be better", "wrong"};
    return names[state];
}

void doctor_text(struct buf *out, const struct doctor *d) {
    static const char *const marks[] = {"    ", "ok  ", "!   ", "WRONG "};
    const char *group = "";
    for (size_t i = 0; i < d->count; i++) {
        const struct finding *f = &d->list[i];
        if (strcmp(group, f->group) != 0)
            words_format(out, "%s%s\n", i > 0 ? "\n" : "", f->group);
        group = f->group;
        words_format(out, "  %-6s%-24s %s", marks[f->state], f->name, f->value);
        if (f->took_ns >= 0) {
            words_format(out, "  [");
            words_span(out, f->took_ns);
            words_format(out, "]");
        }
        words_format(out, "\n");
        if (f->advice[0] != '\0')
            words_format(out, "  %-31s%s\n", "", f->advice);
    }
    const struct finding *worst = doctor_worst(d);
    if (worst != NULL)
        words_format(out, "\nThe one thing to change: %s\n", worst->advice);
    else
        words_format(out, "\nNothing to change.\n");
}

static void put_member(struct buf *out, const char *key, const char *value) {
    words_format(out, "\"%s\":", key);
    draw_json_string(out, value, strlen(value));
    words_format(out, ",");
}

void doctor_json(struct buf *out, const struct doctor *d) {
    words_format(out, "{\"findings\":[");
    for (size_t i = 0; i < d->count; i++) {
        const struct finding *f = &d->list[i];
        words_format(out, "%s\n{", i > 0 ? "," : "");
        put_member(out, "group", f->group);
        put_member(out, "name", f->name);
        put_member(out, "state", doctor_state_name(f->state));
        if (f->took_ns >= 0)
            words_format(out, "\"seconds\":%.9f,", (double)f->took_ns / 1e9);
        if (f->advice[0] != '\0')
            put_member(out, "advice", f->advice);
        put_member(out, "value", f->value);
        out->end -= out->failed == 0;
        words_format(out, "}");
    }
    const struct finding *worst = doctor_worst(d);
    words_format(out, "],\n\"change\":");
    if (worst != NULL)
        draw_json_string(out, worst->advice, strlen(worst->advice));
    else
        words_format(out, "null");
    words_format(out, "}\n");
}
