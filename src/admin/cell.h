/* cell: the values of the nanu schema as PostgreSQL's text, and back, as SQLite holds them. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "admin/translate.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct cell_number {                   /* BOOL, INT8, TIME: integer; FLOAT8: real */
	int64_t integer;
	double real;
};

/* What PostgreSQL's input function makes of `text`. ERR_INVALID_TEXT, ERR_OUT_OF_RANGE as there; ERR_UNSUPPORTED for timestamps. */
must_use int cell_read(enum value_type type, const char *text, struct cell_number *ret, struct err *err);

char *cell_float_text(double real, struct arena *arena);       /* the shortest that reads back the same */
char *cell_time_text(int64_t us, struct arena *arena);         /* in UTC: 2024-05-01 12:00:00.5+00 */

/* A parameter in binary format of a type (OID) -> its text. ERR_INVALID_TEXT when the bytes are none of the type; ERR_UNSUPPORTED for other
 * types than the nanu schema has. */
must_use int cell_from_binary(uint32_t type, struct slice bytes, struct arena *arena, const char **ret, struct err *err);
