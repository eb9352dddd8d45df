/* twins: texts that differ from one seen before in the values of integers and plain strings only. What the scanner made of that one holds for
 * them too, and finding that out costs a tenth of scanning.
 *
 * The scanner goes from left to right and looks at nothing behind a token, so that texts which are the same but for digits where an integer was, or
 * for what stood between two quotes, have the same tokens; and which literals are kept hangs on their place alone (keep.h).
 */
#pragma once

#include "sql/fingerprint.h"

struct twins;

struct twins *twins_new(void);
void twins_free(struct twins *twins);                   /* NULL is allowed */

/* The fingerprint of `sql`, valid until the next call; NULL when no twin of it is known. */
const struct fingerprint *twins_find(struct twins *twins, struct slice sql, bool standard_strings);

/* Remembers that `sql` has this fingerprint, unless it is too long. */
void twins_add(struct twins *twins, struct slice sql, const struct fingerprint *fingerprint);
