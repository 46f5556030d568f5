/* A source sends what it was asked for: a server must not choose which names in the user's folder appear or change. */
#include <fnmatch.h>
#include <string.h>

#include "landline/transfer/sink_state.h"

/* Whether a source that was asked for `path` may send `name`. Where the path ends in no name of its own (".", "~", "/") the
 * source says what the folder is called. */
static bool fits(struct slice path, const char *name) {
    char last[DISK_NAME];
    size_t end = path.size, begin;
    while (end > 0 &&
           (path.data[end - 1] == '/' || (end > 1 && path.data[end - 1] == '.' && path.data[end - 2] == '/')))
        end--;
    for (begin = end; begin > 0 && path.data[begin - 1] != '/';)
        begin--;
    size_t n = end - begin;
    if (n > TREE_NAME)
        return false;
    if (n > 0)
        memcpy(last, path.data + begin, n);
    last[n] = '\0';
    bool unnamed = n == 0 || strcmp(last, ".") == 0 || strcmp(last, "..") == 0 || strcmp(last, "~") == 0;
    return (unnamed && name[0] != '.') || strcmp(last, name) == 0 || fnmatch(last, name, FNM_PERIOD) == 0;
}

bool sink_asked(const struct sink_options *options, struct slice name) {
    char text[DISK_NAME];
    if (options->asked.size == 0)
        return true;
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    struct reader paths = reader_of(options->asked.data, options->asked.size);
    while (reader_left(&paths) > 0) {
        struct slice path = reader_str32(&paths);
        if (paths.failed)
            break;
        if (fits(path, text))
            return true;
    }
    return false;
}
