#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "base/limits.h"
#include "proto/message.h"

static struct buf buf;

static int make_buf(void **state)
{
	buf_init(&buf, 1 << 20);
	return 0;
}

static int drop_buf(void **state)
{
	buf_release(&buf);
	return 0;
}

/* ---- start-up ---- */

static struct startup startup;
static size_t startup_size;

/* A start-up packet of these bytes behind its length. */
static int read_startup(const char *rest, size_t size, struct err *err)
{
	int rc;

	buf_clear(&buf);
	buf_add_u32(&buf, (uint32_t)size + 4);
	buf_add(&buf, rest, size);
	for (size_t cut = 0; cut < 8 && cut < buf.size; cut++)
		if (size + 4 >= 8)
			assert_int_equal(startup_read(slice_make(buf.data, cut), &startup, &startup_size, err), 0);
	rc = startup_read(buf_slice(&buf), &startup, &startup_size, err);
	return rc;
}

static void requests_before_a_session_are_told_apart(void **state)
{
	assert_int_equal(read_startup("\x04\xd2\x16\x2f", 4, NULL), 1);
	assert_int_equal(startup.kind, STARTUP_SSL);
	assert_int_equal(startup_size, 8);
	assert_int_equal(read_startup("\x04\xd2\x16\x30", 4, NULL), 1);
	assert_int_equal(startup.kind, STARTUP_GSS);
	assert_int_equal(read_startup("\x04\xd2\x16\x2e\0\0\0\7\xff\0\0\1", 12, NULL), 1);
	assert_int_equal(startup.kind, STARTUP_CANCEL);
	assert_int_equal(startup.cancel_pid, 7);
	assert_int_equal(startup.cancel_secret, 0xff000001);
}

static void a_session_has_its_parameters(void **state)
{
	struct slice key, value, rest;

	assert_int_equal(read_startup("\0\3\0\0user\0bob\0database\0\0options\0-c x=y\0\0", 39, NULL), 1);
	assert_int_equal(startup.kind, STARTUP_SESSION);
	assert_int_equal(startup.version, PROTOCOL_VERSION_3);
	rest = startup.parameters;
	assert_true(startup_next(&rest, &key, &value));
	assert_true(slice_is(key, "user") && slice_is(value, "bob"));
	assert_true(startup_next(&rest, &key, &value));
	assert_true(slice_is(key, "database") && slice_is(value, ""));
	assert_true(startup_next(&rest, &key, &value));
	assert_true(slice_is(key, "options") && slice_is(value, "-c x=y"));
	assert_false(startup_next(&rest, &key, &value));
}

static void every_cut_of_a_startup_waits_for_the_rest(void **state)
{
	buf_clear(&buf);
	message_startup_end(&buf, message_startup(&buf, "bob", "shop"));
	for (size_t cut = 0; cut < buf.size; cut++) {
		assert_int_equal(startup_read(slice_make(buf.data, cut), &startup, &startup_size, NULL), 0);
		assert_int_equal(startup_size, 0);
	}
	assert_int_equal(startup_read(buf_slice(&buf), &startup, &startup_size, NULL), 1);
	assert_int_equal(startup_size, buf.size);
	buf_add_text(&buf, "more");
	assert_int_equal(startup_read(buf_slice(&buf), &startup, &startup_size, NULL), 1);
	assert_int_equal(startup_size, buf.size - 4);
}

static void what_postgres_refuses_at_startup_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		int code;
	} cases[] = {
		{ "", 0, ERR_PROTOCOL },
		{ "\0\3\0", 3, ERR_PROTOCOL },
		{ "\0\3\0\0", 4, ERR_PROTOCOL },                                /* no terminator */
		{ "\0\3\0\0user\0bob\0", 13, ERR_PROTOCOL },
		{ "\0\3\0\0user\0bob\0x", 14, ERR_PROTOCOL },
		{ "\0\3\0\0user\0\0", 10, ERR_PROTOCOL },                       /* a key, an empty value, no terminator */
		{ "\0\3\0\0user\0bob\0\0junk\0", 19, ERR_PROTOCOL },            /* bytes behind the terminator */
		{ "\0\2\0\0", 4, ERR_UNSUPPORTED },                             /* protocol 2.0 */
		{ "\0\4\0\0user\0bob\0\0", 14, ERR_UNSUPPORTED },
		{ "\x04\xd2\x16\x2e\0\0\0\7", 8, ERR_PROTOCOL },                /* a cancel request that is cut */
		{ "\x04\xd2\x16\x2e\0\0\0\7\0\0\0\7x", 13, ERR_PROTOCOL },
	};
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (read_startup(cases[i].bytes, cases[i].size, &err) != cases[i].code)
			fail_msg("case %zu is not refused", i);
	assert_int_equal(startup_read(slice_make("\0\0\x27\x11", 4), &startup, &startup_size, &err), ERR_PROTOCOL);      /* 10001 bytes */
	assert_int_equal(startup_read(slice_make("\0\0\x27\x10", 4), &startup, &startup_size, &err), 0);
	assert_int_equal(startup_read(slice_make("GET ", 4), &startup, &startup_size, &err), ERR_PROTOCOL);
	assert_int_equal(startup_read((struct slice){ NULL, 0 }, &startup, &startup_size, &err), 0);
}

static void a_minor_version_is_taken(void **state)
{
	assert_int_equal(read_startup("\0\3\0\2user\0bob\0\0", 14, NULL), 1);
	assert_int_equal(startup.version, PROTOCOL_VERSION_3 + 2);
}

/* ---- errors ---- */

static void an_error_says_all_its_fields(void **state)
{
	struct message message;
	struct err err;
	size_t size;

	err_set(&err, ERR_SYNTAX, "bad \"%s\"", "x");
	err_detail(&err, "more");
	err_hint(&err, "do so");
	message_error(&buf, "ERROR", &err);
	assert_int_equal(frame_next(buf_slice(&buf), 10000, &message, &size, NULL), 1);
	assert_int_equal(size, buf.size);
	assert_int_equal(message.type, 'E');
	assert_true(slice_is(error_field(message.body, 'S'), "ERROR"));
	assert_true(slice_is(error_field(message.body, 'V'), "ERROR"));
	assert_true(slice_is(error_field(message.body, 'C'), "42601"));
	assert_true(slice_is(error_field(message.body, 'M'), "bad \"x\""));
	assert_true(slice_is(error_field(message.body, 'D'), "more"));
	assert_true(slice_is(error_field(message.body, 'H'), "do so"));
	assert_int_equal(error_field(message.body, 'P').size, 0);
	for (size_t cut = 0; cut <= message.body.size; cut++)
		error_field(slice_make(message.body.data, cut), 'H');
	assert_int_equal(error_field((struct slice){ NULL, 0 }, 'M').size, 0);
	assert_int_equal(error_field(slice_make("Mcut", 4), 'M').size, 0);
}

/* ---- rows ---- */

static void a_row_description_reads_as_it_was_written(void **state)
{
	struct column_description column;
	struct message message;
	struct cursor cursor;
	size_t size, begin = message_row_description_begin(&buf, 2);

	message_row_description_add(&buf, "id", 20, 8, -1, 1);
	message_row_description_add(&buf, "name", 25, -1, 42, 0);
	frame_end(&buf, begin);
	assert_int_equal(frame_next(buf_slice(&buf), 10000, &message, &size, NULL), 1);
	cursor = cursor_of(message.body);
	assert_int_equal(cursor_u16(&cursor), 2);
	column = row_description_next(&cursor);
	assert_true(slice_is(column.name, "id"));
	assert_int_equal(column.type, 20);
	assert_int_equal(column.type_size, 8);
	assert_int_equal(column.typmod, -1);
	assert_int_equal(column.format, 1);
	column = row_description_next(&cursor);
	assert_true(slice_is(column.name, "name"));
	assert_int_equal(column.type_size, -1);
	assert_int_equal(column.typmod, 42);
	assert_false(cursor.failed);
	assert_int_equal(cursor_left(&cursor), 0);
	row_description_next(&cursor);
	assert_true(cursor.failed);
}

/* ---- Bind ---- */

enum { NULL_PARAM = -1 };

/* Formats, parameters of these sizes (their bytes are their number), result formats. */
static struct slice make_bind(const uint16_t *formats, uint16_t format_count, const int *sizes, uint16_t param_count)
{
	buf_clear(&buf);
	buf_add_cstr(&buf, "portal");
	buf_add_cstr(&buf, "statement");
	buf_add_u16(&buf, format_count);
	for (unsigned i = 0; i < format_count; i++)
		buf_add_u16(&buf, formats[i]);
	buf_add_u16(&buf, param_count);
	for (unsigned i = 0; i < param_count; i++) {
		buf_add_u32(&buf, (uint32_t)sizes[i]);
		for (int j = 0; j < sizes[i]; j++)
			buf_add_u8(&buf, (uint8_t)(i + 1));
	}
	buf_add_u16(&buf, 2);
	buf_add_u16(&buf, 0);
	buf_add_u16(&buf, 1);
	return buf_slice(&buf);
}

static void formats_are_none_one_for_all_or_one_each(void **state)
{
	static const int sizes[] = { 4, NULL_PARAM, 0 };
	static const uint16_t formats[] = { 1, 0, 1 };
	struct slice value;
	struct bind bind;
	int format;

	for (uint16_t count = 0; count <= 3; count++) {
		struct slice body = make_bind(formats, count, sizes, 3);

		assert_int_equal(bind_read(body, &bind, NULL), 0);
		assert_true(slice_is(bind.portal, "portal"));
		assert_true(slice_is(bind.statement, "statement"));
		assert_int_equal(bind.param_count, 3);
		assert_int_equal(bind.result_formats.size, 6);
		assert_true(bind_param(&bind, 1, &value, &format));
		assert_int_equal(format, count ? 1 : 0);
		assert_true(slice_is(value, "\1\1\1\1"));
		assert_false(bind_param(&bind, 2, &value, &format));
		if (count == 2) {
			assert_false(bind_param(&bind, 3, &value, &format));    /* a format for it is missing: the server will say so */
		} else {
			assert_true(bind_param(&bind, 3, &value, &format));
			assert_int_equal(value.size, 0);
			assert_int_equal(format, count ? 1 : 0);
		}
		assert_false(bind_param(&bind, 0, &value, &format));
		assert_false(bind_param(&bind, 4, &value, &format));
		assert_false(bind_param(&bind, -1, &value, &format));
	}
}

static void a_bind_cut_anywhere_or_with_more_is_refused(void **state)
{
	static const int sizes[] = { 5, NULL_PARAM, 0, 100 };
	static const uint16_t formats[] = { 1, 0, 1, 1 };
	struct slice body = make_bind(formats, 4, sizes, 4);
	struct bind bind;
	struct err err;

	for (size_t cut = 0; cut < body.size; cut++) {
		char *exact = malloc(cut ? cut : 1);            /* so that a sanitizer sees a step too far */

		memcpy(exact, body.data, cut);
		assert_int_equal(bind_read(slice_make(exact, cut), &bind, &err), ERR_PROTOCOL);
		assert_string_equal(err.sqlstate, "08P01");
		free(exact);
	}
	assert_int_equal(bind_read(body, &bind, &err), 0);
	buf_add_u8(&buf, 0);
	assert_int_equal(bind_read(buf_slice(&buf), &bind, &err), ERR_PROTOCOL);
}

static void a_negative_size_other_than_null_is_refused(void **state)
{
	struct bind bind;

	assert_int_equal(bind_read(make_bind(NULL, 0, (int[]){ -2 }, 1), &bind, NULL), ERR_PROTOCOL);
	assert_int_equal(bind_read(make_bind(NULL, 0, (int[]){ INT32_MIN }, 1), &bind, NULL), ERR_PROTOCOL);
}

/* ---- written ---- */

static void every_written_message_is_a_whole_frame(void **state)
{
	static const char types[] = "RSKZNC1QPDCEp";
	struct message message;
	size_t size, at = 0;

	message_auth(&buf, AUTH_CODE_SASL, SLICE_LIT("SCRAM-SHA-256\0"));
	message_parameter(&buf, SLICE_LIT("a"), SLICE_LIT("b"));
	message_key_data(&buf, 1, 2);
	message_ready(&buf, 'I');
	message_notice(&buf, "NOTICE", "00000", "text");
	message_complete(&buf, "SELECT 1");
	message_empty(&buf, '1');
	message_query(&buf, "SELECT 1");
	message_parse(&buf, "s", SLICE_LIT("SELECT $1"), (uint32_t[]){ 23 }, 1);
	message_describe(&buf, 'S', "s");
	message_close(&buf, 'S', "s");
	message_execute(&buf, "", 10);
	message_password(&buf, SLICE_LIT("secret"));
	for (size_t i = 0; i < sizeof(types) - 1; i++) {
		assert_int_equal(frame_next(slice_make(buf.data + at, buf.size - at), 10000, &message, &size, NULL), 1);
		assert_int_equal(message.type, types[i]);
		if (message.type == 'P')
			assert_true(slice_eq(message.body, slice_make("s\0SELECT $1\0\0\1\0\0\0\x17", 18)));
		if (message.type == 'E')
			assert_true(slice_eq(message.body, slice_make("\0\0\0\0\x0a", 5)));
		at += size;
	}
	assert_int_equal(at, buf.size);
	buf_clear(&buf);
	message_cancel(&buf, 7, 9);
	assert_int_equal(startup_read(buf_slice(&buf), &startup, &startup_size, NULL), 1);
	assert_int_equal(startup.kind, STARTUP_CANCEL);
	assert_int_equal(startup.cancel_pid, 7);
	assert_int_equal(startup.cancel_secret, 9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_buf, drop_buf)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_before_a_session_are_told_apart),
		TEST(a_session_has_its_parameters),
		TEST(every_cut_of_a_startup_waits_for_the_rest),
		TEST(what_postgres_refuses_at_startup_is_refused),
		TEST(a_minor_version_is_taken),
		TEST(an_error_says_all_its_fields),
		TEST(a_row_description_reads_as_it_was_written),
		TEST(formats_are_none_one_for_all_or_one_each),
		TEST(a_bind_cut_anywhere_or_with_more_is_refused),
		TEST(a_negative_size_other_than_null_is_refused),
		TEST(every_written_message_is_a_whole_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
