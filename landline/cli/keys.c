#include "landline/cli/keys.h"

static const struct {
    uint8_t key;
    enum keys_command command;
} commands[] = {
    {'.', KEYS_LEAVE},
    {'d', KEYS_DETACH},
    {0x1a, KEYS_SUSPEND},
    {'?', KEYS_HELP},
};

static enum keys_command find(uint8_t key) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (commands[i].key == key)
            return commands[i].command;
    return KEYS_NONE;
}

enum keys_command keys_filter(struct keys *keys, const uint8_t *bytes, size_t n, size_t *used, uint8_t *out,
                              size_t *out_n) {
    size_t kept = 0;
    *out_n = 0;
    for (*used = 0; *used < n;) {
        uint8_t key = bytes[(*used)++];
        if (keys->after_tilde) {
            keys->after_tilde = false;
            enum keys_command command = find(key);
            if (command != KEYS_NONE) {
                *out_n = kept;
                return command;
            }
            out[kept++] = '~';
            if (key == '~') { /* ~~ is one */
                keys->inside_line = true;
                continue;
            }
        } else if (key == '~' && !keys->inside_line) {
            keys->after_tilde = true;
            continue;
        }
        out[kept++] = key;
        keys->inside_line = key != '\r' && key != '\n';
    }
    *out_n = kept;
    return KEYS_NONE;
}
