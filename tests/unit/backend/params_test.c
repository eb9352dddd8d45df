#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "backend/params.h"
#include "base/mem.h"
#include "proto/message.h"

static void put(struct params **list, const char *name, const char *value)
{
	/* Not terminated by a zero, as in a message. */
	char *name_bytes = mem_strdup(name), *value_bytes = mem_strdup(value);
	struct params *more;

	name_bytes[strlen(name)] = value_bytes[strlen(value)] = 'x';
	more = params_with(*list, slice_make(name_bytes, strlen(name)), slice_make(value_bytes, strlen(value)));
	params_unref(*list);
	*list = more;
	mem_free(name_bytes);
	mem_free(value_bytes);
}

static void equal_lists_are_one_whatever_the_order(void **state)
{
	struct params_table table = { { 0 } };
	struct params *a = params_empty(&table), *b = params_empty(&table), *held = NULL;

	assert_ptr_equal(a, b);
	put(&a, "TimeZone", "UTC");
	put(&a, "DateStyle", "ISO");
	put(&a, "Time", "short");
	put(&b, "Time", "other");
	put(&b, "DateStyle", "ISO");
	put(&b, "TimeZone", "UTC");
	assert_ptr_not_equal(a, b);
	put(&b, "Time", "short");
	assert_ptr_equal(a, b);
	put(&b, "Time", "short");
	assert_ptr_equal(a, b);
	assert_true(slice_is(params_get(a, "TimeZone"), "UTC"));
	assert_true(slice_is(params_get(a, "Time"), "short"));
	assert_int_equal(params_get(a, "none").size, 0);
	params_assign(&held, a);
	params_unref(a);
	params_unref(b);
	params_assign(&held, NULL);
	params_unref(NULL);
	assert_int_equal(table.lists.count, 0);
	map_release(&table.lists);
}

static void only_differences_are_told(void **state)
{
	struct params_table table = { { 0 } };
	struct params *from = params_empty(&table), *to = params_empty(&table);
	struct message message;
	struct buf out;
	size_t size;

	buf_init(&out, 1000);
	put(&from, "a", "1");
	put(&from, "b", "2");
	put(&from, "gone", "x");
	put(&to, "a", "1");
	put(&to, "b", "3");
	params_tell(from, from, &out);
	assert_int_equal(out.size, 0);
	params_tell(from, to, &out);
	assert_int_equal(frame_next(buf_slice(&out), 1000, &message, &size, NULL), 1);
	assert_int_equal(size, out.size);
	assert_int_equal(message.type, 'S');
	assert_true(slice_eq(message.body, slice_make("b\0" "3", 4)));
	buf_clear(&out);
	params_tell(NULL, to, &out);
	assert_int_equal(out.size, 2 * (FRAME_HEADER_SIZE + 4));
	buf_release(&out);
	params_unref(from);
	params_unref(to);
	map_release(&table.lists);
}

static void a_server_cannot_grow_the_list_without_bound(void **state)
{
	struct params_table table = { { 0 } };
	struct params *list = params_empty(&table);
	char name[32], value[1000];

	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		put(&list, name, value);
	}
	assert_true(list->key.size <= 64 << 10);
	assert_int_equal(params_get(list, "n0").size, sizeof(value) - 1);
	params_unref(list);
	map_release(&table.lists);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_lists_are_one_whatever_the_order),
		cmocka_unit_test(only_differences_are_told),
		cmocka_unit_test(a_server_cannot_grow_the_list_without_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
