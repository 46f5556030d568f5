/* capture.h, built without libpcap. */
#include "landline/observe/capture.h"

#include "lib/base/error.h"

int capture_open_live(struct capture **out, const char *interface, const char *filter, size_t bytes,
                      struct ll_error_info *info) {
    (void)bytes;
    (void)out;
    (void)filter;
    return error_at(info, LL_ENOTSUP, "capture", interface);
}

int capture_open_file(struct capture **out, const char *path, struct ll_error_info *info) {
    (void)out;
    return error_at(info, LL_ENOTSUP, "open", path);
}

int capture_keep(struct capture *c, const char *path, struct ll_error_info *info) {
    (void)c;
    return error_at(info, LL_ENOTSUP, "open", path);
}

int capture_fileno(const struct capture *c) {
    (void)c;
    return -1;
}

int capture_next(struct capture *c, struct packet *p) {
    (void)c;
    (void)p;
    return LL_ENOTSUP;
}

uint64_t capture_broken(const struct capture *c) {
    (void)c;
    return 0;
}

uint64_t capture_dropped(const struct capture *c) {
    (void)c;
    return 0;
}

int capture_close(struct capture *c) {
    (void)c;
    return 0;
}
