/* call: one `SELECT nanu.function(arg, name => arg, …)`, read with PostgreSQL's parser. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

enum { CALL_ARGS_MAX = 16 };

struct call_arg {
	const char *name;               /* NULL: by position */
	const char *value;              /* as text; NULL: SQL NULL */
};

struct call {
	const char *function;           /* without "nanu." */
	const char *column;             /* what the result column is called */
	struct call_arg args[CALL_ARGS_MAX];
	size_t arg_count;
	size_t param_count;             /* the highest $n */
};

/* 1: the statement is one call of a nanu function and nothing else, `SELECT nanu.f(…)` or `SELECT * FROM nanu.f(…)`; 0: it is something else; ERR_SYNTAX, ERR_UNSUPPORTED (an argument
 * that is no constant or parameter). `params` are the values of $1, …. */
must_use int call_read(const char *sql, const char *const *params, size_t param_count, struct arena *arena, struct call *ret_call,
		       struct err *err);

/* The argument `name`, or the one at `position` (from 0) if it was given by position; `fallback` when neither is there. */
const char *call_arg(const struct call *call, size_t position, const char *name, const char *fallback);
/* ERR_UNDEFINED_FUNCTION for arguments that are not among the NULL-ended `names`, or too many. */
must_use int call_check(const struct call *call, const char *const *names, struct err *err);
