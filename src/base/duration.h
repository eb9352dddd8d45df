/* duration: a length of time as people write it and PostgreSQL reads it in its settings: "500ms", "5s", "1.5 min", "250" (milliseconds). Pure.
 * Source: PostgreSQL 15 documentation, 20.1.1. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Units are us, ms, s, min, h and d; blanks may stand around the number; without a unit it is milliseconds. False: it is no length of time, or
 * longer than PostgreSQL's longest, 2^31 - 1 ms. */
bool duration_read(const char *text, uint64_t *ret_us);
