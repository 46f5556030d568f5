/* Compiled with -mavx2: nothing of it may run before xxh3() has asked the processor. */
#include "landline/transfer/xxh3_body.h"

const struct xxh3 xxh3_avx2 = XXH3_FUNCTIONS;
