/* fingerprint: a statement with its literals taken out, and where they were.
 *
 * One pass of the lexer, no allocation beyond what the caller lends. Two texts with the same normal form have the same shape,
 * whatever their literals: a literal that decides meaning stays in the normal form (DESIGN: "Knowing a statement"). The
 * hash is XXH3-128 of the normal form; a cache hit must still compare the normal form.
 *
 * A *slot* is a literal's place in the normal form, counted from 0. Lists of literals after IN ( and in ARRAY[ collapse into
 * one slot that holds them all, so that lists of different length are one statement.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum literal_class {
	LITERAL_INTEGER,                /* digits that fit int8: what the grammar makes int4 or int8 */
	LITERAL_DECIMAL,                /* with point or exponent, or too large for int8 */
	LITERAL_STRING,                 /* '…', E'…', U&'…', $$…$$; the string of N'…' */
	LITERAL_BIT,                    /* B'…', X'…' */
};

struct literal {
	enum literal_class class;
	uint32_t offset, size;          /* in the text, quotes, prefix (not N) and UESCAPE included: where the parser says
					 * that the constant is */
	uint32_t slot;
	bool kept;                      /* its text stands in the normal form too */
};

struct fingerprint {
	uint64_t hash[2];
	struct slice normal;            /* the normal form, in the caller's buffer */
	struct literal *literals;       /* in order of offset */
	size_t literal_count;
	size_t slot_count;
	int param_max;                  /* highest $n seen */
	bool several;                   /* more than one statement: a semicolon with something behind it */
	bool standard_strings;          /* as it was made */
	uint32_t hint_offset, hint_size;        /* what a leading comment says after "nanu:", in the text; 0, 0: none; several comments do: all from there on */
};

/* Working memory that one thread keeps and lends to each call. `remembers`: it keeps what texts were like, to know those again that differ in
 * the values of literals only (twins.h), which pays where statements come again. */
struct fingerprinter;
struct fingerprinter *fingerprinter_new(bool remembers);
void fingerprinter_free(struct fingerprinter *fingerprinter);

/* Fingerprints `sql` (UTF-8 or any encoding whose bytes >= 0x80 are not ASCII) as PostgreSQL's scanner reads it with
 * standard_conforming_strings = `standard_strings`. The result's pointers are valid until the next call.
 * ERR_SYNTAX: the scanner would refuse the text (unterminated string, …); PostgreSQL will say it better.
 * ERR_LIMIT: it is longer than STATEMENT_SIZE_MAX. */
must_use int fingerprint_make(struct fingerprinter *fingerprinter, struct slice sql, bool standard_strings,
			      const struct fingerprint **ret_fingerprint, struct err *err);

/* The value of a literal as PostgreSQL reads it: quotes, escapes and prefix undone; continued strings ('a' newline 'b') joined.
 * Appended to `out`. Numbers come as they stand, bit strings with the "b" or "x" that bit_in() knows, escaped Unicode as
 * UTF-8. ERR_SYNTAX for what PostgreSQL would refuse; whether the bytes are valid in its encoding is not looked at. */
must_use int literal_value(struct slice sql, const struct literal *literal, bool standard_strings, struct buf *out,
			   struct err *err);

/* Whether a string among the literals may be read as a point in time that depends on when it is read: 'now', 'today', 'tomorrow', 'yesterday'
 * (PostgreSQL documentation 8.5.1.4), also among other words; anything with a backslash may. */
bool literals_tell_time(const struct fingerprint *fingerprint, struct slice sql);
