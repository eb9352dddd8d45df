#include "place/key_time.h"

static const int64_t SECOND_US = 1000000;
static const int64_t DAY_SECONDS = 24 * 3600;

/* A cursor over the text; every step that finds something else makes it fail for good. */
struct reader {
	struct slice rest;
	bool failed;
};

static bool next_is(struct reader *reader, char wanted)
{
	if (reader->failed || reader->rest.size == 0 || reader->rest.data[0] != wanted)
		return false;
	reader->rest.data++;
	reader->rest.size--;
	return true;
}

static bool at_digit(const struct reader *reader)
{
	return reader->rest.size > 0 && reader->rest.data[0] >= '0' && reader->rest.data[0] <= '9';
}

static void expect(struct reader *reader, char wanted)
{
	if (!next_is(reader, wanted))
		reader->failed = true;
}

static int64_t digits(struct reader *reader, int count, int64_t low, int64_t high)
{
	int64_t value = 0;

	for (int i = 0; i < count; i++) {
		if (reader->failed || !at_digit(reader)) {
			reader->failed = true;
			return low;
		}
		value = value * 10 + (reader->rest.data[0] - '0');
		reader->rest.data++;
		reader->rest.size--;
	}
	if (value < low || value > high)
		reader->failed = true;
	return value;
}

static int64_t month_days(int64_t year, int64_t month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 2000-01-01 in the proleptic Gregorian calendar; years are counted from March so that a leap day comes last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t shifted = month > 2 ? year : year - 1, from_march = (month + 9) % 12;
	int64_t days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (from_march * 153 + 2) / 5 + day - 1;
	static const int64_t days_2000_01_01 = 730425;

	return days - days_2000_01_01;
}

static int64_t read_date(struct reader *reader)
{
	int64_t year, month, day;

	year = digits(reader, 4, 1, 9999);
	expect(reader, '-');
	month = digits(reader, 2, 1, 12);
	expect(reader, '-');
	day = digits(reader, 2, 1, 31);
	if (reader->failed || day > month_days(year, month)) {
		reader->failed = true;
		return 0;
	}
	return days_of(year, month, day);
}

/* HH:MM[:SS[.f…]], at most six digits of fraction: beyond them PostgreSQL rounds. */
static int64_t read_time(struct reader *reader)
{
	int64_t seconds, fraction = 0, scale = SECOND_US;

	seconds = digits(reader, 2, 0, 23) * 3600;
	expect(reader, ':');
	seconds += digits(reader, 2, 0, 59) * 60;
	if (!next_is(reader, ':'))
		return seconds * SECOND_US;
	seconds += digits(reader, 2, 0, 59);
	if (next_is(reader, '.')) {
		fraction = digits(reader, 1, 0, 9);
		for (scale /= 10; at_digit(reader) && scale > 1; scale /= 10)
			fraction = fraction * 10 + digits(reader, 1, 0, 9);
		return seconds * SECOND_US + fraction * scale;
	}
	return seconds * SECOND_US;
}

static int64_t read_offset(struct reader *reader)
{
	int64_t sign, seconds;

	if (next_is(reader, 'Z'))
		return 0;
	sign = next_is(reader, '-') ? -1 : 1;
	if (sign > 0)
		expect(reader, '+');
	seconds = digits(reader, 2, 0, 15) * 3600;
	if (next_is(reader, ':') || at_digit(reader))
		seconds += digits(reader, 2, 0, 59) * 60;
	return sign * seconds * SECOND_US;
}

bool key_time_date(struct slice text, int64_t *ret_days)
{
	struct reader reader = { .rest = text };

	*ret_days = read_date(&reader);
	return !reader.failed && reader.rest.size == 0;
}

static bool read_timestamp(struct reader *reader, int64_t *ret_microseconds)
{
	*ret_microseconds = read_date(reader) * DAY_SECONDS * SECOND_US;
	if (!reader->failed && reader->rest.size == 0)
		return true;
	if (!next_is(reader, 'T'))
		expect(reader, ' ');
	*ret_microseconds += read_time(reader);
	return !reader->failed;
}

bool key_time_timestamp(struct slice text, int64_t *ret_microseconds)
{
	struct reader reader = { .rest = text };

	return read_timestamp(&reader, ret_microseconds) && reader.rest.size == 0;
}

bool key_time_timestamptz(struct slice text, int64_t *ret_microseconds)
{
	struct reader reader = { .rest = text };

	if (!read_timestamp(&reader, ret_microseconds))
		return false;
	*ret_microseconds -= read_offset(&reader);
	return !reader.failed && reader.rest.size == 0;
}
