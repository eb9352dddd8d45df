#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char lines[16384];

/* What `write_some` sent to standard error. */
static void collect(void (*write_some)(void))
{
	int saved = dup(STDERR_FILENO), ends[2];
	ssize_t size;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	write_some();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	size = read(ends[0], lines, sizeof(lines) - 1);
	close(ends[0]);
	lines[size > 0 ? size : 0] = '\0';
}

static void write_one(void)
{
	log_info("pool", "node=%s msg=\"opened\"", "n1");
}

static void a_line_has_time_level_and_part(void **state)
{
	int year, end = 0;

	collect(write_one);
	assert_int_equal(sscanf(lines, "time=%d-%*d-%*dT%*d:%*d:%*d.%*3dZ level=info part=pool node=n1 msg=\"opened\"\n%n", &year, &end), 1);
	assert_true(year >= 2024);
	assert_int_equal(end, (int)strlen(lines));
}

static void write_foreign(void)
{
	log_warn("x", "msg=\"one\ntwo\r\x1b[31m\x7f\"");
}

static void an_event_is_one_line_whatever_is_printed(void **state)
{
	collect(write_foreign);
	assert_ptr_equal(strchr(lines, '\n'), lines + strlen(lines) - 1);
	assert_non_null(strstr(lines, "one two  [31m \""));
}

static void write_long(void)
{
	char text[5000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_error("x", "msg=%s", text);
	log_error("x", "next=1");
}

static void a_long_line_is_cut_and_still_a_line(void **state)
{
	char *second;

	collect(write_long);
	second = strchr(lines, '\n');
	assert_non_null(second);
	assert_non_null(strstr(second, "next=1\n"));
}

static void write_debug(void)
{
	log_debug("x", "a=1");
	log_level_min = LOG_DEBUG;
	log_debug("x", "a=2");
	log_level_min = LOG_ERROR;
	log_warn("x", "a=3");
	log_level_min = LOG_INFO;
}

static void levels_below_the_least_are_not_written(void **state)
{
	collect(write_debug);
	assert_null(strstr(lines, "a=1"));
	assert_non_null(strstr(lines, "a=2"));
	assert_null(strstr(lines, "a=3"));
}

static void foreign_text_is_made_harmless(void **state)
{
	char out[64], small[8];

	assert_string_equal(log_quote("plain", out, sizeof(out)), "plain");
	assert_string_equal(log_quote("a\"b\\c\nd\te\x7f", out, sizeof(out)), "a\\\"b\\\\c d e ");
	assert_string_equal(log_quote("\xc3\xa9", out, sizeof(out)), "\xc3\xa9");
	assert_true(strlen(log_quote("\"\"\"\"\"\"\"\"\"", small, sizeof(small))) < sizeof(small));
	assert_int_equal(strlen(small) % 2, 0);         /* no backslash without what it quotes */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_time_level_and_part),
		cmocka_unit_test(an_event_is_one_line_whatever_is_printed),
		cmocka_unit_test(a_long_line_is_cut_and_still_a_line),
		cmocka_unit_test(levels_below_the_least_are_not_written),
		cmocka_unit_test(foreign_text_is_made_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
