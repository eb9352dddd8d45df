#include "backend/settings.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"
#include "sql/set_value.h"

enum { SETTINGS_SIZE_MAX = 1 << 20 };

/* Settings that change neither what a statement means, nor how its constants are read, nor what is remarked upon while it is. */
static const char *const harmless[] = {
	"application_name", "deadlock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout",
	"lock_timeout", "log_min_duration_statement", "log_statement", "statement_timeout", "synchronous_commit", "work_mem",
};

static bool is_harmless(const char *name)
{
	if (set_value_is_routers(name))
		return true;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (strcmp(harmless[i], name) == 0)
			return true;
	return false;
}

static void add_key(struct buf *key, const struct setting *item)
{
	buf_add_u8(key, item->form == SETTING_RAW ? 'r' : 's');
	buf_add_cstr(key, item->name);
	buf_add_cstr(key, item->value);
}

/* What the setting's text is; it belongs to the set if it was made of SQL. */
static const char *text_of(const struct setting *item)
{
	if (item->form == SETTING_RAW)
		return item->value;
	return strcmp(item->value, "DEFAULT") == 0 ? NULL : set_value_text(item->value, set_value_is_names(item->name));
}

/* The interned set of these items, which are in order of name; a new reference. */
static struct settings *intern(struct settings_table *table, const struct setting *items, size_t count)
{
	struct settings *settings;
	struct setting essential[SETTINGS_MAX];
	size_t essential_count = 0;
	struct buf key;
	char *at;

	buf_init(&key, SETTINGS_SIZE_MAX);
	for (size_t i = 0; i < count; i++)
		add_key(&key, &items[i]);
	if (key.failed) {
		buf_release(&key);
		return NULL;
	}
	settings = map_get(&table->sets, buf_slice(&key));
	if (settings) {
		buf_release(&key);
		return settings_ref(settings);
	}
	settings = mem_calloc(1, sizeof(*settings) + count * sizeof(*items));
	settings->table = table;
	settings->refs = 1;
	settings->count = count;
	settings->key = slice_make(mem_strndup(key.data, key.size), key.size);
	buf_release(&key);
	at = (char *)(uintptr_t)settings->key.data;
	for (size_t i = 0; i < count; i++) {
		settings->items[i].form = items[i].form;
		settings->items[i].name = at + 1;
		at += 1 + strlen(at + 1) + 1;
		settings->items[i].value = at;
		at += strlen(at) + 1;
		settings->items[i].text = text_of(&settings->items[i]);
		if (!is_harmless(settings->items[i].name))
			essential[essential_count++] = settings->items[i];
	}
	map_set(&table->sets, settings->key, settings);
	settings->analysis = essential_count == count ? settings : intern(table, essential, essential_count);
	return settings;
}

void settings_table_init(struct settings_table *table)
{
	*table = (struct settings_table){ 0 };
	table->empty = intern(table, NULL, 0);
}

void settings_table_release(struct settings_table *table)
{
	settings_unref(table->empty);
	map_release(&table->sets);
}

struct settings *settings_ref(struct settings *settings)
{
	settings->refs++;
	return settings;
}

void settings_unref(struct settings *settings)
{
	if (!settings || --settings->refs > 0)
		return;
	map_remove(&settings->table->sets, settings->key);
	if (settings->analysis != settings)
		settings_unref(settings->analysis);
	for (size_t i = 0; i < settings->count; i++)
		if (settings->items[i].form == SETTING_SQL)
			mem_free((void *)(uintptr_t)settings->items[i].text);
	mem_free((void *)(uintptr_t)settings->key.data);
	mem_free(settings);
}

void settings_assign(struct settings **place, struct settings *settings)
{
	struct settings *old = *place;

	*place = settings ? settings_ref(settings) : NULL;
	settings_unref(old);
}

struct settings *settings_with(struct settings *settings, const char *name, const char *value, enum setting_form form)
{
	struct setting items[SETTINGS_MAX];
	struct setting fresh = { .name = name, .value = value, .form = form };
	size_t count = 0;
	bool placed = value == NULL;

	for (size_t i = 0; i < settings->count; i++) {
		int order = strcmp(settings->items[i].name, name);

		if (order >= 0 && !placed) {
			if (count == SETTINGS_MAX)
				return NULL;
			items[count++] = fresh;
			placed = true;
		}
		if (order == 0)
			continue;
		if (count == SETTINGS_MAX)
			return NULL;
		items[count++] = settings->items[i];
	}
	if (!placed) {
		if (count == SETTINGS_MAX)
			return NULL;
		items[count++] = fresh;
	}
	return intern(settings->table, items, count);
}

const struct setting *settings_find(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->count; i++)
		if (strcmp(settings->items[i].name, name) == 0)
			return &settings->items[i];
	return NULL;
}

void settings_quote(struct buf *sql, const char *text)
{
	/* E'' reads the same with standard_conforming_strings on and off. */
	buf_add_text(sql, strchr(text, '\\') ? "E'" : "'");
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			buf_add_u8(sql, (uint8_t)*text);
		buf_add_u8(sql, (uint8_t)*text);
	}
	buf_add_u8(sql, '\'');
}

static void quote_name(struct buf *sql, const char *name)
{
	/* A custom setting is two identifiers with a point between; each is quoted for itself. */
	buf_add_u8(sql, '"');
	for (; *name; name++) {
		if (*name == '.')
			buf_add_text(sql, "\".\"");
		else if (*name == '"')
			buf_add_text(sql, "\"\"");
		else
			buf_add_u8(sql, (uint8_t)*name);
	}
	buf_add_u8(sql, '"');
}

static bool same(const struct setting *a, const struct setting *b)
{
	return b && a->form == b->form && strcmp(a->value, b->value) == 0;
}

/* Role and session authorization decide what may be set, and a new session authorization ends the role. */
enum identity { IDENTITY_NONE, IDENTITY_SESSION, IDENTITY_ROLE, IDENTITY_ROUTER };        /* the last: nobody is told */

static enum identity identity(const struct setting *item)
{
	return strcmp(item->name, "session_authorization") == 0 ? IDENTITY_SESSION :
	       strcmp(item->name, "role") == 0                  ? IDENTITY_ROLE :
	       set_value_is_routers(item->name)                   ? IDENTITY_ROUTER :
								  IDENTITY_NONE;
}

/* PostgreSQL reads its value over the one that is there. */
static bool is_partial(const char *name)
{
	return strcmp(name, "datestyle") == 0;
}

static void add_set_config(struct buf *sql, const struct setting *item, const char *call, const char *local)
{
	buf_printf(sql, "%s pg_catalog.set_config(", call);
	settings_quote(sql, item->name);
	buf_add_text(sql, ",");
	settings_quote(sql, item->value);
	buf_printf(sql, ",%s);", local);
}

static void add_set(struct buf *sql, const struct setting *item, const char *call)
{
	if (item->form == SETTING_SQL && identity(item) == IDENTITY_SESSION) {
		buf_printf(sql, "SET SESSION AUTHORIZATION %s;", item->value);
	} else if (item->form == SETTING_SQL) {
		buf_add_text(sql, "SET ");
		quote_name(sql, item->name);
		buf_printf(sql, " TO %s;", item->value);
	} else {
		add_set_config(sql, item, call, "false");
	}
}

static void add_set_local(struct buf *sql, const struct setting *item, const char *value)
{
	buf_add_text(sql, "SET LOCAL ");
	quote_name(sql, item->name);
	buf_printf(sql, " TO %s;", value);
}

void settings_add_local(const struct setting *item, struct buf *sql)
{
	if (set_value_is_routers(item->name))
		return;
	if (is_partial(item->name))
		add_set_local(sql, item, "DEFAULT");
	if (item->form == SETTING_SQL)
		add_set_local(sql, item, item->value);
	else
		add_set_config(sql, item, "SELECT", "true");
}

static void add_reset(struct buf *sql, const struct setting *item)
{
	buf_add_text(sql, "RESET ");
	if (identity(item) == IDENTITY_SESSION)
		buf_add_text(sql, "SESSION AUTHORIZATION");
	else
		quote_name(sql, item->name);
	buf_add_text(sql, ";");
}

/* Is there anything of this identity in `a` that `b` lacks or has otherwise? */
static bool lacks(const struct settings *a, const struct settings *b, enum identity which)
{
	for (size_t i = 0; i < a->count; i++)
		if (identity(&a->items[i]) == which && !same(&a->items[i], settings_find(b, a->items[i].name)))
			return true;
	return false;
}

static bool differ(const struct settings *from, const struct settings *to, enum identity which)
{
	return lacks(from, to, which) || lacks(to, from, which);
}

static bool goes(const struct setting *item, const struct setting *next)
{
	return !next || (is_partial(item->name) && !same(item, next));
}

static void add_resets(const struct settings *from, const struct settings *to, enum identity which, bool again, struct buf *sql)
{
	for (size_t i = 0; i < from->count; i++)
		if (identity(&from->items[i]) == which && (again || goes(&from->items[i], settings_find(to, from->items[i].name))))
			add_reset(sql, &from->items[i]);
}

static void add_sets(const struct settings *from, const struct settings *to, enum identity which, bool again, const char *call,
		     struct buf *sql)
{
	for (size_t i = 0; i < to->count; i++)
		if (identity(&to->items[i]) == which && (again || !same(&to->items[i], settings_find(from, to->items[i].name))))
			add_set(sql, &to->items[i], call);
}

void settings_diff(const struct settings *from, const struct settings *to, const char *call, struct buf *sql)
{
	/* Who is not the one who logged in may not be allowed the other settings: he is given back first and taken last. */
	bool again = differ(from, to, IDENTITY_SESSION) || differ(from, to, IDENTITY_NONE);

	add_resets(from, to, IDENTITY_ROLE, again, sql);
	add_resets(from, to, IDENTITY_SESSION, again, sql);
	add_resets(from, to, IDENTITY_NONE, false, sql);
	add_sets(from, to, IDENTITY_NONE, false, call, sql);
	add_sets(from, to, IDENTITY_SESSION, again, call, sql);
	add_sets(from, to, IDENTITY_ROLE, again, call, sql);
}
