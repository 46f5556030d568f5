/* Filling a struct ll_error_info. */
#ifndef LIB_BASE_ERROR_H
#define LIB_BASE_ERROR_H

#include "landline/error.h"

/* Records a failure, if `info` is not NULL, and hands `code` back so that callers can write
 * `return error_at(info, code, "connect", address)`. `subject` may be NULL. */
int error_at(struct ll_error_info *info, int code, const char *call, const char *subject);

#endif
