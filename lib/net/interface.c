/* Network interfaces by number and name. */
#include "landline/resolve.h"

#include <errno.h>
#include <string.h>

int ll_if_nameindex(struct ll_interface *out, size_t max) {
    if (out == NULL && max > 0)
        return -EINVAL;
    struct if_nameindex *list = if_nameindex();
    if (list == NULL)
        return -errno;
    size_t count = 0;
    for (; list[count].if_index != 0; count++) {
        if (count >= max)
            continue;
        out[count] = (struct ll_interface){.index = list[count].if_index};
        strncpy(out[count].name, list[count].if_name, sizeof out[count].name - 1);
    }
    if_freenameindex(list);
    return (int)count;
}

int ll_if_nametoindex(const char *name) {
    if (name == NULL)
        return -EINVAL;
    unsigned int index = if_nametoindex(name);
    return index == 0 ? -ENODEV : (int)index;
}

int ll_if_indextoname(unsigned int index, char out[IF_NAMESIZE]) {
    if (out == NULL)
        return -EINVAL;
    return if_indextoname(index, out) == NULL ? -ENXIO : 0;
}
