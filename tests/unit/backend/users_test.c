#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../topo/scratch.h"
#include "backend/users.h"
#include "base/limits.h"
#include "store/store.h"

#define VERIFIER "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
		 "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static struct users *users;

static int make_users(void **state)
{
	users = users_new();
	return 0;
}

static int drop_users(void **state)
{
	users_free(users);
	users_free(NULL);
	return 0;
}

static void check_password(const char *name, const char *password)
{
	struct user_secret secret;

	users_get(users, name, &secret);
	assert_true(secret.known && secret.has_password);
	assert_string_equal(secret.password, password);
	assert_int_equal(secret.verifier.iterations, SCRAM_ITERATIONS);
}

static void a_file_has_a_user_a_line(void **state)
{
	struct user_secret secret;

	assert_int_equal(users_read(users, scratch_write("# users\n; of nanu\n\n  \t\n\r\n"
							 "\"bob\" \"pa ss\"\n"
							 "\t\"al\"\"ice\"\t\"with \"\"quotes\"\"\"\r\n"
							 "\"v\" \"" VERIFIER "\"\n"
							 "\"m\" \"md5d41d8cd98f00b204e9800998ecf8427e\"\n"
							 "\"last\" \"no newline\""), NULL), 0);
	check_password("bob", "pa ss");
	check_password("al\"ice", "with \"quotes\"");
	check_password("last", "no newline");
	users_get(users, "v", &secret);
	assert_true(secret.known);
	assert_false(secret.has_password);
	assert_int_equal(secret.verifier.iterations, 4096);
	users_get(users, "m", &secret);
	assert_true(secret.known && secret.has_md5);
	assert_false(secret.has_password || secret.has_verifier);
	assert_string_equal(secret.md5, "md5d41d8cd98f00b204e9800998ecf8427e");
	users_get(users, "nobody", &secret);
	assert_false(secret.known);
}

/* A comment of any length is a comment: what stands behind its thousandth byte is no line of its own. */
static void a_long_line_is_one_line(void **state)
{
	char text[5000];
	struct user_secret secret;
	int size;

	memset(text, '#', sizeof(text));
	size = snprintf(text + 1023, sizeof(text) - 1023, "\"mallory\" \"secret\"\n\"bob\" \"b\"\n");
	text[1023 + size] = '\0';
	assert_int_equal(users_read(users, scratch_write(text), NULL), 0);
	users_get(users, "mallory", &secret);
	assert_false(secret.known);
	check_password("bob", "b");
}

static void an_empty_secret_lets_nobody_in(void **state)
{
	struct user_secret secret;

	assert_int_equal(users_read(users, scratch_write("\"ann\" \"b\"\n\"bob\" \"\"\n"), NULL), 0);
	users_get(users, "bob", &secret);
	assert_false(secret.known);
	assert_false(secret.has_password);
}

static void a_bad_line_is_named(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "bob secret\n", ":1: expected" },
		{ "\"a\" \"b\"\n\n\"bob\"\n", ":3: expected" },
		{ "\"a\" \"b\n", ":1: expected" },
		{ "\"a\" \"SCRAM-SHA-256$4096:x\"\n", ":1: not a SCRAM-SHA-256 verifier" },
		{ "\"a\" \"b\"\n\"b\" \"b\"\n\n\"a\" \"c\"\n", ":4: user \"a\" stands here a second time, after line 1" },
	};
	char text[600];
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(users_read(users, scratch_write(cases[i].text), &err), ERR_CONFIG);
		if (!strstr(err.message, cases[i].reason))
			fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].reason);
	}
	snprintf(text, sizeof(text), "\"a\" \"%0300d\"\n", 1);
	assert_int_equal(users_read(users, scratch_write(text), &err), ERR_CONFIG);
	assert_int_equal(users_read(users, "/nonexistent/users", &err), ERR_CONFIG);
	assert_non_null(strstr(err.message, "No such file"));
	assert_int_equal(users_read(users, "/", &err), ERR_CONFIG);
}

static void a_secret_of_bad_form_replaces_nothing(void **state)
{
	char long_secret[300];

	assert_int_equal(users_set(users, "bob", "good", NULL), 0);
	memset(long_secret, 'x', sizeof(long_secret));
	long_secret[sizeof(long_secret) - 1] = '\0';
	assert_int_equal(users_set(users, "bob", long_secret, NULL), ERR_INVALID_VALUE);
	assert_int_equal(users_set(users, "bob", "SCRAM-SHA-256$", NULL), ERR_INVALID_VALUE);
	check_password("bob", "good");
}

static void what_nodes_said_does_not_replace_the_users_file_and_is_kept_for_a_time(void **state)
{
	struct user_secret secret;

	assert_int_equal(users_set(users, "ann", "mine", NULL), 0);
	assert_int_equal(users_set_fetched(users, "ann", "theirs", 60000, NULL), 0);
	check_password("ann", "mine");
	assert_int_equal(users_set_fetched(users, "bob", VERIFIER, 60000, NULL), 0);
	users_get(users, "bob", &secret);
	assert_true(secret.known && secret.fetched && secret.has_verifier && !secret.stale);
	assert_int_equal(users_set_fetched(users, "bob", VERIFIER, 0, NULL), 0);
	users_get(users, "bob", &secret);
	assert_true(secret.known && secret.stale);
	assert_int_equal(users_set_fetched(users, "nobody", NULL, 60000, NULL), 0);
	users_get(users, "nobody", &secret);
	assert_true(!secret.known && secret.fetched && !secret.stale);
	users_doubt(users, "nobody");           /* only a moment old: it is believed */
	users_get(users, "nobody", &secret);
	assert_false(secret.stale);
}

static void the_keys_of_a_login_last_as_long_as_the_verifier(void **state)
{
	struct user_secret secret;
	struct scram_keys keys, wrong;

	assert_int_equal(users_set_fetched(users, "bob", VERIFIER, 60000, NULL), 0);
	users_get(users, "bob", &secret);
	scram_keys_make(SLICE_LIT("pencil"), &secret.verifier, &keys);
	scram_keys_make(SLICE_LIT("pen"), &secret.verifier, &wrong);
	users_learn(users, "bob", &wrong);
	users_get(users, "bob", &secret);
	assert_false(secret.has_client_key);
	users_learn(users, "bob", &keys);
	users_learn(users, "nobody", &keys);
	assert_int_equal(users_set_fetched(users, "bob", VERIFIER, 60000, NULL), 0);
	users_get(users, "bob", &secret);
	assert_true(secret.has_client_key);
	assert_memory_equal(secret.client_key, keys.client_key, SCRAM_KEY_SIZE);
	assert_int_equal(users_set_fetched(users, "bob", "another", 60000, NULL), 0);
	users_get(users, "bob", &secret);
	assert_false(secret.has_client_key);
}

static void only_so_many_fetched_users_are_kept(void **state)
{
	struct user_secret secret;
	char name[32];

	assert_int_equal(users_set(users, "ann", "mine", NULL), 0);
	for (int i = 0; i <= USERS_FETCHED_MAX; i++) {
		snprintf(name, sizeof(name), "user %d", i);
		assert_int_equal(users_set_fetched(users, name, VERIFIER, 60000, NULL), 0);
	}
	users_get(users, "user 0", &secret);
	assert_false(secret.known);
	users_get(users, "user 1", &secret);
	assert_true(secret.known);
	check_password("ann", "mine");
}

static struct user_secret secret_of(const char *name)
{
	struct user_secret secret;

	users_get(users, name, &secret);
	return secret;
}

static void learn_key(const char *name)
{
	struct user_secret secret = secret_of(name);
	struct scram_keys keys;

	scram_keys_make(SLICE_LIT("pencil"), &secret.verifier, &keys);
	users_learn(users, name, &keys);
	assert_true(secret_of(name).has_client_key);
}

static void a_reload_keeps_keys_and_seed_and_has_the_rest_fetched_anew(void **state)
{
	struct users *fresh = users_new_like(users);
	struct scram_verifier before, after, salted;

	users_mock(users, "one", &before);
	assert_int_equal(users_set(users, "gone", "mine", NULL), 0);
	assert_int_equal(users_set(users, "stays", VERIFIER, NULL), 0);
	assert_int_equal(users_set(users, "changed", VERIFIER, NULL), 0);
	assert_int_equal(users_set(users, "plain", "pencil", NULL), 0);
	assert_int_equal(users_set_fetched(users, "fetched", VERIFIER, 60000, NULL), 0);
	assert_int_equal(users_set_fetched(users, "written", VERIFIER, 60000, NULL), 0);
	assert_int_equal(users_set_fetched(users, "nobody", NULL, 60000, NULL), 0);
	salted = secret_of("plain").verifier;
	learn_key("stays");
	learn_key("changed");
	learn_key("fetched");
	learn_key("written");
	assert_int_equal(users_set(fresh, "stays", VERIFIER, NULL), 0);
	assert_int_equal(users_set(fresh, "changed", "another", NULL), 0);
	assert_int_equal(users_set(fresh, "plain", "pencil", NULL), 0);
	assert_int_equal(users_set(fresh, "written", VERIFIER, NULL), 0);
	users_replace(users, fresh);
	users_free(fresh);

	assert_false(secret_of("gone").known);
	assert_true(secret_of("stays").has_client_key);
	assert_false(secret_of("changed").has_client_key);
	assert_memory_equal(secret_of("plain").verifier.salt, salted.salt, salted.salt_size);
	assert_true(secret_of("fetched").fetched && secret_of("fetched").stale && secret_of("fetched").has_client_key);
	assert_true(secret_of("written").has_client_key && !secret_of("written").fetched);
	assert_false(secret_of("nobody").fetched);
	users_mock(users, "one", &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(users_set_fetched(users, "fetched", VERIFIER, 60000, NULL), 0);
	assert_true(!secret_of("fetched").stale && secret_of("fetched").has_client_key);
}

static void fetched_users_are_still_bounded_after_a_reload(void **state)
{
	char name[32];

	for (int i = 0; i <= USERS_FETCHED_MAX; i++) {
		struct users *fresh = i == USERS_FETCHED_MAX ? users_new_like(users) : NULL;

		if (fresh)
			users_replace(users, fresh);
		users_free(fresh);
		snprintf(name, sizeof(name), "user %d", i);
		assert_int_equal(users_set_fetched(users, name, VERIFIER, 60000, NULL), 0);
	}
	assert_false(secret_of("user 0").known);
	assert_true(secret_of("user 1").known);
}

static void an_unknown_user_looks_the_same_each_time_and_unlike_others(void **state)
{
	struct scram_verifier one, again, other;

	users_mock(users, "one", &one);
	users_mock(users, "one", &again);
	users_mock(users, "other", &other);
	assert_memory_equal(&one, &again, sizeof(one));
	assert_memory_not_equal(one.salt, other.salt, one.salt_size);
	assert_int_equal(one.iterations, SCRAM_ITERATIONS);
}

static void the_seed_is_the_stores(void **state)
{
	struct scram_verifier one, two, own;
	struct users *other = users_new();
	struct store *store;
	char path[256];

	scratch_write("");
	snprintf(path, sizeof(path), "%s/seed.db", scratch_folder);
	assert_int_equal(store_open_sqlite(path, &store, NULL), 0);
	users_mock(users, "one", &own);
	assert_int_equal(users_seed(users, store, NULL), 0);
	assert_int_equal(users_seed(other, store, NULL), 0);
	users_mock(users, "one", &one);
	users_mock(other, "one", &two);
	assert_memory_equal(&one, &own, sizeof(one));
	assert_memory_equal(&one, &two, sizeof(one));
	store_close(store);
	users_free(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_users, drop_users)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_has_a_user_a_line),
		TEST(a_long_line_is_one_line),
		TEST(an_empty_secret_lets_nobody_in),
		TEST(a_bad_line_is_named),
		TEST(a_secret_of_bad_form_replaces_nothing),
		TEST(what_nodes_said_does_not_replace_the_users_file_and_is_kept_for_a_time),
		TEST(the_keys_of_a_login_last_as_long_as_the_verifier),
		TEST(only_so_many_fetched_users_are_kept),
		TEST(a_reload_keeps_keys_and_seed_and_has_the_rest_fetched_anew),
		TEST(fetched_users_are_still_bounded_after_a_reload),
		TEST(the_seed_is_the_stores),
		TEST(an_unknown_user_looks_the_same_each_time_and_unlike_others),
	};

	return cmocka_run_group_tests(tests, NULL, scratch_remove);
}
