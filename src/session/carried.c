/* carried: the settings that a session carries from backend to backend.
 *
 * session->settings is what it set for itself, session->local what it set until the end of its transaction; backend->settings is what a backend
 * has been given. What a statement sets is noted in all three; what code of the database's own may have set is asked for (the probe).
 */
#include <stdio.h>
#include <string.h>

#include "backend/datestyle.h"
#include "base/limits.h"
#include "base/mem.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/side.h"
#include "sql/set_value.h"
#include "topo/config.h"

/* Temporary objects, session-level advisory locks, WITH HOLD cursors, channels, statements that are no copies: how many of each are left on this
 * backend; then the settings that code of the database's own may have changed. Those with a point in their names are not listed by PostgreSQL. */
const char carried_probe_sql[] =
	"SELECT (SELECT count(*) FROM pg_catalog.pg_depend WHERE refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass"
	" AND refobjid = pg_catalog.pg_my_temp_schema()),"
	" (SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()),"
	" (SELECT count(*) FROM pg_catalog.pg_cursors WHERE is_holdable),"
	" (SELECT count(*) FROM pg_catalog.pg_listening_channels()),"
	" (SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE name !~ '^nanu_[0-9]+$');"
	"SELECT pg_catalog.lower(name), pg_catalog.current_setting(name) FROM pg_catalog.pg_settings WHERE source = 'session' UNION ALL "
	"SELECT name, pg_catalog.current_setting(name) FROM (VALUES ('role'), ('session_authorization')) who(name)";

/* False: there is no room for it. */
static bool put_setting(struct settings **place, const char *name, const char *value, enum setting_form form)
{
	struct settings *more = settings_with(*place, name, value, form);

	if (!more)
		return false;
	settings_unref(*place);
	*place = more;
	return true;
}

/* Settings that are over with their transaction, whoever made them. */
static bool is_of_transaction(const char *name)
{
	return strcmp(name, "transaction_isolation") == 0 || strcmp(name, "transaction_read_only") == 0 ||
	       strcmp(name, "transaction_deferrable") == 0;
}

/* Who the session is, is told always; a text that was followed stays as it was written. */
static bool is_known(struct session *session, const char *name, const char *value)
{
	const struct setting *followed = settings_find(session->settings, name);

	if (strcmp(name, "role") != 0 && strcmp(name, "session_authorization") != 0)
		return false;
	if (!followed || !followed->text)
		return strcmp(value, strcmp(name, "role") == 0 ? "none" : session->user) == 0;
	if (strcmp(followed->text, value) != 0)
		return false;
	put_setting(&session->learned, name, followed->value, followed->form);
	return true;
}

static void learn_setting(struct session *session, struct cursor *cursor)
{
	struct slice name = cursor_bytes(cursor, cursor_u32(cursor)), value = cursor_bytes(cursor, cursor_u32(cursor));
	char *name_text = mem_strndup(name.data, name.size), *value_text = mem_strndup(value.data, value.size);

	if (!session->learned)
		session->learned = settings_ref(session->worker->pools.settings.empty);
	if (!is_of_transaction(name_text) && !is_known(session, name_text, value_text))
		put_setting(&session->learned, name_text, value_text, SETTING_RAW);
	mem_free(name_text);
	mem_free(value_text);
}

/* What the server says of itself stands for what was followed, except for what it does not list. */
void carried_learned(struct session *session, struct leg *leg)
{
	struct settings *learned = session->learned ? session->learned : settings_ref(session->worker->pools.settings.empty);

	session->learned = NULL;
	for (size_t i = 0; i < session->settings->count; i++) {
		const struct setting *item = &session->settings->items[i];

		if (strchr(item->name, '.'))
			put_setting(&learned, item->name, item->value, item->form);
	}
	settings_assign(&session->settings, learned);
	side_keep(session);
	settings_assign(&session->committed, session->settings);
	if (leg->backend)
		settings_assign(&leg->backend->settings, learned);
	settings_assign(&leg->base, learned);
	settings_unref(learned);
}

void carried_probed(struct session *session, struct backend *backend, struct slice row)
{
	static const unsigned pins[] = { PIN_TEMPORARY, PIN_ADVISORY, PIN_CURSOR, PIN_LISTEN };
	struct cursor cursor = cursor_of(row);
	unsigned count = cursor_u16(&cursor);

	if (count == 2) {
		learn_setting(session, &cursor);
		return;
	}
	for (unsigned i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		struct slice text = cursor_bytes(&cursor, cursor_u32(&cursor));

		if (slice_is(text, "0"))
			session->pins &= ~pins[i];
		else
			session->pins |= pins[i];
	}
	backend->spoiled |= session->pins & PIN_TEMPORARY || !slice_is(cursor_bytes(&cursor, cursor_u32(&cursor)), "0");
}

/* ---- what was set ---- */

/* RESET ALL leaves alone who the session is; DISCARD ALL does not. */
static void reset_all(struct settings **place, struct settings *initial, bool identity_too)
{
	static const char *const identity[] = { "session_authorization", "role" };
	struct settings *before = settings_ref(*place);

	settings_assign(place, initial);
	for (size_t i = 0; i < 2 && !identity_too; i++) {
		const struct setting *kept = settings_find(before, identity[i]);

		if (kept)
			put_setting(place, kept->name, kept->value, kept->form);
	}
	settings_unref(before);
}

static const char *value_in(const struct settings *settings, const char *name)
{
	const struct setting *found = settings ? settings_find(settings, name) : NULL;

	return found ? found->text : NULL;
}

/* What was set, as it is kept: *ret_form, and the value, allocated; NULL: DEFAULT. `now`, `reset`: what the setting was, and is to be by default. */
static char *kept_value(const struct shape *shape, const char *now, const char *reset, enum setting_form *ret_form)
{
	char *text, *whole;

	*ret_form = SETTING_SQL;
	if (!shape->setting_value)
		return NULL;
	if (!shape->set_config && strcmp(shape->setting, "datestyle") != 0)
		return mem_strdup(shape->setting_value);
	*ret_form = SETTING_RAW;
	text = set_value_text(shape->setting_value, false);
	if (strcmp(shape->setting, "datestyle") != 0)
		return text;
	whole = datestyle_after(now, reset, text);
	mem_free(text);
	return whole;
}

static void change_local(struct session *session, const struct shape *shape)
{
	const char *name = shape->setting, *reset = value_in(session->initial, name);
	const struct setting *first = settings_find(session->initial, name);
	bool local = session->local && settings_find(session->local, name);
	enum setting_form form;
	char *value = kept_value(shape, value_in(local ? session->local : session->settings, name), reset, &form);

	if (!session->local)
		session->local = settings_ref(session->worker->pools.settings.empty);
	if (value)
		put_setting(&session->local, name, value, form);
	else
		put_setting(&session->local, name, first ? first->value : "DEFAULT", first ? first->form : SETTING_SQL);
	mem_free(value);
}

static bool change_in(struct settings **place, struct settings *initial, struct settings *local, const struct shape *shape)
{
	const struct setting *first = settings_find(initial, shape->setting);
	bool is_local = local && settings_find(local, shape->setting);
	enum setting_form form;
	char *value = kept_value(shape, value_in(is_local ? local : *place, shape->setting), first ? first->text : NULL, &form);
	bool kept = !value && first ? put_setting(place, shape->setting, first->value, first->form) :
				      put_setting(place, shape->setting, value, form);

	if (strcmp(shape->setting, "session_authorization") == 0)       /* it takes the role with it */
		put_setting(place, "role", NULL, form);
	mem_free(value);
	return kept;
}

void carried_name(const struct session *session, const char *given, char *ret_name, size_t size)
{
	struct peer peer = session_peer(session);
	int room = NAME_SIZE_MAX - 1 - (int)strlen(peer.text) - 3;

	if (room < 0 || strlen(given) <= (size_t)room)
		room = room < 0 ? 0 : (int)strlen(given);
	while (room && (given[room] & 0xc0) == 0x80)
		room--;                 /* not within a character of UTF-8 */
	snprintf(ret_name, size, "%.*s - %s", room, given, peer.text);
}

/* The server has the name as the client gave it; legs_mend() gives it the one with the address. */
static void add_host(struct session *session)
{
	const struct setting *given = settings_find(session->settings, "application_name");
	char name[NAME_SIZE_MAX * 2];

	if (!given || !given->text || !session->worker->config->application_name_add_host)
		return;
	carried_name(session, given->text, name, sizeof(name));
	put_setting(&session->settings, "application_name", name, SETTING_RAW);
}

/* SET SESSION CHARACTERISTICS sets what could be set one by one. */
static void change_characteristics(struct session *session, struct leg *leg, const struct shape *shape)
{
	char isolation[32];
	const struct { bool given; const char *setting, *value; } characteristics[] = {
		{ shape->tx_isolation, "default_transaction_isolation", isolation },
		{ shape->tx_read_only || shape->tx_read_write, "default_transaction_read_only", shape->tx_read_only ? "on" : "off" },
		{ shape->tx_deferrable || shape->tx_not_deferrable, "default_transaction_deferrable", shape->tx_deferrable ? "on" : "off" },
	};

	if (shape->tx_isolation)
		snprintf(isolation, sizeof(isolation), "'%s'", shape->tx_isolation);
	for (size_t i = 0; i < sizeof(characteristics) / sizeof(characteristics[0]); i++)
		if (characteristics[i].given)
			carried_change(session, leg, &(struct shape){ .kind = STMT_SET, .setting = characteristics[i].setting,
				       .setting_value = characteristics[i].value });
}

void carried_change(struct session *session, struct leg *leg, const struct shape *shape)
{
	struct settings *empty = session->worker->pools.settings.empty;
	struct backend *backend = leg ? leg->backend : NULL;

	session->repairing = false;
	if (shape->set_current)
		return;
	if (shape->reset_all) {
		reset_all(&session->settings, session->initial, shape->kind == STMT_DISCARD);
		if (session->local)
			reset_all(&session->local, empty, shape->kind == STMT_DISCARD);
		if (backend)
			reset_all(&backend->settings, empty, shape->kind == STMT_DISCARD);
		return;
	}
	if (shape->tx_session_characteristics)
		change_characteristics(session, leg, shape);
	if (!shape->setting)
		return;
	if (strcmp(shape->setting, "seed") == 0)
		return;                 /* a call of setseed(): no value that could be had again */
	if (is_of_transaction(shape->setting)) {
		session->tx_snapshot = true;    /* another leg would not know of it */
		if (leg)
			leg->looked = true;
		return;
	}
	if (strcmp(shape->setting, "default_text_search_config") == 0)
		session->probe_pins = true;     /* the server writes out the schema that it found the name in */
	if (shape->set_scope == SET_LOCAL) {
		change_local(session, shape);
		reads_begin(session);
		return;
	}
	if (set_value_is_routers(shape->setting)) {
		change_in(&session->settings, session->initial, session->local, shape);
		if (session->local)
			put_setting(&session->local, shape->setting, NULL, SETTING_SQL);
		reads_begin(session);
		return;
	}
	if (!change_in(&session->settings, session->initial, session->local, shape) ||
	    (backend && !change_in(&backend->settings, empty, session->local, shape)))
		session->pins |= PIN_SETTINGS;
	if (strcmp(shape->setting, "application_name") == 0 && shape->setting_value)
		add_host(session);
	if (session->local)
		put_setting(&session->local, shape->setting, NULL, SETTING_SQL);
}

/* What the server refuses must not keep the session from changing it: a statement that forgets it runs without. Those that end a transaction
 * need no settings. effects_ready() brings back what the statement did not change. */
bool carried_repair(struct session *session)
{
	const struct shape *shape = session->repairs;
	struct settings *empty = session->worker->pools.settings.empty;

	if (!shape || session->repairing || session->tx_status != 'I' || session->settings != session->committed)
		return false;
	if (shape->kind == STMT_ROLLBACK || shape->kind == STMT_COMMIT) {
		settings_assign(&session->settings, empty);
	} else if (shape->reset_all) {
		reset_all(&session->settings, session->initial, shape->kind == STMT_DISCARD);
	} else if ((shape->kind == STMT_SET || shape->kind == STMT_RESET || shape->set_config) && shape->setting &&
		   shape->set_scope == SET_SESSION) {
		put_setting(&session->settings, shape->setting, NULL, SETTING_SQL);
		if (strcmp(shape->setting, "session_authorization") == 0)
			put_setting(&session->settings, "role", NULL, SETTING_SQL);
	}
	session->repairing = session->settings != session->committed;
	return session->repairing;
}
