/* nesting: a bound on how deep a text's parse tree can be, before it is parsed.
 *
 * libpg_query and protobuf-c recurse over the tree without a limit, and `1+1+1+…` or a chain of UNION is as deep as it is
 * long: beyond some thousand levels the stack of a thread is gone. So depth is bounded here, from the tokens alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* At least the depth of the tree; SIZE_MAX when the scanner refuses the text. */
size_t nesting_bound(struct slice sql, bool standard_strings);
