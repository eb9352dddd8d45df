/* file: what a small file says, whole or not at all: who works with a part of it takes the rest for missing. */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* Its bytes, with a zero behind them that *ret_size (NULL is allowed) does not count; mem_free() it. NULL after an error: ERR_IO, or ERR_LIMIT when it has
 * more than `size_max`. */
must_use int file_read(const char *path, size_t size_max, char **ret_text, size_t *ret_size, struct err *err);
