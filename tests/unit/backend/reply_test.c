#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "backend/reply.h"
#include "proto/message.h"

/* What its owner heard, as one text: "w:TYPE:BODY;" for whole messages, then the bytes passed on. */
struct owner {
	struct buf whole, passed;
	unsigned header_count, pass_count;
	unsigned fail_at;               /* whole() fails at this message, from 1 */
	unsigned whole_count;
};

static enum reply_mode header(void *data, char type, uint32_t size)
{
	((struct owner *)data)->header_count++;
	return type == 'D' || type == 'T' ? REPLY_PASS : type == 'N' || type == 'd' ? REPLY_SKIP : REPLY_WHOLE;
}

static int whole(void *data, char type, struct slice body, struct err *err)
{
	struct owner *owner = data;

	if (++owner->whole_count == owner->fail_at)
		return err_set(err, ERR_CANCELED, "as wanted");
	buf_printf(&owner->whole, "w:%c:%u:", type, (unsigned)body.size);
	buf_add_slice(&owner->whole, body);
	return 0;
}

static void pass(void *data, struct slice bytes)
{
	struct owner *owner = data;

	assert_true(bytes.size > 0);
	buf_add_slice(&owner->passed, bytes);
	owner->pass_count++;
}

static const struct reply_events events = { header, whole, pass };

static void owner_init(struct owner *owner)
{
	*owner = (struct owner){ 0 };
	buf_init(&owner->whole, 1 << 20);
	buf_init(&owner->passed, 1 << 20);
}

static void owner_release(struct owner *owner)
{
	buf_release(&owner->whole);
	buf_release(&owner->passed);
}

static void add(struct buf *out, char type, const char *body)
{
	size_t begin = frame_begin(out, type);

	buf_add_text(out, body);
	frame_end(out, begin);
}

/* Messages of all three modes, some without a body, in all neighbourhoods. */
static void record(struct buf *out)
{
	static const char types[] = "TDDCZNDNDDDdCSDZdDd1TDZZ2NNZ";

	for (size_t i = 0; i < sizeof(types) - 1; i++)
		add(out, types[i], i % 5 == 0 ? "" : i % 3 == 0 ? "body" : "a somewhat longer body");
}

static void fed_in_pieces_it_says_the_same(void **state)
{
	struct owner expected;
	struct reply reply;
	struct buf stream;

	buf_init(&stream, 1 << 20);
	record(&stream);
	owner_init(&expected);
	reply_init(&reply);
	assert_int_equal(reply_feed(&reply, &events, &expected, buf_slice(&stream), NULL), 0);
	reply_release(&reply);
	for (size_t first = 0; first <= stream.size; first++) {
		for (size_t second = first; second <= stream.size; second += 1 + second % 7) {
			size_t cuts[] = { 0, first, second, stream.size };
			struct owner owner;

			owner_init(&owner);
			reply_init(&reply);
			for (int i = 0; i < 3; i++) {
				/* A piece of its own size, so that a sanitizer sees a step too far. */
				size_t size = cuts[i + 1] - cuts[i];
				char *piece = malloc(size ? size : 1);

				memcpy(piece, stream.data + cuts[i], size);
				assert_int_equal(reply_feed(&reply, &events, &owner, slice_make(piece, size), NULL), 0);
				free(piece);
			}
			assert_int_equal(owner.header_count, expected.header_count);
			assert_true(slice_eq(buf_slice(&owner.whole), buf_slice(&expected.whole)));
			assert_true(slice_eq(buf_slice(&owner.passed), buf_slice(&expected.passed)));
			assert_int_equal(reply.left, 0);
			assert_int_equal(reply.partial.size, 0);
			reply_release(&reply);
			owner_release(&owner);
		}
	}
	owner_release(&expected);
	buf_release(&stream);
}

static void byte_by_byte_it_says_the_same(void **state)
{
	struct owner expected, owner;
	struct reply reply;
	struct buf stream;

	buf_init(&stream, 1 << 20);
	record(&stream);
	owner_init(&expected);
	owner_init(&owner);
	reply_init(&reply);
	assert_int_equal(reply_feed(&reply, &events, &expected, buf_slice(&stream), NULL), 0);
	for (size_t i = 0; i < stream.size; i++)
		assert_int_equal(reply_feed(&reply, &events, &owner, slice_make(stream.data + i, 1), NULL), 0);
	assert_true(slice_eq(buf_slice(&owner.whole), buf_slice(&expected.whole)));
	assert_true(slice_eq(buf_slice(&owner.passed), buf_slice(&expected.passed)));
	reply_release(&reply);
	owner_release(&owner);
	owner_release(&expected);
	buf_release(&stream);
}

static void neighbours_are_passed_on_in_one_piece(void **state)
{
	struct owner owner;
	struct reply reply;
	struct buf stream;

	buf_init(&stream, 1 << 20);
	for (int i = 0; i < 100; i++)
		add(&stream, 'D', "row");
	add(&stream, 'C', "SELECT 100");
	owner_init(&owner);
	reply_init(&reply);
	assert_int_equal(reply_feed(&reply, &events, &owner, buf_slice(&stream), NULL), 0);
	assert_int_equal(owner.pass_count, 1);
	assert_int_equal(owner.passed.size, 100 * (REPLY_HEADER_SIZE + 3));
	reply_release(&reply);
	owner_release(&owner);
	buf_release(&stream);
}

static void lengths_that_cannot_be_stop_it(void **state)
{
	static const char *const headers[] = { "C\0\0\0\3", "D\0\0\0\0", "D\xff\xff\xff\xff", "N\x80\0\0\0" };
	struct owner owner;
	struct reply reply;
	struct err err;

	for (size_t i = 0; i < 4; i++) {
		for (size_t cut = 0; cut < REPLY_HEADER_SIZE; cut++) {
			int rc;

			owner_init(&owner);
			reply_init(&reply);
			rc = reply_feed(&reply, &events, &owner, slice_make(headers[i], cut), &err);
			assert_int_equal(rc, 0);
			rc = reply_feed(&reply, &events, &owner, slice_make(headers[i] + cut, REPLY_HEADER_SIZE - cut), &err);
			assert_int_equal(rc, ERR_PROTOCOL);
			assert_int_equal(owner.header_count, 0);
			reply_release(&reply);
			owner_release(&owner);
		}
	}
}

static void a_huge_message_passes_but_is_not_held(void **state)
{
	struct owner owner;
	struct reply reply;
	struct err err;

	owner_init(&owner);
	reply_init(&reply);
	assert_int_equal(reply_feed(&reply, &events, &owner, slice_make("D\x7f\xff\xff\xff" "abc", 8), &err), 0);
	assert_int_equal(owner.passed.size, 8);
	assert_int_equal(reply.left, INT32_MAX - 4 - 3);
	reply_release(&reply);
	reply_init(&reply);
	assert_int_equal(reply_feed(&reply, &events, &owner, slice_make("C\x7f\xff\xff\xff" "abc", 8), &err), ERR_LIMIT);
	reply_release(&reply);
	reply_init(&reply);
	assert_int_equal(reply_feed(&reply, &events, &owner, slice_make("C\x7f\xff", 3), &err), 0);
	assert_int_equal(reply_feed(&reply, &events, &owner, slice_make("\xff\xff" "abc", 5), &err), ERR_LIMIT);
	reply_release(&reply);
	owner_release(&owner);
}

static void the_owners_error_stops_the_feeding(void **state)
{
	struct owner owner;
	struct reply reply;
	struct buf stream;
	struct err err;

	buf_init(&stream, 1 << 20);
	add(&stream, 'D', "row");
	add(&stream, 'C', "one");
	add(&stream, 'C', "two");
	add(&stream, 'D', "never");
	for (size_t cut = 0; cut < stream.size; cut++) {
		int rc;

		owner_init(&owner);
		owner.fail_at = 2;
		reply_init(&reply);
		rc = reply_feed(&reply, &events, &owner, slice_make(stream.data, cut), &err);
		if (rc == 0)
			rc = reply_feed(&reply, &events, &owner, slice_make(stream.data + cut, stream.size - cut), &err);
		assert_int_equal(rc, ERR_CANCELED);
		assert_int_equal(owner.passed.size, REPLY_HEADER_SIZE + 3);
		reply_release(&reply);
		owner_release(&owner);
	}
	buf_release(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fed_in_pieces_it_says_the_same),
		cmocka_unit_test(byte_by_byte_it_says_the_same),
		cmocka_unit_test(neighbours_are_passed_on_in_one_piece),
		cmocka_unit_test(lengths_that_cannot_be_stop_it),
		cmocka_unit_test(a_huge_message_passes_but_is_not_held),
		cmocka_unit_test(the_owners_error_stops_the_feeding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
