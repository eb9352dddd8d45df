#include "base/duration.h"

#include <string.h>

enum { PLACES_MAX = 6 };        /* behind the point; more make no difference */

static const struct { const char *name; uint64_t us; } units[] = {
	{ "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "min", 60000000 }, { "h", 3600000000 }, { "d", 86400000000 }, { "", 1000 },
};

static const uint64_t longest_us = (uint64_t)INT32_MAX * 1000;

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t\n\r\f\v");
}

/* 0: there is no such unit. */
static uint64_t read_unit(const char *text)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t size = strlen(units[i].name);

		if (strncmp(text, units[i].name, size) == 0 && !*skip_blanks(text + size))
			return units[i].us;
	}
	return 0;
}

bool duration_read(const char *text, uint64_t *ret_us)
{
	const char *at = skip_blanks(text);
	uint64_t whole = 0, part = 0, parts = 1, unit;
	int digits = 0, places = 0;

	for (; is_digit(*at); at++, digits++) {
		whole = whole * 10 + (uint64_t)(*at - '0');
		if (whole > longest_us)
			return false;
	}
	if (*at == '.') {
		for (at++; is_digit(*at); at++, digits++, places++) {
			if (places >= PLACES_MAX)
				continue;
			part = part * 10 + (uint64_t)(*at - '0');
			parts *= 10;
		}
	}
	unit = digits ? read_unit(skip_blanks(at)) : 0;
	if (!unit || whole > longest_us / unit)
		return false;
	*ret_us = whole * unit + part * unit / parts;
	return *ret_us <= longest_us;
}
