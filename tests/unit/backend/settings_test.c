#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "backend/settings.h"
#include "base/limits.h"
#include "base/mem.h"

static struct settings_table table;
static uint64_t seed = 1;

static uint32_t roll(uint32_t sides)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % sides;
}

static int make_table(void **state)
{
	settings_table_init(&table);
	return 0;
}

static int drop_table(void **state)
{
	size_t left = table.sets.count;

	settings_table_release(&table);
	return left == 1 ? 0 : -1;              /* a set that nobody gave back */
}

/* Changes *set, as its owner does. */
static void put(struct settings **set, const char *name, const char *value, enum setting_form form)
{
	struct settings *more = settings_with(*set, name, value, form);

	assert_non_null(more);
	settings_unref(*set);
	*set = more;
}

static void equal_sets_are_one(void **state)
{
	struct settings *a = settings_ref(table.empty), *b = settings_ref(table.empty);

	put(&a, "x", "1", SETTING_RAW);
	put(&a, "search_path", "a, b", SETTING_SQL);
	put(&a, "a.b", "", SETTING_RAW);
	put(&b, "a.b", "other", SETTING_SQL);
	put(&b, "search_path", "a, b", SETTING_SQL);
	put(&b, "y", "2", SETTING_RAW);
	assert_ptr_not_equal(a, b);
	put(&b, "a.b", "", SETTING_RAW);
	put(&b, "y", NULL, SETTING_RAW);
	put(&b, "not there", NULL, SETTING_RAW);
	put(&b, "x", "1", SETTING_RAW);
	assert_ptr_equal(a, b);
	assert_string_equal(settings_find(a, "search_path")->value, "a, b");
	assert_null(settings_find(a, "y"));
	put(&b, "x", "1", SETTING_SQL);         /* another form may mean another value */
	assert_ptr_not_equal(a, b);
	settings_unref(a);
	put(&b, "x", NULL, SETTING_RAW);
	put(&b, "search_path", NULL, SETTING_RAW);
	put(&b, "a.b", NULL, SETTING_RAW);
	assert_ptr_equal(b, table.empty);
	settings_unref(b);
	settings_unref(NULL);
}

static void what_changes_no_meaning_is_no_part_of_the_analysis(void **state)
{
	struct settings *a = settings_ref(table.empty), *b = settings_ref(table.empty), *held = NULL;

	put(&a, "search_path", "s", SETTING_SQL);
	put(&b, "search_path", "s", SETTING_SQL);
	put(&b, "application_name", "psql", SETTING_RAW);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(a->analysis, a);
	assert_ptr_equal(b->analysis, a);
	settings_unref(a);
	settings_assign(&held, b);
	settings_unref(b);
	assert_string_equal(held->analysis->items[0].name, "search_path");
	settings_assign(&held, NULL);
}

static void a_set_takes_so_many_and_no_more(void **state)
{
	struct settings *set = settings_ref(table.empty);
	char name[16], *huge = mem_calloc(1, 2 << 20);

	for (int i = 0; i < SETTINGS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", (i * 7919) % SETTINGS_MAX);
		put(&set, name, "v", SETTING_RAW);
	}
	assert_int_equal(set->count, SETTINGS_MAX);
	assert_null(settings_with(set, "zzz", "v", SETTING_RAW));
	assert_null(settings_with(set, "aaa", "v", SETTING_RAW));
	for (int i = 0; i < SETTINGS_MAX; i++) {        /* but each may be changed */
		snprintf(name, sizeof(name), "n%d", i);
		put(&set, name, "other", SETTING_RAW);
	}
	memset(huge, 'x', (2 << 20) - 1);
	assert_null(settings_with(set, "n1", huge, SETTING_RAW));
	mem_free(huge);
	settings_unref(set);
}

/* ---- diff: a model of a server that reads the SQL ---- */

enum { SERVER_SETTINGS_MAX = 32 };

/* Superusers may set what begins with s_; a new session authorization ends the role. */
struct server {
	char names[SERVER_SETTINGS_MAX][32], values[SERVER_SETTINGS_MAX][64];
	size_t count;
};

static char *server_find(struct server *server, const char *name)
{
	for (size_t i = 0; i < server->count; i++)
		if (strcmp(server->names[i], name) == 0)
			return server->values[i];
	return NULL;
}

static void server_set(struct server *server, const char *name, const char *value)
{
	bool is_role = strcmp(name, "role") == 0, is_session = strcmp(name, "session_authorization") == 0;
	char *place;

	if (!is_role && !is_session && (server_find(server, "role") || server_find(server, "session_authorization")))
		fail_msg("%s is set by somebody who may not", name);
	if (value && strcmp(name, "datestyle") == 0 && server_find(server, name))
		fail_msg("datestyle is read over what it was before");
	if (is_session)
		server_set(server, "role", NULL);
	for (size_t i = 0; i < server->count && !value; i++) {
		if (strcmp(server->names[i], name) == 0) {
			server->count--;
			memmove(server->names[i], server->names[server->count], sizeof(server->names[i]));
			memmove(server->values[i], server->values[server->count], sizeof(server->values[i]));
			return;
		}
	}
	if (!value)
		return;
	place = server_find(server, name);
	if (!place) {
		snprintf(server->names[server->count], sizeof(server->names[0]), "%s", name);
		place = server->values[server->count++];
	}
	snprintf(place, sizeof(server->values[0]), "%s", value);
}

/* Reads up to `stop`, which is skipped. */
static void word(const char **at, const char *stop, char *out, size_t out_size)
{
	const char *end = strstr(*at, stop);

	assert_non_null(end);
	snprintf(out, out_size, "%.*s", (int)(end - *at), *at);
	*at = end + strlen(stop);
}

/* A literal of settings_quote() or a name of quote_name(): takes quotes and backslashes off. */
static void quoted(const char **at, char *out)
{
	bool escapes = **at == 'E';
	char quote;

	*at += escapes;
	quote = *(*at)++;
	for (;; (*at)++) {
		if (**at == quote && (*at)[1] != quote)
			break;
		if (**at == quote || (escapes && **at == '\\'))
			(*at)++;
		assert_true(**at != '\0');
		*out++ = **at;
	}
	*out = '\0';
	(*at)++;
}

static bool skip_text(const char **at, const char *text)
{
	if (strncmp(*at, text, strlen(text)) != 0)
		return false;
	*at += strlen(text);
	return true;
}

static void server_run(struct server *server, const char *sql)
{
	char name[64], value[200];

	while (*sql) {
		if (skip_text(&sql, "RESET SESSION AUTHORIZATION;")) {
			server_set(server, "session_authorization", NULL);
		} else if (skip_text(&sql, "RESET ")) {
			quoted(&sql, name);
			assert_true(skip_text(&sql, ";"));
			server_set(server, name, NULL);
		} else if (skip_text(&sql, "SET SESSION AUTHORIZATION ")) {
			word(&sql, ";", value, sizeof(value));
			server_set(server, "session_authorization", value);
		} else if (skip_text(&sql, "SET ")) {
			quoted(&sql, name);
			assert_true(skip_text(&sql, " TO "));
			word(&sql, ";", value, sizeof(value));
			server_set(server, name, value);
		} else {
			assert_true(skip_text(&sql, "SELECT pg_catalog.set_config("));
			quoted(&sql, name);
			assert_true(skip_text(&sql, ","));
			quoted(&sql, value);
			assert_true(skip_text(&sql, ",false);"));
			server_set(server, name, value);
		}
	}
}

static struct settings *random_set(void)
{
	static const char *const names[] = { "a", "b", "c", "datestyle", "role", "session_authorization" };
	static const char *const raw[] = { "", "1", "it's", "back\\slash", "\\'; DROP TABLE t; --", "\"" };
	static const char *const sql[] = { "1", "'it''s'", "a, b" };
	struct settings *set = settings_ref(table.empty);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum setting_form form = roll(2) ? SETTING_RAW : SETTING_SQL;

		if (roll(2))
			put(&set, names[i], form == SETTING_RAW ? raw[roll(6)] : sql[roll(3)], form);
	}
	return set;
}

static void the_difference_leads_from_any_set_to_any_other(void **state)
{
	for (int round = 0; round < 20000; round++) {
		struct settings *from = random_set(), *to = random_set();
		struct server server = { .count = 0 };
		struct buf sql;

		buf_init(&sql, 1 << 16);
		settings_diff(table.empty, from, "SELECT", &sql);
		buf_add_u8(&sql, 0);
		server_run(&server, sql.data);
		assert_int_equal(server.count, from->count);
		buf_clear(&sql);
		settings_diff(from, to, "SELECT", &sql);
		buf_add_u8(&sql, 0);
		server_run(&server, sql.data);
		if (server.count != to->count)
			fail_msg("%s leaves %zu settings, not %zu", sql.data, server.count, to->count);
		for (size_t i = 0; i < to->count; i++)
			assert_string_equal(server_find(&server, to->items[i].name), to->items[i].value);
		buf_clear(&sql);
		settings_diff(to, to, "SELECT", &sql);
		assert_int_equal(sql.size, 0);
		buf_release(&sql);
		settings_unref(from);
		settings_unref(to);
	}
}

static void values_are_quoted_for_either_reading_of_strings(void **state)
{
	static const struct {
		const char *text, *quoted;
	} cases[] = {
		{ "", "''" }, { "a", "'a'" }, { "it's", "'it''s'" }, { "\\", "E'\\\\'" }, { "\\'", "E'\\\\'''" }, { "\"", "'\"'" },
	};
	struct settings *set = settings_ref(table.empty);
	struct buf sql;

	buf_init(&sql, 1000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&sql);
		settings_quote(&sql, cases[i].text);
		assert_true(slice_is(buf_slice(&sql), cases[i].quoted));
	}
	buf_clear(&sql);
	put(&set, "my.va\"r", "1", SETTING_SQL);
	settings_diff(table.empty, set, "SELECT", &sql);
	assert_true(slice_is(buf_slice(&sql), "SET \"my\".\"va\"\"r\" TO 1;"));
	settings_unref(set);
	buf_release(&sql);
}

static void local_settings_are_set_over_nothing(void **state)
{
	struct settings *set = settings_ref(table.empty);
	struct buf sql;

	buf_init(&sql, 1000);
	put(&set, "datestyle", "SQL", SETTING_RAW);
	put(&set, "my.own", "DEFAULT", SETTING_SQL);
	assert_null(settings_find(set, "my.own")->text);
	for (size_t i = 0; i < set->count; i++)
		settings_add_local(&set->items[i], &sql);
	assert_true(slice_is(buf_slice(&sql), "SET LOCAL \"datestyle\" TO DEFAULT;SELECT pg_catalog.set_config('datestyle','SQL',true);"
			     "SET LOCAL \"my\".\"own\" TO DEFAULT;"));
	settings_unref(set);
	buf_release(&sql);
}

static void texts_are_what_the_server_keeps(void **state)
{
	struct settings *set = settings_ref(table.empty);

	put(&set, "search_path", "'Foo', 'a, b'", SETTING_SQL);
	put(&set, "role", "'other'", SETTING_SQL);
	put(&set, "x", "'raw'", SETTING_RAW);
	assert_string_equal(settings_find(set, "search_path")->text, "\"Foo\", \"a, b\"");
	assert_string_equal(settings_find(set, "role")->text, "other");
	assert_string_equal(settings_find(set, "x")->text, "'raw'");
	settings_unref(set);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_table, drop_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_sets_are_one),
		TEST(what_changes_no_meaning_is_no_part_of_the_analysis),
		TEST(a_set_takes_so_many_and_no_more),
		TEST(the_difference_leads_from_any_set_to_any_other),
		TEST(local_settings_are_set_over_nothing),
		TEST(texts_are_what_the_server_keeps),
		TEST(values_are_quoted_for_either_reading_of_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
