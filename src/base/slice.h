/* slice: borrowed bytes.
 *
 * A slice owns nothing: whoever made it says how long its bytes live. The bytes need not end in a zero.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *data;
	size_t size;
};

#define SLICE_LIT(text) ((struct slice){ "" text, sizeof(text) - 1 })
#define SLICE_FMT(s) (int)(s).size, (s).data            /* for "%.*s" */

static inline struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline struct slice slice_make(const void *data, size_t size)
{
	return (struct slice){ data, size };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
	return slice_eq(a, slice_of(text));
}
