/* rewrite: small changes of a statement's text, with what is needed to map error positions back.
 *
 * The text outside of the changed place stays byte for byte as the client wrote it.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* One replacement: the bytes [offset, offset + size) of the old text became `new_size` bytes. */
struct rewrite {
	size_t offset;
	size_t size, new_size;
};

/* Appends to `out` the EXECUTE, PREPARE or DEALLOCATE in `sql` with the name of the prepared statement replaced by `name`,
 * quoted. EXPLAIN EXECUTE and CREATE TABLE … AS EXECUTE count as EXECUTE. Nothing is appended on error.
 * ERR_SYNTAX: no name stands where one must (DEALLOCATE ALL has none). */
must_use int rewrite_execute(struct slice sql, bool standard_strings, struct slice name, struct buf *out,
			     struct rewrite *ret_rewrite, struct err *err);

/* Appends `name` as a quoted identifier. */
void rewrite_quote_name(struct slice name, struct buf *out);

/* The place in the old text, in characters and counted from 1 as PostgreSQL's 'P' field has it, of `position` in the new
 * text. Inside of the replaced name it is where that began. Both texts are UTF-8, or of one byte a character. */
size_t rewrite_position(const struct rewrite *rewrite, struct slice old_text, struct slice new_text, bool utf8,
			size_t position);
