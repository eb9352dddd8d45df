#include "admin/functions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "admin/cell.h"

static struct functions *of(sqlite3_context *context)
{
	return sqlite3_user_data(context);
}

static void fail(sqlite3_context *context, int code, const char *sqlstate, const char *message)
{
	struct functions *functions = of(context);

	if (!functions->err.code) {
		err_set(&functions->err, code, "%s", message);
		err_sqlstate(&functions->err, sqlstate);
	}
	sqlite3_result_error(context, message, -1);
}

static bool has_null(int count, sqlite3_value **args)
{
	for (int i = 0; i < count; i++)
		if (sqlite3_value_type(args[i]) == SQLITE_NULL)
			return true;
	return false;
}

static const char *text_arg(sqlite3_value *arg)
{
	const unsigned char *text = sqlite3_value_text(arg);

	return text ? (const char *)text : "";
}

/* ---- arithmetic ---- */

static void whole(sqlite3_context *context, char what, int64_t a, int64_t b)
{
	int64_t result = 0;
	bool over = false;

	if ((what == '/' || what == '%') && b == 0) {
		fail(context, ERR_OUT_OF_RANGE, "22012", "division by zero");
		return;
	}
	if (what == '+')
		over = __builtin_add_overflow(a, b, &result);
	else if (what == '-')
		over = __builtin_sub_overflow(a, b, &result);
	else if (what == '*')
		over = __builtin_mul_overflow(a, b, &result);
	else if (b == -1)
		over = what == '/' && __builtin_sub_overflow(0, a, &result);
	else
		result = what == '/' ? a / b : a % b;
	if (over)
		fail(context, ERR_OUT_OF_RANGE, "22003", "bigint out of range");
	else
		sqlite3_result_int64(context, result);
}

static void calculate(sqlite3_context *context, char what, int count, sqlite3_value **args)
{
	double a, b;

	if (has_null(count, args))
		return;
	if (sqlite3_value_type(args[0]) == SQLITE_INTEGER && sqlite3_value_type(args[1]) == SQLITE_INTEGER) {
		whole(context, what, sqlite3_value_int64(args[0]), sqlite3_value_int64(args[1]));
		return;
	}
	a = sqlite3_value_double(args[0]);
	b = sqlite3_value_double(args[1]);
	if (what == '/' && b == 0)
		fail(context, ERR_OUT_OF_RANGE, "22012", "division by zero");
	else
		sqlite3_result_double(context, what == '+' ? a + b : what == '-' ? a - b : what == '*' ? a * b : a / b);
}

static void plus(sqlite3_context *context, int count, sqlite3_value **args)
{
	calculate(context, '+', count, args);
}

static void minus(sqlite3_context *context, int count, sqlite3_value **args)
{
	calculate(context, '-', count, args);
}

static void times(sqlite3_context *context, int count, sqlite3_value **args)
{
	calculate(context, '*', count, args);
}

static void divide(sqlite3_context *context, int count, sqlite3_value **args)
{
	calculate(context, '/', count, args);
}

static void modulo(sqlite3_context *context, int count, sqlite3_value **args)
{
	calculate(context, '%', count, args);
}

/* SQLite computes with doubles; PostgreSQL rounds halves of a double to even, and of a numeric (round(x, n)) away from zero. */
static void round_real(sqlite3_context *context, int count, sqlite3_value **args)
{
	double scale;

	if (has_null(count, args))
		return;
	if (count == 1) {
		sqlite3_result_double(context, rint(sqlite3_value_double(args[0])));
		return;
	}
	scale = pow(10, sqlite3_value_double(args[1]));
	sqlite3_result_double(context, round(sqlite3_value_double(args[0]) * scale) / scale);
}

static void floor_real(sqlite3_context *context, int count, sqlite3_value **args)
{
	if (!has_null(count, args))
		sqlite3_result_double(context, floor(sqlite3_value_double(args[0])));
}

static void ceil_real(sqlite3_context *context, int count, sqlite3_value **args)
{
	if (!has_null(count, args))
		sqlite3_result_double(context, ceil(sqlite3_value_double(args[0])));
}

/* ---- casts ---- */

static void to_int(sqlite3_context *context, int count, sqlite3_value **args)
{
	int bits = sqlite3_value_int(args[1]);
	struct cell_number number = { 0 };
	double real;

	if (has_null(count, args))
		return;
	switch (sqlite3_value_type(args[0])) {
	case SQLITE_TEXT:
		if (cell_read(TYPE_INT8, text_arg(args[0]), &number, &of(context)->err) < 0) {
			sqlite3_result_error(context, of(context)->err.message, -1);
			return;
		}
		break;
	case SQLITE_FLOAT:
		real = rint(sqlite3_value_double(args[0]));
		if (!(real >= -9223372036854775808.0 && real < 9223372036854775808.0)) {
			fail(context, ERR_OUT_OF_RANGE, "22003", "bigint out of range");
			return;
		}
		number.integer = (int64_t)real;
		break;
	default:
		number.integer = sqlite3_value_int64(args[0]);
	}
	if (bits < 64 && (number.integer < -(INT64_C(1) << (bits - 1)) || number.integer >= INT64_C(1) << (bits - 1)))
		fail(context, ERR_OUT_OF_RANGE, "22003", bits == 16 ? "smallint out of range" : "integer out of range");
	else
		sqlite3_result_int64(context, number.integer);
}

static void to_float(sqlite3_context *context, int count, sqlite3_value **args)
{
	struct cell_number number = { .real = sqlite3_value_double(args[0]) };

	if (has_null(count, args))
		return;
	if (sqlite3_value_type(args[0]) == SQLITE_TEXT && cell_read(TYPE_FLOAT8, text_arg(args[0]), &number, &of(context)->err) < 0)
		sqlite3_result_error(context, of(context)->err.message, -1);
	else
		sqlite3_result_double(context, number.real);
}

static void to_bool(sqlite3_context *context, int count, sqlite3_value **args)
{
	struct cell_number number = { .integer = sqlite3_value_double(args[0]) != 0 };

	if (has_null(count, args))
		return;
	if (sqlite3_value_type(args[0]) == SQLITE_TEXT && cell_read(TYPE_BOOL, text_arg(args[0]), &number, &of(context)->err) < 0)
		sqlite3_result_error(context, of(context)->err.message, -1);
	else
		sqlite3_result_int64(context, number.integer);
}

static void bool_text(sqlite3_context *context, int count, sqlite3_value **args)
{
	if (!has_null(count, args))
		sqlite3_result_text(context, sqlite3_value_int(args[0]) ? "true" : "false", -1, SQLITE_STATIC);
}

static void float_text(sqlite3_context *context, int count, sqlite3_value **args)
{
	if (!has_null(count, args))
		sqlite3_result_text(context, cell_float_text(sqlite3_value_double(args[0]), of(context)->arena), -1, SQLITE_TRANSIENT);
}

static void time_text(sqlite3_context *context, int count, sqlite3_value **args)
{
	if (!has_null(count, args))
		sqlite3_result_text(context, cell_time_text(sqlite3_value_int64(args[0]), of(context)->arena), -1, SQLITE_TRANSIENT);
}

static void now_us(sqlite3_context *context, int count, sqlite3_value **args)
{
	sqlite3_result_int64(context, of(context)->now_us);
}

/* ---- text ---- */

static char folded(char letter)
{
	return letter >= 'A' && letter <= 'Z' ? (char)(letter | 0x20) : letter;
}

enum { LIKE_STEPS_MAX = 10000000, LIKE_BAD_PATTERN = -1, LIKE_TOO_LONG = -2 };

/* LIKE with PostgreSQL's escape, the backslash; a % that fails goes back to the last one only, so it ends in size * size steps. */
static int like(const char *text, const char *pattern, bool fold)
{
	const char *again_text = NULL, *again_pattern = NULL;
	int steps = 0;

	while (*text || *pattern == '%') {
		bool any = *pattern == '_', many = *pattern == '%';
		char wanted = *pattern;

		if (++steps > LIKE_STEPS_MAX)
			return LIKE_TOO_LONG;
		if (many) {
			again_pattern = ++pattern;
			again_text = text;
			continue;
		}
		if (wanted == '\\') {
			wanted = *++pattern;
			if (!wanted)
				return LIKE_BAD_PATTERN;
		}
		if (wanted && (any || (fold ? folded(wanted) == folded(*text) : wanted == *text))) {
			pattern++;
			/* _ is a character, and a character of UTF-8 has one leading byte */
			for (text++; any && ((unsigned char)*text & 0xc0) == 0x80; text++)
				;
			continue;
		}
		if (!again_pattern || !*again_text)
			return 0;
		text = ++again_text;
		pattern = again_pattern;
	}
	return *pattern == '\0';
}

static void match(sqlite3_context *context, int count, sqlite3_value **args, bool fold)
{
	int rc;

	if (has_null(count, args))
		return;
	rc = like(text_arg(args[0]), text_arg(args[1]), fold);
	if (rc == LIKE_TOO_LONG)
		fail(context, ERR_LIMIT, "54000", "LIKE takes too many steps");
	else if (rc == LIKE_BAD_PATTERN)
		fail(context, ERR_INVALID_VALUE, "22025", "LIKE pattern must not end with escape character");
	else
		sqlite3_result_int(context, rc);
}

static void like_exact(sqlite3_context *context, int count, sqlite3_value **args)
{
	match(context, count, args, false);
}

static void like_folded(sqlite3_context *context, int count, sqlite3_value **args)
{
	match(context, count, args, true);
}

static void starts_with(sqlite3_context *context, int count, sqlite3_value **args)
{
	if (!has_null(count, args))
		sqlite3_result_int(context, strncmp(text_arg(args[0]), text_arg(args[1]), strlen(text_arg(args[1]))) == 0);
}

/* ---- greatest, least: NULLs do not count ---- */

static int compare(sqlite3_value *a, sqlite3_value *b)
{
	double x = sqlite3_value_double(a), y = sqlite3_value_double(b);

	if (sqlite3_value_type(a) == SQLITE_TEXT)
		return strcmp(text_arg(a), text_arg(b));
	if (sqlite3_value_type(a) == SQLITE_INTEGER && sqlite3_value_type(b) == SQLITE_INTEGER)
		return sqlite3_value_int64(a) < sqlite3_value_int64(b) ? -1 : sqlite3_value_int64(a) > sqlite3_value_int64(b);
	return x < y ? -1 : x > y;
}

static void choose(sqlite3_context *context, int count, sqlite3_value **args, int sign)
{
	sqlite3_value *best = NULL;

	for (int i = 0; i < count; i++)
		if (sqlite3_value_type(args[i]) != SQLITE_NULL && (!best || compare(args[i], best) * sign > 0))
			best = args[i];
	if (best)
		sqlite3_result_value(context, best);
}

static void greatest(sqlite3_context *context, int count, sqlite3_value **args)
{
	choose(context, count, args, 1);
}

static void least(sqlite3_context *context, int count, sqlite3_value **args)
{
	choose(context, count, args, -1);
}

/* ---- LIMIT, OFFSET, scalar subqueries ---- */

static void limit_rows(sqlite3_context *context, int count, sqlite3_value **args)
{
	int64_t rows = has_null(count, args) ? -1 : sqlite3_value_int64(args[0]);       /* -1: SQLite's "all" */

	if (rows < 0 && !has_null(count, args))
		fail(context, ERR_INVALID_VALUE, "2201W", "LIMIT must not be negative");
	else
		sqlite3_result_int64(context, rows);
}

static void offset_rows(sqlite3_context *context, int count, sqlite3_value **args)
{
	int64_t rows = has_null(count, args) ? 0 : sqlite3_value_int64(args[0]);

	if (rows < 0)
		fail(context, ERR_INVALID_VALUE, "2201X", "OFFSET must not be negative");
	else
		sqlite3_result_int64(context, rows);
}

struct only_row { sqlite3_value *value; };

static void only_row_step(sqlite3_context *context, int count, sqlite3_value **args)
{
	struct only_row *only = sqlite3_aggregate_context(context, sizeof(*only));

	if (!only)
		sqlite3_result_error_nomem(context);
	else if (only->value)
		fail(context, ERR_INVALID_VALUE, "21000", "more than one row returned by a subquery used as an expression");
	else
		only->value = sqlite3_value_dup(args[0]);
}

static void only_row_final(sqlite3_context *context)
{
	struct only_row *only = sqlite3_aggregate_context(context, 0);

	if (!only || !only->value)
		return;
	sqlite3_result_value(context, only->value);
	sqlite3_value_free(only->value);
}

int functions_add(sqlite3 *db, struct functions *functions)
{
	static const struct { const char *name; int args; void (*call)(sqlite3_context *, int, sqlite3_value **); } table[] = {
		{ "plus", 2, plus }, { "minus", 2, minus }, { "times", 2, times }, { "divide", 2, divide }, { "modulo", 2, modulo },
		{ "round", 1, round_real }, { "round", 2, round_real }, { "floor", 1, floor_real }, { "ceil", 1, ceil_real },
		{ "to_int", 2, to_int }, { "to_float", 1, to_float }, { "to_bool", 1, to_bool },
		{ "bool_text", 1, bool_text }, { "float_text", 1, float_text }, { "time_text", 1, time_text }, { "now_us", 0, now_us },
		{ "like_exact", 2, like_exact }, { "like_folded", 2, like_folded }, { "starts_with", 2, starts_with },
		{ "greatest", -1, greatest }, { "least", -1, least },
		{ "limit_rows", 1, limit_rows }, { "offset_rows", 1, offset_rows },
	};
	int rc = SQLITE_OK;

	for (size_t i = 0; rc == SQLITE_OK && i < sizeof(table) / sizeof(table[0]); i++)
		rc = sqlite3_create_function_v2(db, table[i].name, table[i].args, SQLITE_UTF8 | SQLITE_DETERMINISTIC, functions, table[i].call,
						NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_create_function_v2(db, "only_row", 1, SQLITE_UTF8, functions, NULL, only_row_step, only_row_final, NULL);
	return rc;
}
