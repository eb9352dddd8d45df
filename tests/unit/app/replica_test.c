#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/replica.h"

/* The server takes letters, digits and _ only, lower case, up to 63 of them. */
static void a_slot_has_a_name_that_the_server_takes(void **state)
{
	static const struct { const char *name, *slot; } cases[] = {
		{ "n1a", "n1a" }, { "N1-a.eu", "n1_a_eu" }, { "a'; DROP", "a___drop" }, { "\xc3\xa4", "__" },
		{ "n123456789012345678901234567890123456789012345678901234567890123", "n12345678901234567890123456789012345678901234567890123456789012" },
	};
	char slot[REPLICA_SLOT_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		replica_slot(cases[i].name, slot);
		assert_string_equal(slot, cases[i].slot);
	}
}

static double part_of(const char *text)
{
	struct replica replica = { .log_begin = 6 };
	char path[] = "/tmp/nanu-test-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	double part;

	assert_non_null(file);
	fprintf(file, "9%%)\nx\n%s", text);
	fclose(file);
	replica.log = path;
	part = replica_part(&replica);
	unlink(path);
	return part;
}

static void the_last_progress_of_the_backup_counts(void **state)
{
	char long_text[4096];

	assert_true(part_of("") < 0);
	assert_true(part_of("waiting for checkpoint\n") < 0);
	assert_true(part_of("    0/31413 kB (0%), 0/1 tablespace\n") == 0);
	assert_true(part_of("10/40 kB (25%), 0/1 tablespace (/tmp/x)\n20/40 kB (50%), 0/1 tablespace (/tmp/y)\n") == 0.5);
	snprintf(long_text, sizeof(long_text), "20/40 kB (50%%)\n%03000d\n30/40 kB (75%%)\n", 0);
	assert_true(part_of(long_text) == 0.75);
	assert_true(replica_part(&(struct replica){ .log = "/nowhere" }) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_has_a_name_that_the_server_takes),
		cmocka_unit_test(the_last_progress_of_the_backup_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
