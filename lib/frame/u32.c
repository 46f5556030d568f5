#include "landline/frame.h"

static int measure(void *arg, const uint8_t *header, size_t *payload_size) {
    (void)arg;
    *payload_size = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    return 0; /* the decoder holds it against the format's limit */
}

struct ll_frame_format ll_frame_u32(size_t limit) {
    return (struct ll_frame_format){.header_size = 4, .limit = limit, .measure = measure};
}

int ll_frame_u32_header(uint8_t header[4], size_t size, size_t limit) {
    if (size > limit || size > UINT32_MAX)
        return LL_ELIMIT;
    for (int i = 0; i < 4; i++)
        header[i] = (uint8_t)(size >> (24 - 8 * i));
    return 0;
}
