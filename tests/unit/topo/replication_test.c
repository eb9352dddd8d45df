#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "topo/replication.h"

static const char *const replicas[] = { "n1a", "n1b", "odd\"name" };

enum { COUNT = sizeof(replicas) / sizeof(replicas[0]) };

static void the_primary_is_told_by_mode_and_by_who_streams(void **state)
{
	static const struct {
		struct replication_rule rule;
		bool streams[COUNT];
		const char *names;
		enum replication_state state;
	} cases[] = {
		{ { REPLICATION_ASYNC, 0, false }, { false, false, false }, "", REPLICATION_OK },
		{ { REPLICATION_SEMI_SYNC, 2, false }, { true, true, false }, "ANY 2 (\"n1a\", \"n1b\", \"odd\"\"name\")", REPLICATION_OK },
		{ { REPLICATION_SEMI_SYNC, 2, false }, { true, false, false }, "ANY 2 (\"n1a\", \"n1b\", \"odd\"\"name\")", REPLICATION_BLOCKED },
		{ { REPLICATION_SEMI_SYNC, 2, true }, { true, false, false }, "ANY 1 (\"n1a\", \"n1b\", \"odd\"\"name\")", REPLICATION_DEGRADED },
		{ { REPLICATION_SEMI_SYNC, 2, true }, { false, false, false }, "", REPLICATION_DEGRADED },
		{ { REPLICATION_SYNC, 0, false }, { true, true, true }, "FIRST 3 (\"n1a\", \"n1b\", \"odd\"\"name\")", REPLICATION_OK },
		{ { REPLICATION_SYNC, 0, false }, { false, true, true }, "FIRST 3 (\"n1a\", \"n1b\", \"odd\"\"name\")", REPLICATION_BLOCKED },
		{ { REPLICATION_SYNC, 0, true }, { false, true, true }, "FIRST 2 (\"n1b\", \"odd\"\"name\")", REPLICATION_DEGRADED },
		{ { REPLICATION_SYNC, 0, true }, { false, false, false }, "", REPLICATION_DEGRADED },
	};
	struct arena arena;

	arena_init(&arena, 1024);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum replication_state seen;

		assert_string_equal(replication_names(&cases[i].rule, replicas, cases[i].streams, COUNT, &arena, &seen), cases[i].names);
		assert_int_equal(seen, cases[i].state);
	}
	arena_release(&arena);
}

static void modes_have_names(void **state)
{
	enum replication_mode mode;

	for (int i = 0; i <= REPLICATION_SYNC; i++) {
		assert_true(replication_mode_read(replication_mode_name((enum replication_mode)i), &mode));
		assert_int_equal(mode, i);
	}
	assert_false(replication_mode_read("Sync", &mode));
	assert_false(replication_mode_read("", &mode));
}

/* The server takes letters, digits and _ only, lower case, up to 63 of them. */
static void a_slot_has_a_name_that_the_server_takes(void **state)
{
	static const struct { const char *name, *slot; } cases[] = {
		{ "n1a", "n1a" }, { "N1-a.eu", "n1_a_eu" }, { "a'; DROP", "a___drop" }, { "\xc3\xa4", "__" },
		{ "n123456789012345678901234567890123456789012345678901234567890123", "n12345678901234567890123456789012345678901234567890123456789012" },
	};
	char slot[REPLICATION_SLOT_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		replication_slot(cases[i].name, slot);
		assert_string_equal(slot, cases[i].slot);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_has_a_name_that_the_server_takes),
		cmocka_unit_test(the_primary_is_told_by_mode_and_by_who_streams),
		cmocka_unit_test(modes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
