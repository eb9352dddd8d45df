#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "proto/frame.h"

static void every_cut_of_a_message_waits_for_the_rest(void **state)
{
	struct message message;
	struct buf buf;
	size_t size;

	buf_init(&buf, 1000);
	for (size_t body_size = 0; body_size < 40; body_size++) {
		size_t begin;

		buf_clear(&buf);
		begin = frame_begin(&buf, 'Q');
		for (size_t i = 0; i < body_size; i++)
			buf_add_u8(&buf, (uint8_t)i);
		frame_end(&buf, begin);
		assert_int_equal(buf.size, FRAME_HEADER_SIZE + body_size);
		for (size_t cut = 0; cut < buf.size; cut++) {
			assert_int_equal(frame_next(slice_make(buf.data, cut), 1000, &message, &size, NULL), 0);
			assert_int_equal(size, cut < FRAME_HEADER_SIZE ? 0 : buf.size);
		}
		buf_add_text(&buf, "next");
		assert_int_equal(frame_next(buf_slice(&buf), 1000, &message, &size, NULL), 1);
		assert_int_equal(size, buf.size - 4);
		assert_int_equal(message.type, 'Q');
		assert_int_equal(message.body.size, body_size);
		assert_ptr_equal(message.body.data, buf.data + FRAME_HEADER_SIZE);
	}
	buf_release(&buf);
}

static void lengths_that_cannot_be_are_refused(void **state)
{
	struct message message;
	struct err err;
	size_t size;

	assert_int_equal(frame_next(slice_make("Q\0\0\0\3", 5), 1000, &message, &size, &err), ERR_PROTOCOL);
	assert_int_equal(frame_next(slice_make("Q\0\0\0\0", 5), 1000, &message, &size, &err), ERR_PROTOCOL);
	assert_int_equal(frame_next(slice_make("Q\xff\xff\xff\xff", 5), 1000, &message, &size, &err), ERR_PROTOCOL);
	assert_int_equal(frame_next(slice_make("Q\x80\0\0\0", 5), SIZE_MAX, &message, &size, &err), ERR_PROTOCOL);
	assert_int_equal(frame_next(slice_make("Q\0\0\3\355", 5), 1000, &message, &size, &err), ERR_LIMIT);
	assert_int_equal(frame_next(slice_make("Q\0\0\3\354", 5), 1000, &message, &size, &err), 0);
	assert_int_equal(frame_next(slice_make("Q\0\0\0\4", 5), 0, &message, &size, &err), 1);
}

static void a_cursor_never_leaves_its_bytes(void **state)
{
	struct cursor cursor = cursor_of(slice_make("\1\0\2\0\0\0\3ab\0cd", 12));

	assert_int_equal(cursor_u8(&cursor), 1);
	assert_int_equal(cursor_u16(&cursor), 2);
	assert_int_equal(cursor_u32(&cursor), 3);
	assert_true(slice_is(cursor_cstr(&cursor), "ab"));
	assert_int_equal(cursor_left(&cursor), 2);
	assert_false(cursor.failed);
	assert_int_equal(cursor_cstr(&cursor).size, 0);         /* no zero at its end */
	assert_true(cursor.failed);
	assert_int_equal(cursor_u8(&cursor), 0);                /* once failed, nothing more comes */
	assert_int_equal(cursor_bytes(&cursor, 0).size, 0);

	for (size_t size = 0; size < 4; size++) {
		cursor = cursor_of(slice_make("\xff\xff\xff", size));
		assert_int_equal(cursor_u32(&cursor), 0);
		assert_true(cursor.failed);
	}
	cursor = cursor_of((struct slice){ NULL, 0 });
	assert_int_equal(cursor_cstr(&cursor).size, 0);
	assert_true(cursor.failed);
	cursor = cursor_of(slice_make("abc", 3));
	assert_int_equal(cursor_bytes(&cursor, SIZE_MAX).size, 0);
	assert_true(cursor.failed);
}

static void a_message_that_did_not_fit_is_not_patched(void **state)
{
	struct buf buf;
	size_t begin;

	buf_init(&buf, 7);
	begin = frame_begin(&buf, 'Q');
	buf_add_text(&buf, "abc");
	frame_end(&buf, begin);
	assert_true(buf.failed);
	buf_release(&buf);
	buf_init(&buf, 3);
	frame_end(&buf, frame_begin(&buf, 'Q'));
	assert_true(buf.failed);
	buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_of_a_message_waits_for_the_rest),
		cmocka_unit_test(lengths_that_cannot_be_are_refused),
		cmocka_unit_test(a_cursor_never_leaves_its_bytes),
		cmocka_unit_test(a_message_that_did_not_fit_is_not_patched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
