#include "backend/params.h"

#include <strings.h>

#include "base/mem.h"
#include "proto/message.h"

enum { PARAMS_SIZE_MAX = 64 << 10 };

static struct params *intern(struct params_table *table, struct slice key)
{
	struct params *params = map_get(&table->lists, key);

	if (params)
		return params_ref(params);
	params = mem_calloc(1, sizeof(*params));
	params->table = table;
	params->refs = 1;
	params->key = slice_make(mem_strndup(key.data, key.size), key.size);
	params->standard_strings = !slice_is(params_get(params, "standard_conforming_strings"), "off");
	params->own_encoding = slice_eq(params_get(params, "client_encoding"), params_get(params, "server_encoding"));
	map_set(&table->lists, params->key, params);
	return params;
}

struct params *params_empty(struct params_table *table)
{
	return intern(table, (struct slice){ "", 0 });
}

struct params *params_ref(struct params *params)
{
	params->refs++;
	return params;
}

void params_unref(struct params *params)
{
	if (!params || --params->refs > 0)
		return;
	map_remove(&params->table->lists, params->key);
	mem_free((void *)(uintptr_t)params->key.data);
	mem_free((void *)(uintptr_t)params->told.data);
	mem_free(params);
}

void params_assign(struct params **place, struct params *params)
{
	struct params *old = *place;

	*place = params ? params_ref(params) : NULL;
	params_unref(old);
}

bool params_next(const struct params *params, size_t *position, struct slice *ret_name, struct slice *ret_value)
{
	if (*position >= params->key.size)
		return false;
	*ret_name = slice_of(params->key.data + *position);
	*position += ret_name->size + 1;
	*ret_value = slice_of(params->key.data + *position);
	*position += ret_value->size + 1;
	return true;
}

static void add(struct buf *key, struct slice name, struct slice value)
{
	buf_add_slice(key, name);
	buf_add_u8(key, 0);
	buf_add_slice(key, value);
	buf_add_u8(key, 0);
}

/* In PostgreSQL's order of settings, which is not by case; names come from messages and need not end in a zero. */
static int compare(struct slice a, struct slice b)
{
	int order = strncasecmp(a.data, b.data, a.size < b.size ? a.size : b.size);

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

struct params *params_with(struct params *params, struct slice name, struct slice value)
{
	struct slice had_name, had_value;
	size_t position = 0;
	bool placed = false;
	struct params *found;
	struct buf key;

	buf_init(&key, PARAMS_SIZE_MAX);
	while (params_next(params, &position, &had_name, &had_value)) {
		int order = compare(had_name, name);

		if (order >= 0 && !placed) {
			add(&key, name, value);
			placed = true;
		}
		if (order != 0)
			add(&key, had_name, had_value);
	}
	if (!placed)
		add(&key, name, value);
	found = key.failed ? params_ref(params) : intern(params->table, buf_slice(&key));
	buf_release(&key);
	return found;
}

struct slice params_get(const struct params *params, const char *name)
{
	struct slice had_name, had_value;
	size_t position = 0;

	while (params_next(params, &position, &had_name, &had_value))
		if (slice_is(had_name, name))
			return had_value;
	return (struct slice){ "", 0 };
}

static void add_others(const struct params *from, const struct params *to, struct buf *out)
{
	struct slice name, value;
	size_t position = 0;

	while (params_next(to, &position, &name, &value))
		if (!from || !slice_eq(params_get(from, name.data), value))
			message_parameter(out, name, value);
}

void params_tell(const struct params *from, struct params *to, struct buf *out)
{
	struct buf all;

	if (from == to)
		return;
	if (from) {
		add_others(from, to, out);
		return;
	}
	if (!to->told.data) {           /* every session begins with it */
		buf_init(&all, 2 * PARAMS_SIZE_MAX);
		add_others(NULL, to, &all);
		to->told = buf_slice(&all);
	}
	buf_add_slice(out, to->told);
}
