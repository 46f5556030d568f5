/* landline/frame.h: messages over a stream of bytes.
 *
 * A stream has no messages: two sends may arrive in one receive, one send in two ("sticky packets"). The cure is a
 * header that says how long each message is. This decoder takes bytes in whatever pieces they arrive and hands out
 * whole frames; it is pure: no descriptor, no clock, no wait, so it works over any stream.
 *
 *     uint8_t bytes[4096];
 *     while ((n = receive(bytes, sizeof bytes)) > 0) {
 *         const uint8_t *at = bytes;
 *         size_t left = n;
 *         while ((e = ll_frame_next(decoder, &at, &left, &frame)) > 0)
 *             use(frame.payload, frame.size);
 *         if (e < 0)
 *             break;
 *     }
 *
 * A frame that lies whole within the bytes given is handed out in place, without a copy. Only one that is cut is
 * copied, and memory for it grows with the bytes that have arrived, never with the length that was announced: who
 * announces much and sends nothing costs nothing. The length is checked against the limit before either.
 *
 * All functions return 0 or a count, or a negative code of landline/error.h. One decoder, one thread at a time.
 */
#ifndef LANDLINE_FRAME_H
#define LANDLINE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "landline/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The longest header. */
#define LL_FRAME_HEADER_MAX 64

/* How frames look on the wire: a header of fixed size, then a payload whose size the header tells. */
struct ll_frame_format {
    size_t header_size; /* 1 … LL_FRAME_HEADER_MAX */
    size_t limit;       /* the largest payload of any frame, inclusive; larger is LL_ELIMIT */
    /* Reads the payload's size from a whole header. Returns 0, or a negative code that refuses the frame: LL_ELIMIT
     * where this type of frame must be smaller than `limit`, LL_EPROTOCOL, … It runs once a frame, before memory is
     * taken for it. */
    int (*measure)(void *arg, const uint8_t *header, size_t *payload_size);
    void *arg; /* for measure; must live as long as the decoder */
};

/* The plain format: the payload's size in 4 bytes, big-endian (network order, RFC 1700), then the payload. */
LL_API struct ll_frame_format ll_frame_u32(size_t limit);

/* Writes the header of the plain format for a payload of `size` bytes. LL_ELIMIT where it is above `limit` or does not
 * fit 4 bytes; header is not touched then. Send header and payload with one writev, or as one buffer. */
LL_API int ll_frame_u32_header(uint8_t header[4], size_t size, size_t limit);

typedef struct ll_frame_decoder ll_frame_decoder;

/* Makes a decoder; *format is copied. Errors: -EINVAL for a format with a header size out of range or without measure;
 * -ENOMEM. *out is NULL then. */
LL_API int ll_frame_decoder_new(const struct ll_frame_format *format, ll_frame_decoder **out);
LL_API void ll_frame_decoder_free(ll_frame_decoder *decoder);

struct ll_frame {
    const uint8_t *header;  /* header_size bytes */
    const uint8_t *payload; /* size bytes; never NULL */
    size_t size;
};

/* Takes bytes from the front of (*bytes)[0 … *size - 1] and moves both on. Returns
 *
 *   1   *frame is the next frame. It points into your bytes or into the decoder, and is valid as long as your bytes
 *       are and until the next call on the decoder. Call again for the bytes that are left.
 *   0   all bytes are taken and there is no whole frame: get more.
 *   <0  what measure said, LL_ELIMIT, or -ENOMEM. It stays: every later call gives the same and takes nothing. */
LL_API int ll_frame_next(ll_frame_decoder *decoder, const uint8_t **bytes, size_t *size, struct ll_frame *frame);

/* The stream has ended: 0 when it did so between two frames, LL_EFORMAT when it cut one, or the earlier error. */
LL_API int ll_frame_end(const ll_frame_decoder *decoder);

/* Bytes of a cut frame that the decoder holds, header included. */
LL_API size_t ll_frame_held(const ll_frame_decoder *decoder);

#ifdef __cplusplus
}
#endif
#endif
