/* body: which names the source of a function speaks of, in SQL or PL/pgSQL.
 *
 * Nothing is parsed: what a function calls, reads or writes without making text into SQL must be named by a word of its source, so the words are
 * all that there is to look at. More words are told than are names of functions or tables, never fewer.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* Calls `tell` with every name (folded, without quotes; a zero stands behind it) until it returns false. `field`: it stands behind "new." or "old.",
 * and so may be a function's name, but no table's. False when `tell` was, or when the source could do what its words do not show: it makes SQL of text (EXECUTE), defines
 * something, or cannot be read for sure. */
bool body_names(struct slice source, bool (*tell)(void *owner, struct slice name, bool field), void *owner);

/* Whether the source may make definitions by itself: it has words of such, or makes SQL of text; or cannot be read for sure. */
bool body_defines(struct slice source);

/* Whether the source has a statement that changes its session: SET (but for that of UPDATE), RESET, DISCARD, LISTEN, UNLISTEN, LOAD, a cursor WITH
 * HOLD; or cannot be read for sure. What it does by calling functions, and what makes body_names() false, is not told. */
bool body_sets(struct slice source);
