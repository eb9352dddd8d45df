/* own_settings: the settings that are the router's and not PostgreSQL's, nanu.…: SET, RESET and SHOW of them, without any server.
 *
 * They are carried with the others (carried.c), and so follow transactions; whoever acts on one reads its text.
 */
#pragma once

#include <stdbool.h>

#include "session/session.h"

#define OWN_CONSISTENCY "nanu.consistency"
#define OWN_MAX_STALENESS "nanu.max_staleness"
#define OWN_READ_FALLBACK "nanu.read_fallback"
#define OWN_READ_FROM "nanu.read_from"
#define OWN_READ_WAIT "nanu.read_wait"
#define OWN_TOKEN "nanu.token"
#define OWN_USER "nanu.user"

/* Whether this statement sets, resets or shows one. */
bool own_is_setting(const struct shape *shape);
/* What SET and RESET do. ERR_INVALID_VALUE, ERR_UNDEFINED_OBJECT. */
must_use int own_set(struct session *session, const struct shape *shape, struct err *err);
/* SHOW: 1, and the answer is in `job`; 0: `sql` is none; WAITS: not yet, the session is resumed. Errors are in the job. */
enum { OWN_WAITS = 2 };
must_use int own_show(struct session *session, struct slice sql, struct job *job);
/* Of `settings`, those of the router are as they must be: of a start-up packet. ERR_INVALID_VALUE, ERR_UNDEFINED_OBJECT. */
must_use int own_check(struct session *session, const struct settings *settings, struct err *err);
/* The same of one. NULL for `text`: whether there is such a setting. */
must_use int own_check_one(struct session *session, const char *name, const char *text, struct err *err);
/* What the session, or its transaction, has set; NULL: nothing. Also of PostgreSQL's own, as far as nanu follows them. */
const char *own_value(const struct session *session, const char *name);

/* The text names one of `names`, which end with NULL: its index; else -1. */
int own_choice(const char *const *names, const char *text);
