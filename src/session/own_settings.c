#include "session/own_settings.h"

#include <string.h>
#include <strings.h>

#include "base/duration.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "session/job.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/token.h"
#include "session/units.h"
#include "sql/set_value.h"

struct own_setting {
	const char *name;
	const char *const *choices;     /* or NULL */
	const char *hint;
	bool (*fits)(const char *text); /* when there are no choices; or NULL */
};

static bool is_duration(const char *text)
{
	uint64_t us;

	return duration_read(text, &us);
}

#define DURATION_HINT "It is a number of ms, or with a unit: us, ms, s, min, h, d."

static const struct own_setting own_settings[] = {
	{ OWN_CONSISTENCY, consistency_names, "Available values: eventual, bounded, monotonic, read_your_writes, session, causal, strong.", NULL },
	{ OWN_MAX_STALENESS, NULL, DURATION_HINT, is_duration },
	{ OWN_READ_FALLBACK, read_fallback_names, "Available values: primary, error.", NULL },
	{ OWN_READ_FROM, read_from_names, "Available values: primary, round_robin, least_loaded, fastest, hedged, nearest.", NULL },
	{ OWN_READ_WAIT, NULL, DURATION_HINT, is_duration },
	{ OWN_TOKEN, NULL, "It is what SHOW nanu.token said, on any router of this store and in any session of this database.", NULL },
	{ OWN_USER, NULL, NULL, NULL },
};
enum { OWN_COUNT = sizeof(own_settings) / sizeof(own_settings[0]) };

int own_choice(const char *const *names, const char *text)
{
	for (int i = 0; names[i]; i++)
		if (strcasecmp(names[i], text) == 0)
			return i;
	return -1;
}

int own_check_one(struct session *session, const char *name, const char *text, struct err *err)
{
	const struct own_setting *setting = NULL;
	uint8_t key[TOKEN_KEY_SIZE];
	struct token token;
	int rc = 0;

	for (int i = 0; i < OWN_COUNT && !setting; i++)
		setting = strcmp(own_settings[i].name, name) == 0 ? &own_settings[i] : NULL;
	if (!setting) {
		err_set(err, ERR_UNDEFINED_OBJECT, "unrecognized configuration parameter \"%s\"", name);
		err_hint(err, "The router's settings are nanu.consistency, nanu.max_staleness, nanu.read_fallback, nanu.read_from, nanu.read_wait, nanu.token and nanu.user.");
		return err->code;
	}
	if (!text)
		return 0;
	if (strcmp(name, OWN_TOKEN) == 0 && text[0]) {
		reads_token_key(session, key);
		rc = token_read(key, text, &token, err);
	} else if (setting->choices ? own_choice(setting->choices, text) < 0 : setting->fits && !setting->fits(text)) {
		rc = err_set(err, ERR_INVALID_VALUE, "invalid value for parameter \"%s\": \"%s\"", name, text);
	}
	if (rc < 0)
		err_hint(err, "%s", setting->hint);
	return rc;
}

bool own_is_setting(const struct shape *shape)
{
	return (shape->kind == STMT_SET || shape->kind == STMT_RESET || shape->kind == STMT_SHOW) && shape->setting && set_value_is_routers(shape->setting);
}

int own_set(struct session *session, const struct shape *shape, struct err *err)
{
	char *text = shape->setting_value ? set_value_text(shape->setting_value, false) : NULL;
	int rc = own_check_one(session, shape->setting, text, err);

	mem_free(text);
	if (rc == 0)
		carried_change(session, NULL, shape);
	return rc;
}

int own_check(struct session *session, const struct settings *settings, struct err *err)
{
	for (size_t i = 0; i < settings->count; i++) {
		int rc = set_value_is_routers(settings->items[i].name) ? own_check_one(session, settings->items[i].name, settings->items[i].text, err) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

const char *own_value(const struct session *session, const char *name)
{
	const struct setting *found = session->local ? settings_find(session->local, name) : NULL;

	if (!found)
		found = settings_find(session->settings, name);
	return found ? found->text : NULL;
}

/* What holds where the session has set nothing. */
static const char *initial(const struct session *session, const char *name, struct arena *arena)
{
	const struct policy *policy = session->policy;

	if (strcmp(name, OWN_CONSISTENCY) == 0)
		return consistency_names[policy->consistency];
	if (strcmp(name, OWN_MAX_STALENESS) == 0)
		return arena_printf(arena, "%ums", policy->max_staleness);
	if (strcmp(name, OWN_READ_WAIT) == 0)
		return arena_printf(arena, "%ums", policy->read_wait);
	if (strcmp(name, OWN_READ_FALLBACK) == 0)
		return read_fallback_names[policy->read_fallback];
	if (strcmp(name, OWN_READ_FROM) == 0)
		return read_from_names[policy->read_from];
	return "";
}

/* 1, OWN_WAITS, or an error. */
static int value_of(struct session *session, const char *name, struct job *job, const char **ret_value)
{
	int rc = own_check_one(session, name, NULL, &job->err);

	if (rc < 0)
		return rc;
	if (strcmp(name, OWN_TOKEN) == 0)
		return reads_token(session, &job->arena, ret_value, &job->err);
	*ret_value = own_value(session, name);
	if (!*ret_value)
		*ret_value = initial(session, name, &job->arena);
	return 1;
}

int own_show(struct session *session, struct slice sql, struct job *job)
{
	struct plan *plan = units_plan(session, sql);
	const struct shape *shape = plan->shapes.count == 1 ? plan->items[0].shape : NULL;
	bool ours = shape && shape->kind == STMT_SHOW && own_is_setting(shape);
	const char *value;
	int rc = ours ? value_of(session, shape->setting, job, &value) : 0;

	if (rc < 0)
		job->rc = rc;
	if (rc == 1) {
		job->columns = arena_alloc(&job->arena, sizeof(*job->columns));
		job->columns[0] = (struct local_column){ arena_strdup(&job->arena, shape->setting), OID_TEXT };
		job->column_count = job->row_count = 1;
		job->values = arena_alloc(&job->arena, sizeof(*job->values));
		job->values[0] = arena_strdup(&job->arena, value);
		job->tag = "SHOW";
	}
	plan_unref(plan);
	return rc < 0 ? 1 : rc;
}
