#include "route/collation.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "route/value.h"

enum { COLLATION_STACK_SIZE = 1024 };           /* texts up to this are made zero-ended without allocating, as varstr_cmp does */

struct collation {
	const char *name;
	locale_t locale;                        /* (locale_t)0: by bytes */
};

static const struct collation by_bytes = { .name = "C" };

static pthread_mutex_t made_lock = PTHREAD_MUTEX_INITIALIZER;
static struct collation made[COLLATIONS_MAX];
static size_t made_count;

const struct collation *collation_bytes(void)
{
	return &by_bytes;
}

/* The C.* locales order by code point, which for UTF-8 is the order of bytes; PostgreSQL too gives them no version. */
static bool orders_by_bytes(const char *locale)
{
	return strcasecmp(locale, "C") == 0 || strcasecmp(locale, "POSIX") == 0 || strncasecmp(locale, "C.", 2) == 0;
}

static int find_or_make(const char *locale, const struct collation **ret_collation, struct err *err)
{
	struct collation *fresh;
	locale_t handle;

	for (size_t i = 0; i < made_count; i++) {
		if (strcmp(made[i].name, locale) == 0) {
			*ret_collation = &made[i];
			return 0;
		}
	}
	if (made_count == COLLATIONS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d collations are in use", COLLATIONS_MAX);
	/* Both categories, as PostgreSQL asks for them: what a byte means comes from LC_CTYPE. */
	handle = newlocale(LC_COLLATE_MASK | LC_CTYPE_MASK, locale, (locale_t)0);
	if (!handle) {
		err_set(err, ERR_UNSUPPORTED, "the router's machine does not have the locale \"%s\"", locale);
		err_hint(err, "Install the locale beside the router (localedef), or order by the column COLLATE \"C\".");
		return ERR_UNSUPPORTED;
	}
	fresh = &made[made_count++];
	*fresh = (struct collation){ .name = mem_strdup(locale), .locale = handle };
	*ret_collation = fresh;
	return 0;
}

int collation_get(const char *locale, const struct collation **ret_collation, struct err *err)
{
	int code;

	if (orders_by_bytes(locale)) {
		*ret_collation = &by_bytes;
		return 0;
	}
	pthread_mutex_lock(&made_lock);
	code = find_or_make(locale, ret_collation, err);
	pthread_mutex_unlock(&made_lock);
	return code;
}

static int compare_bytes(struct slice a, struct slice b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = size ? memcmp(a.data, b.data, size) : 0;

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static char *zero_ended(struct slice text, char *room)
{
	char *copy = text.size < COLLATION_STACK_SIZE ? room : mem_alloc(text.size + 1);

	if (text.size)
		memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	return copy;
}

int collation_compare(const struct collation *collation, struct slice a, struct slice b)
{
	char room_a[COLLATION_STACK_SIZE], room_b[COLLATION_STACK_SIZE];
	char *text_a, *text_b;
	int order;

	if (!collation->locale || slice_eq(a, b))
		return compare_bytes(a, b);
	text_a = zero_ended(a, room_a);
	text_b = zero_ended(b, room_b);
	order = strcoll_l(text_a, text_b, collation->locale);
	if (text_a != room_a)
		mem_free(text_a);
	if (text_b != room_b)
		mem_free(text_b);
	return order ? order : compare_bytes(a, b);
}
