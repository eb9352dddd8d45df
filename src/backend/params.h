/* params: what a server reported with ParameterStatus, as an immutable, interned list.
 *
 * Like settings: equal lists of one worker are one pointer, so that lending a backend to a session compares pointers, and only a difference
 * is told to the client.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/slice.h"

struct params_table {
	struct map lists;
};

struct params {
	struct params_table *table;
	unsigned refs;
	struct slice key;               /* name, zero, value, zero, … in order of name, case aside */
	bool standard_strings;          /* standard_conforming_strings is not off */
	bool own_encoding;              /* client_encoding is the server's */
	struct slice told;              /* all of it as messages, once somebody has asked for that */
};

struct params *params_empty(struct params_table *table);        /* a new reference */
struct params *params_ref(struct params *params);
void params_unref(struct params *params);                       /* NULL is allowed */
void params_assign(struct params **place, struct params *params);

/* A new reference to the list with `name` set; the same list when it says so already, or when it would grow without bound. */
struct params *params_with(struct params *params, struct slice name, struct slice value);
struct slice params_get(const struct params *params, const char *name);         /* empty when absent; zero-terminated */
bool params_next(const struct params *params, size_t *position, struct slice *ret_name, struct slice *ret_value);

/* Appends a ParameterStatus message for each entry of `to` that `from` (NULL: nothing) lacks or has otherwise. */
void params_tell(const struct params *from, struct params *to, struct buf *out);
