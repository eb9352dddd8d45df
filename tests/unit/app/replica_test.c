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
		cmocka_unit_test(the_last_progress_of_the_backup_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
