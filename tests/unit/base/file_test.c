#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"

enum { SIZE_MAX_READ = 10000 };

static char path[] = "/tmp/nanu-file-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void put(const char *bytes, size_t size)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void what_fits_is_whole_and_ends_with_a_zero(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 8192, SIZE_MAX_READ - 1, SIZE_MAX_READ };
	char *bytes = calloc(1, SIZE_MAX_READ);

	(void)state;
	for (size_t i = 0; i < SIZE_MAX_READ; i++)
		bytes[i] = (char)(i % 251);     /* zeros are among them */
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct err err = { 0 };
		size_t size = 1;
		char *text;

		put(bytes, sizes[i]);
		assert_int_equal(file_read(path, SIZE_MAX_READ, &text, &size, &err), 0);
		assert_int_equal(size, sizes[i]);
		assert_memory_equal(text, bytes, sizes[i]);
		assert_int_equal(text[sizes[i]], 0);
		mem_free(text);
	}
	free(bytes);
}

static void what_is_larger_is_refused(void **state)
{
	static const size_t sizes[] = { SIZE_MAX_READ + 1, SIZE_MAX_READ + 4096, 10 * SIZE_MAX_READ };
	char *bytes = calloc(10, SIZE_MAX_READ);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *text = bytes;
		struct err err;

		put(bytes, sizes[i]);
		assert_int_equal(file_read(path, SIZE_MAX_READ, &text, NULL, &err), ERR_LIMIT);
		assert_null(text);
		assert_non_null(strstr(err.message, "is larger than 10000 bytes"));
	}
	free(bytes);
}

static void what_cannot_be_read_is_an_error_that_says_why(void **state)
{
	char *text = path;
	struct err err;

	(void)state;
	assert_int_equal(file_read("/nonexistent/file", SIZE_MAX_READ, &text, NULL, &err), ERR_IO);
	assert_null(text);
	assert_string_equal(err.message, "cannot open /nonexistent/file: No such file or directory");
	assert_int_equal(file_read("/", SIZE_MAX_READ, &text, NULL, &err), ERR_IO);
	assert_null(text);
	assert_string_equal(err.message, "cannot read /: Is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_is_whole_and_ends_with_a_zero),
		cmocka_unit_test(what_is_larger_is_refused),
		cmocka_unit_test(what_cannot_be_read_is_an_error_that_says_why),
	};

	return cmocka_run_group_tests(tests, make_file, drop_file);
}
