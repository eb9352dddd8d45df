/* utf8: whether bytes are well-formed UTF-8 (Unicode 15, table 3-7). Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The size, in bytes, of the character that a text which ends with a zero begins with; 0 at the end, and where none begins. */
size_t utf8_next(const char *text);

bool utf8_valid(const char *text);
