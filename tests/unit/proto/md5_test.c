#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/md5.h"

/* SELECT 'md5' || md5('secret' || 'ann'), and md5() of its digits and the salt. */
#define HASH "md59d792a3a8853c2411afb9163d088c036"
#define ANSWER "md5a46ad4f788935131d054df82f23277bf"

static void a_password_and_its_hash_give_the_same_answer(void **state)
{
	static const uint8_t salt[MD5_SALT_SIZE] = { 1, 0, 255, 127 };
	char hash[MD5_TEXT_SIZE], answer[MD5_TEXT_SIZE];

	assert_int_equal(md5_hash(SLICE_LIT("secret"), SLICE_LIT("ann"), hash, NULL), 0);
	assert_string_equal(hash, HASH);
	assert_int_equal(md5_answer(hash, salt, answer, NULL), 0);
	assert_string_equal(answer, ANSWER);
}

static void a_hash_is_known_by_its_form(void **state)
{
	assert_true(md5_is_hash(SLICE_LIT(HASH)));
	assert_false(md5_is_hash(SLICE_LIT("md5")));
	assert_false(md5_is_hash(SLICE_LIT("")));
	assert_false(md5_is_hash(SLICE_LIT(HASH "0")));
	assert_false(md5_is_hash(SLICE_LIT("MD5d41d8cd98f00b204e9800998ecf8427e")));
	assert_false(md5_is_hash(SLICE_LIT("md5d41d8cd98f00b204e9800998ecf8427g")));
	assert_false(md5_is_hash(SLICE_LIT("md5D41D8CD98F00B204E9800998ECF8427E")));    /* PostgreSQL writes small letters only */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_password_and_its_hash_give_the_same_answer),
		cmocka_unit_test(a_hash_is_known_by_its_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
