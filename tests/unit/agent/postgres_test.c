#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/postgres.h"
#include "base/file.h"
#include "base/mem.h"

enum { CONF_SIZE_MAX = 4 << 20 };

static char folder[] = "/tmp/nanu-postgres-XXXXXX", conf[64];
static const struct identity identity = { .other = false };
static const struct postgres postgres = { .data = folder, .identity = &identity };

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(conf, sizeof(conf), "%s/postgresql.auto.conf", folder);
	return 0;
}

static int drop_folder(void **state)
{
	(void)state;
	unlink(conf);
	return rmdir(folder);
}

static void put(const char *text)
{
	FILE *file = fopen(conf, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void assert_conf(const char *expected)
{
	struct err err;
	char *text;

	assert_int_equal(file_read(conf, CONF_SIZE_MAX, &text, NULL, &err), 0);
	assert_string_equal(text, expected);
	mem_free(text);
}

static void a_setting_of_a_stopped_server_leaves_the_others(void **state)
{
	char names[64];
	struct err err;

	(void)state;
	unlink(conf);
	assert_int_equal(postgres_wait_for(&postgres, NULL, "n1b", &err), 0);
	assert_conf("synchronous_standby_names = 'n1b'\n");
	put("work_mem = '64MB'\nsynchronous_standby_names = 'n1b'\njit = 'off'\n");
	assert_int_equal(postgres_wait_for(&postgres, NULL, "it's", &err), 0);
	assert_conf("work_mem = '64MB'\njit = 'off'\nsynchronous_standby_names = 'it''s'\n");
	postgres_waits_for_stopped(&postgres, names, sizeof(names));
	assert_string_equal(names, "it's");
}

static void settings_that_cannot_be_read_whole_are_not_written(void **state)
{
	static const char line[] = "work_mem = '64MB'\n";
	size_t lines = (2 << 20) / (sizeof(line) - 1);
	char *text = calloc(lines, sizeof(line));
	struct err err;

	(void)state;
	for (size_t i = 0; i < lines; i++)
		memcpy(text + i * (sizeof(line) - 1), line, sizeof(line));
	put(text);
	assert_int_equal(postgres_wait_for(&postgres, NULL, "n1b", &err), ERR_LIMIT);
	assert_conf(text);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_setting_of_a_stopped_server_leaves_the_others),
		cmocka_unit_test(settings_that_cannot_be_read_whole_are_not_written),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
