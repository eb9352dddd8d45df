/* boolean: yes or no as people write it and PostgreSQL reads it: "on", "false", "1", and the beginnings of words that are no others' ("t", "of"). Pure.
 * Source: parse_bool_with_len() of PostgreSQL's bool.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Of `text` that many bytes, without blanks around them. False: they mean neither. */
bool boolean_read(const char *text, size_t size, bool *ret_value);
