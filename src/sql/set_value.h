/* set_value: what stands after SET x TO, as the text that PostgreSQL makes of it, and the lists of names in such texts. No state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

struct arena;

/* `'a', E'b\\c', 5` (shape.setting_value) -> `a, b\c, 5`, as flatten_set_variable_args() of PostgreSQL joins them; `names`: of a setting that is
 * a list of quoted names -> `"a", "b\c", 5`. Allocated. */
char *set_value_text(const char *sql, bool names);

/* Whether the setting is a list of quoted names (GUC_LIST_QUOTE). */
bool set_value_is_names(const char *setting);

/* `a, "B c"` -> a, B c, as SplitIdentifierString() of PostgreSQL reads it. False when it would refuse. */
must_use bool set_value_split(struct arena *arena, const char *list, const char ***ret_names, size_t *ret_count);

/* Whether a setting is the router's own, nanu.…, of which no server is told. */
bool set_value_is_routers(const char *name);

/* Whether a text that does not parse has nanu.user in it, which does not because `user` is a reserved word. */
bool set_value_unquoted_user(struct slice sql);
