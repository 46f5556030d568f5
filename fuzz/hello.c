/* Any bytes as what a stranger sends first: the search for the server's name in a ClientHello, and the knock in it. */
#include "lib/tls/hello.h"

#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "lib/tls/knock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct tls_pin pin;
    char name[HELLO_NAME];
    int r = hello_server_name(data, size, name);
    if (r != 0 && r != 1 && r != LL_EFORMAT && r != LL_ELIMIT)
        abort();
    if (r == 1 && (memchr(name, '\0', sizeof name) == NULL || knock_check(&pin, 0, name) == KNOCK_ERROR))
        abort();
    /* What is refused or understood with all bytes was not so with fewer, unless by what is there already. */
    if (r == 0 && size > 0 && hello_server_name(data, size - 1, name) != 0)
        abort();
    return 0;
}
