#include "lib/base/cpu.h"

/* The C library has asked the processor already. The compiler's __builtin_cpu_supports() asks again, at each start of a program that has
 * it, and in a virtual machine each question (CPUID) is answered by the host. */
#if defined(__x86_64__) && __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define HAS(feature) CPU_FEATURE_ACTIVE(feature)
#else
#define HAS(feature) false
#endif

bool cpu_has_avx2(void) {
    return HAS(AVX2);
}

bool cpu_has_avx512_gcm(void) {
    return HAS(AVX512BW) && HAS(VAES) && HAS(VPCLMULQDQ);
}
