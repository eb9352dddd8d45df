#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

static void numbers_are_in_network_order(void **state)
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_add_u8(&buf, 0x01);
	buf_add_u16(&buf, 0x0203);
	buf_add_u32(&buf, 0x04050607);
	buf_add_u64(&buf, 0x08090a0b0c0d0e0f);
	assert_int_equal(buf.size, 15);
	for (int i = 0; i < 15; i++)
		assert_int_equal(buf.data[i], i + 1);
	buf_release(&buf);
}

static void texts_have_their_zero_or_not(void **state)
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_add_text(&buf, "ab");
	buf_add_cstr(&buf, "cd");
	buf_printf(&buf, "%s%d", "e", 5);
	buf_add_slice(&buf, (struct slice){ NULL, 0 });
	assert_true(slice_eq(buf_slice(&buf), slice_make("abcd\0e5", 7)));
	buf_release(&buf);
}

static void the_maximum_can_be_filled_to_the_last_byte(void **state)
{
	struct buf buf;

	for (int printed = 0; printed < 2; printed++) {
		buf_init(&buf, 1000);
		for (int i = 0; i < 100; i++) {
			if (printed)
				buf_printf(&buf, "%010d", i);
			else
				buf_add(&buf, "0123456789", 10);
		}
		assert_false(buf.failed);
		assert_int_equal(buf.size, 1000);
		buf_release(&buf);
	}
}

static void past_the_maximum_it_fails_and_stays_as_it_was(void **state)
{
	struct buf buf;

	buf_init(&buf, 10);
	buf_add_text(&buf, "12345678");
	buf_add_text(&buf, "xyz");
	assert_true(buf.failed);
	buf_add_u8(&buf, 'y');                  /* would fit, but the text would have a hole */
	buf_printf(&buf, "z");
	assert_null(buf_reserve(&buf, 1));
	assert_true(slice_is(buf_slice(&buf), "12345678"));
	buf_clear(&buf);
	assert_false(buf.failed);
	buf_printf(&buf, "%s", "0123456789a");
	assert_true(buf.failed);
	buf_clear(&buf);
	assert_null(buf_reserve(&buf, SIZE_MAX));
	buf_clear(&buf);
	buf_add_text(&buf, "again");
	assert_true(slice_is(buf_slice(&buf), "again"));
	buf_release(&buf);
	assert_int_equal(buf.size_max, 10);
}

static void the_front_is_dropped(void **state)
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_add_text(&buf, "headtail");
	buf_drop_front(&buf, 0);
	buf_drop_front(&buf, 4);
	assert_true(slice_is(buf_slice(&buf), "tail"));
	buf_drop_front(&buf, 4);
	assert_int_equal(buf.size, 0);
	buf_release(&buf);
	buf_drop_front(&buf, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_in_network_order),
		cmocka_unit_test(texts_have_their_zero_or_not),
		cmocka_unit_test(the_maximum_can_be_filled_to_the_last_byte),
		cmocka_unit_test(past_the_maximum_it_fails_and_stays_as_it_was),
		cmocka_unit_test(the_front_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
