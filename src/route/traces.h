/* traces: whether a statement may leave in its session what nobody sees in the statement: a setting, a lock, something temporary, by code that it
 * runs. Inside of route/.
 *
 * Code is what functions, triggers, views, policies, defaults and checks have, as the catalog knows it. What is not known, or makes SQL of text,
 * may leave anything. Calls that the session follows by itself (set_config(), advisory locks, setseed(), written in the statement) do not count.
 */
#pragma once

#include <stdbool.h>

struct resolver;

bool traces_left(const struct resolver *resolver);

/* Whether it may run what tells in what words, or by which messages, it came to the server. */
bool traces_tell_statement(const struct resolver *resolver);

/* The same of the code of a DO. */
bool traces_left_by_code(const struct resolver *resolver, const char *code, const char *language);
