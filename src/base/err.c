#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

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
	size_t i = (size_t)((int64_t)code - ERR_TABLE_START_ - 1);

	return code > ERR_TABLE_START_ && i < row_count ? i : 0;
}

/* Text that did not fit ends behind its last whole character: half of one would be invalid UTF-8 to a client. */
static __attribute__((format(printf, 3, 0))) void set_text(char *out, size_t out_size, const char *format, va_list args)
{
	int size = vsnprintf(out, out_size, format, args);
	size_t end = out_size - 1, first = end;

	if (size < (int)out_size)
		return;
	while (first > 0 && end - first < 3 && ((unsigned char)out[first - 1] & 0xc0) == 0x80)
		first--;
	if (first > 0 && (unsigned char)out[first - 1] >= 0xc0) {
		unsigned char lead = (unsigned char)out[first - 1];
		size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

		if (end - (first - 1) < whole)
			out[first - 1] = '\0';
	}
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
	set_text(err->message, sizeof(err->message), format, args);
	va_end(args);
	return code;
}

int err_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "out of memory");
}

void err_detail(struct err *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	set_text(err->detail, sizeof(err->detail), format, args);
	va_end(args);
}

void err_hint(struct err *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	set_text(err->hint, sizeof(err->hint), format, args);
	va_end(args);
}

void err_sqlstate(struct err *err, const char *sqlstate)
{
	if (err)
		snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", sqlstate);
}

void err_keep(struct err **place, const struct err *err)
{
	if (!*place)
		*place = mem_alloc(sizeof(**place));
	**place = *err;
}

bool err_take(struct err **place, struct err *ret)
{
	if (!*place)
		return false;
	*ret = **place;
	err_forget(place);
	return true;
}

void err_forget(struct err **place)
{
	mem_free(*place);
	*place = NULL;
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
