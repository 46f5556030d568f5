#include "landline/cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/cli/cli.h"
#include "landline/error.h"
#include "lib/base/number.h"

enum { GO_ON = -1 };

/* A pass over argv: words[at] is looked at, operands are moved to words[1 …]. */
struct pass {
    const struct options *options;
    char **words;
    int count, at, operands;
};

void option_list_free(struct option_list *list) {
    free(list->values);
    *list = (struct option_list){0};
}

static const char *take_list(void *target, const char *value) {
    struct option_list *list = target;
    const char **grown = realloc(list->values, (list->count + 1) * sizeof *grown);
    if (grown == NULL)
        return "does not fit into memory";
    list->values = grown;
    list->values[list->count++] = value;
    return NULL;
}

static const char *take_text(void *target, const char *value) {
    *(const char **)target = value;
    return NULL;
}

static const char *take_number(void *target, const char *value) {
    int error = number_parse(value, 0, UINT64_MAX, target);
    return error == 0 ? NULL : "is not a number";
}

static const char *take_duration(void *target, const char *value) {
    int error = number_parse_duration(value, target);
    return error == 0 ? NULL : error == -ERANGE ? "is too long" : "is not a duration such as 10m, 1.5s or 250ms";
}

static const char *take_size(void *target, const char *value) {
    int error = number_parse_size(value, target);
    return error == 0 ? NULL : error == -ERANGE ? "is too large" : "is not a size such as 512, 64K or 1.5G";
}

static const char *take_rate(void *target, const char *value) {
    int error = number_parse_rate(value, target);
    return error == 0 ? NULL : error == -ERANGE ? "is too high" : "is not a rate such as 2M/s or 64kbit";
}

static option_call *const takers[] = {
    [OPTION_TEXT] = take_text,         [OPTION_LIST] = take_list, [OPTION_NUMBER] = take_number,
    [OPTION_DURATION] = take_duration, [OPTION_SIZE] = take_size, [OPTION_RATE] = take_rate,
};

static bool has_value(const struct option_row *row) {
    return row->kind != OPTION_FLAG && row->kind != OPTION_COUNT;
}

static void take_flag(const struct option_row *row) {
    if (row->kind == OPTION_FLAG)
        *(bool *)row->target = true;
    else
        (*(int *)row->target)++;
}

/* `shown` is the option as it was typed, for the message. */
static int take_value(const struct pass *pass, const struct option_row *row, const char *value, const char *shown) {
    option_call *call = row->kind == OPTION_CALL ? row->call : takers[row->kind];
    const char *why = call(row->target, value);
    return why == NULL ? GO_ON : cli_usage(pass->options->command, "%s: '%s' %s", shown, value, why);
}

static void print_row(const struct option_row *row, int width) {
    char left[80];
    char letter[] = {'-', row->letter, ',', ' ', '\0'};
    snprintf(left, sizeof left, "%s--%s%s%s", row->letter != 0 ? letter : "    ", row->name,
             row->value != NULL ? " " : "", row->value != NULL ? row->value : "");
    printf("  %-*s  %s\n", width, left, row->help);
}

static int help(const struct options *options) {
    const struct command *command = options->command;
    printf("usage: landline %s %s\n", command->name, command->usage);
    if (command->summary != NULL)
        printf("\n%s\n", command->summary);
    if (options->about != NULL)
        printf("\n%s\n", options->about);
    int width = 10;
    for (const struct option_row *row = options->rows; row->name != NULL; row++) {
        int length = (int)(strlen(row->name) + (row->value != NULL ? strlen(row->value) + 1 : 0)) + 6;
        if (row->help != NULL && length > width)
            width = length;
    }
    printf("\noptions:\n");
    for (const struct option_row *row = options->rows; row->name != NULL; row++)
        if (row->help != NULL)
            print_row(row, width);
    print_row(&(struct option_row){.name = "help", .letter = 'h', .help = "show this"}, width);
    return cli_finish(EXIT_OK);
}

static size_t row_count(const struct option_row *rows) {
    size_t n = 0;
    while (rows[n].name != NULL)
        n++;
    return n;
}

static int unknown(const struct pass *pass, const char *shown, const char *name) {
    const struct option_row *rows = pass->options->rows;
    const char *nearest = cli_nearest(name, &rows[0].name, row_count(rows), sizeof *rows);
    if (nearest != NULL)
        return cli_usage(pass->options->command, "unknown option '%s'; did you mean '--%s'?", shown, nearest);
    return cli_usage(pass->options->command, "unknown option '%s'", shown);
}

static const struct option_row *find_long(const struct option_row *rows, const char *name, size_t length) {
    for (; rows->name != NULL; rows++)
        if (strlen(rows->name) == length && memcmp(rows->name, name, length) == 0)
            return rows;
    return NULL;
}

static const struct option_row *find_letter(const struct option_row *rows, char letter) {
    for (; rows->name != NULL; rows++)
        if (rows->letter == letter)
            return rows;
    return NULL;
}

/* The value of an option that has none attached: the next word. */
static int next_word(struct pass *pass, const struct option_row *row, const char *shown) {
    if (pass->at + 1 >= pass->count)
        return cli_usage(pass->options->command, "%s needs a value: %s", shown, row->value);
    return take_value(pass, row, pass->words[++pass->at], shown);
}

static int parse_long(struct pass *pass, const char *word) {
    const char *name = word + 2, *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct option_row *row = find_long(pass->options->rows, name, length);
    char shown[64];
    snprintf(shown, sizeof shown, "--%.*s", (int)(length > 50 ? 50 : length), name);
    if (row == NULL && strcmp(name, "help") == 0)
        return help(pass->options);
    if (row == NULL)
        return unknown(pass, shown, shown + 2);
    if (has_value(row))
        return equals != NULL ? take_value(pass, row, equals + 1, shown) : next_word(pass, row, shown);
    if (equals != NULL)
        return cli_usage(pass->options->command, "%s takes no value", shown);
    take_flag(row);
    return GO_ON;
}

static int parse_letters(struct pass *pass, const char *word) {
    for (const char *at = word + 1; *at != '\0'; at++) {
        const struct option_row *row = find_letter(pass->options->rows, *at);
        char shown[] = {'-', *at, '\0'};
        if (row == NULL && *at == 'h')
            return help(pass->options);
        if (row == NULL)
            return unknown(pass, shown, shown);
        if (has_value(row))
            return at[1] != '\0' ? take_value(pass, row, at + 1, shown) : next_word(pass, row, shown);
        take_flag(row);
    }
    return GO_ON;
}

static void take_operand(struct pass *pass, char *word) {
    pass->words[++pass->operands] = word;
}

/* From words[at] on all are operands; a `--` there, behind the operands of our own, only marks the command's start. */
static void take_rest(struct pass *pass) {
    while (pass->at < pass->count)
        take_operand(pass, pass->words[pass->at++]);
}

static int parse_word(struct pass *pass) {
    char *word = pass->words[pass->at];
    int after = pass->options->command_after;
    if (strcmp(word, "--") == 0) {
        pass->at++;
        if (pass->operands < after && pass->at < pass->count) {
            /* `-- HOST …`: the operands of our own still come first, and then perhaps another `--`. */
            take_operand(pass, pass->words[pass->at++]);
            if (pass->at < pass->count && strcmp(pass->words[pass->at], "--") == 0)
                pass->at++;
        }
        take_rest(pass);
        return GO_ON;
    }
    bool option = word[0] == '-' && word[1] != '\0';
    if (!option && after > 0 && pass->operands >= after) {
        take_rest(pass);
        return GO_ON;
    }
    int leave = GO_ON;
    if (!option)
        take_operand(pass, word);
    else
        leave = word[1] == '-' ? parse_long(pass, word) : parse_letters(pass, word);
    pass->at++;
    return leave;
}

int options_parse(const struct options *options, int argc, char **argv, struct operands *out) {
    struct pass pass = {.options = options, .words = argv, .count = argc, .at = 1};
    while (pass.at < pass.count) {
        int leave = parse_word(&pass);
        if (leave != GO_ON)
            return leave;
    }
    *out = (struct operands){.count = pass.operands, .values = argv + 1};
    if (out->count < options->min)
        return cli_usage(options->command, "something is missing: landline %s %s", options->command->name,
                         options->command->usage);
    if (options->max >= 0 && out->count > options->max)
        return cli_usage(options->command, "one word too many: '%s'", out->values[options->max]);
    return GO_ON;
}
