/* What a digest costs: nanoseconds a byte, of pieces that are in the cache, the best of some rounds.
 *
 *     bench-digest */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "landline/transfer/xxh3.h"

enum { PIECE = 256 << 10, PIECES = 2000, ROUNDS = 5 };

static _Alignas(64) unsigned char state[XXH3_STATE], piece[PIECE];

static void add_xxh64(const void *bytes, size_t n) {
    XXH64_update((XXH64_state_t *)(void *)state, bytes, n);
}

static void add_plain(const void *bytes, size_t n) {
    xxh3_plain.update(state, bytes, n);
}

static void add_widest(const void *bytes, size_t n) {
    xxh3()->update(state, bytes, n);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cost(void (*add)(const void *bytes, size_t n)) {
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds();
        for (int i = 0; i < PIECES; i++)
            add(piece, PIECE);
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    return best * 1e9 / PIECE / PIECES;
}

int main(void) {
    for (size_t i = 0; i < PIECE; i++)
        piece[i] = (unsigned char)(i * 31 >> 3);
    XXH64_reset((XXH64_state_t *)(void *)state, 0);
    printf("XXH64            %.3f ns/B\n", cost(add_xxh64));
    xxh3_plain.reset(state);
    printf("XXH3             %.3f ns/B\n", cost(add_plain));
    xxh3()->reset(state);
    printf("XXH3, as it runs %.3f ns/B\n", cost(add_widest));
    return 0;
}
