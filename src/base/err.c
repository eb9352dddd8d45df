#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	const char *sqlstate;
	const char *text;
	bool retryable;
} rows[] = {
#define X(name, sqlstate, text, retryable) { #name, sqlstate, text, retryable },
	ERR_TABLE(X)
#undef X
};

static const size_t row_count = sizeof(rows) / sizeof(rows[0]);

static size_t row_index(int code)
{
	size_t i = (size_t)(code - ERR_TABLE_START_ - 1);

	return code > ERR_TABLE_START_ && i < row_count ? i : 0;
}

int err_set(struct err *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return code;
	memset(err, 0, sizeof(*err));
	err->code = code;
	memcpy(err->sqlstate, rows[row_index(code)].sqlstate, sizeof(err->sqlstate));
	va_start(args, format);
	vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	return code;
}

void err_detail(struct err *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	vsnprintf(err->detail, sizeof(err->detail), format, args);
	va_end(args);
}

void err_hint(struct err *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	vsnprintf(err->hint, sizeof(err->hint), format, args);
	va_end(args);
}

void err_sqlstate(struct err *err, const char *sqlstate)
{
	if (err)
		snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", sqlstate);
}

const char *err_code_name(int code)
{
	return rows[row_index(code)].name;
}

const char *err_code_sqlstate(int code)
{
	return rows[row_index(code)].sqlstate;
}

const char *err_code_text(int code)
{
	return rows[row_index(code)].text;
}

bool err_code_retryable(int code)
{
	return rows[row_index(code)].retryable;
}
