/* What the processor can do, and the system lets it. */
#ifndef LIB_BASE_CPU_H
#define LIB_BASE_CPU_H

#include <stdbool.h>

bool cpu_has_avx2(void);
/* AVX-512 with what AES-GCM needs of it. */
bool cpu_has_avx512_gcm(void);

#endif
