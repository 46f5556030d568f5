/* The frame decoder: any bytes, cut in any way, give the same frames as all at once. The first byte is the size of the
 * pieces. */
#include "landline/frame.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 300 };

/* Frames as length and payload in `log`; the decoder's last word is returned. */
static int decode(const uint8_t *data, size_t size, size_t piece, struct buf *log) {
    struct ll_frame_format format = ll_frame_u32(LIMIT);
    ll_frame_decoder *decoder;
    if (ll_frame_decoder_new(&format, &decoder) < 0)
        abort();
    int e = 0;
    while (size > 0 && e >= 0) {
        const uint8_t *at = data;
        size_t n = piece < size ? piece : size, left = n;
        struct ll_frame frame;
        while ((e = ll_frame_next(decoder, &at, &left, &frame)) > 0) {
            if (frame.size > LIMIT)
                abort();
            buf_add_u32(log, (uint32_t)frame.size);
            buf_add(log, frame.payload, frame.size);
        }
        if (e == 0 && left > 0)
            abort();
        if (ll_frame_held(decoder) > LIMIT + 4)
            abort();
        data += n;
        size -= n;
    }
    ll_frame_decoder_free(decoder);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    struct buf whole, cut;
    buf_init(&whole, 16 << 20);
    buf_init(&cut, 16 << 20);
    int e1 = decode(data + 1, size - 1, size, &whole), e2 = decode(data + 1, size - 1, data[0] + 1u, &cut);
    if (e1 != e2 || buf_size(&whole) != buf_size(&cut))
        abort();
    if (buf_size(&whole) > 0 && memcmp(buf_front(&whole), buf_front(&cut), buf_size(&whole)) != 0)
        abort();
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
