/* bind: Bind messages, whole, or with values too large to be kept. Of such a one the beginning is a unit, as far as it has come when it tells where the
 * statement goes; the rest is passed on as it comes.
 */
#include <arpa/inet.h>
#include <string.h>

#include "backend/settings.h"
#include "base/boolean.h"
#include "base/limits.h"
#include "base/mem.h"
#include "route/hint.h"
#include "session/session.h"
#include "session/units.h"

static int unknown_statement(struct slice name, struct err *err)
{
	if (!name.size)
		return err_set(err, ERR_UNDEFINED_STATEMENT, "unnamed prepared statement does not exist");
	return err_set(err, ERR_UNDEFINED_STATEMENT, "prepared statement \"%.*s\" does not exist", SLICE_FMT(name));
}

/* A name that nobody gave is for the server to refuse, in its own words and failing its own transaction. Not the name of a copy, though:
 * that stands for somebody's statement there. */
int bind_unknown(struct session *session, const struct unit *unit, struct slice name, enum answer_kind kind, struct err *err)
{
	struct leg *leg;
	struct buf out;
	int rc;

	if (statement_is_copy(name))
		return unknown_statement(name, err);
	rc = units_on(session, units_any_shard(session), &leg, err);
	if (rc <= 0)
		return rc;
	if (!name.size) {               /* another session's may still be there */
		buf_init(&out, 64);
		message_close(&out, 'S', "");
		leg_send(leg, buf_slice(&out));
		buf_release(&out);
		answers_push(session, ANSWER_CLOSE)->hidden = true;
		statement_unref(leg->backend->unnamed);
		leg->backend->unnamed = NULL;
	}
	leg_send(leg, unit_raw(session, unit));
	leg->needs_sync = true;
	answers_push(session, kind);
	return 1;
}

static void keep_portal(struct session *session, struct slice name, const struct prepared *prepared, struct plan *plan, enum portal_kind kind,
			int shard, uint64_t shards, struct slice body)
{
	struct portal *portal = portal_add(session, name);

	portal->kind = kind;
	portal->shard = shard;
	portal->shards = shards;
	portal->plan = plan_ref(plan);
	portal->statement = statement_ref(prepared->statement);
	portal->sql = prepared->sql;
	if (kind != PORTAL_LEG)
		buf_add_slice(&portal->bind, body);
}

void bind_send(struct session *session, struct leg *leg, const struct bind *bind, const char *copy, const struct unit *unit, struct slice body)
{
	const char *rest = bind->statement.data + bind->statement.size + 1;
	size_t rest_size = (size_t)(body.data + body.size - rest);
	struct buf header;
	char storage[FRAME_HEADER_SIZE];

	leg->needs_sync = true;
	if (unit && strcmp(copy, bind->statement.data) == 0) {
		leg_send(leg, unit_raw(session, unit));
		return;
	}
	buf_init_on(&header, storage, sizeof(storage));
	buf_add_u8(&header, 'B');
	buf_add_u32(&header, (uint32_t)(4 + bind->portal.size + 1 + strlen(copy) + 1 + rest_size + (unit ? unit->left : 0)));
	leg_send(leg, buf_slice(&header));
	leg_send(leg, slice_make(bind->portal.data, bind->portal.size + 1));
	leg_send(leg, slice_make(copy, strlen(copy) + 1));
	leg_send(leg, slice_make(rest, rest_size));
}

/* SQL's own PREPARE or EXECUTE: it is parsed when it is bound, since its copy may have to be made anew. */
static int bind_renamed(struct session *session, const struct unit *unit, const struct bind *bind, const struct prepared *prepared,
			struct err *err)
{
	struct statement *prepares;
	struct renamed *renamed;
	struct portal *portal;
	struct leg *leg;
	int rc = names_parse(session, prepared->plan, prepared->sql, &leg, &renamed, &prepares, err);

	if (rc <= 0)
		return rc;
	bind_send(session, leg, bind, "", unit, unit_body(session, unit));
	answers_push(session, ANSWER_BIND);
	keep_portal(session, bind->portal, prepared, prepared->plan, PORTAL_LEG, leg->shard, 0, (struct slice){ 0 });
	portal = portal_find(session, bind->portal);
	portal->renamed = renamed;
	portal->prepares = prepares;
	return 1;
}

/* ---- large ones ---- */

bool bind_may_begin(struct session *session, struct slice part)
{
	const struct plan_item *item;
	struct prepared *prepared;
	struct bind bind;
	uint64_t shards;

	if (!bind_read_part(part, &bind))
		return false;
	prepared = prepared_find(session, bind.statement);
	if (!prepared || prepared->plan->shapes.count != 1)
		return false;
	prepared_renew(session, prepared);
	item = &prepared->plan->items[0];
	if (extended_kind(session, prepared->plan) != PORTAL_LEG || plan_param_max(item) > bind.param_count)
		return false;
	return units_route(session, prepared->plan, 0, prepared->sql, &bind, prepared->statement, &shards, NULL) == 0 &&
	       (item->kind == ROUTE_ANY || !(shards & (shards - 1)));
}

/* The topology changed behind bind_may_begin(). */
static int refuse_large(struct err *err)
{
	err_set(err, ERR_CONFLICT, "the shards of the statement changed while its parameters were on their way");
	err_hint(err, "Run it again.");
	return err->code;
}

/* ---- set_config() with parameters ---- */

/* As an SQL constant; false: NULL, or not to be understood. */
static bool add_argument(struct buf *sql, const struct bind *bind, const struct set_config_arg *arg, bool is_boolean)
{
	struct slice bytes = { 0 };
	bool value;
	int format = 0;
	char *text;

	if (!arg->text && !bind_param(bind, arg->param, &bytes, &format))
		return false;
	if (is_boolean && !arg->text) {
		if (format == 1 && bytes.size == 1)
			value = *bytes.data;
		else if (format == 1 || !boolean_read(bytes.data, bytes.size, &value))
			return false;
		buf_add_text(sql, value ? "true" : "false");
	} else if (is_boolean) {
		buf_add_text(sql, arg->text);
	} else {
		text = arg->text ? mem_strdup(arg->text) : mem_strndup(bytes.data, bytes.size);
		settings_quote(sql, text);
		mem_free(text);
	}
	return true;
}

/* The plan of one execution, a new reference: what set_config() sets is known only now. */
static struct plan *plan_bound(struct session *session, const struct prepared *prepared, const struct bind *bind)
{
	struct plan *plan = prepared->plan;
	const struct set_config_arg *args = plan->shapes.count == 1 ? plan->items[0].shape->set_config_args : NULL;
	bool known = args;
	struct buf sql;

	if (!args)
		return plan_ref(plan);
	buf_init(&sql, BUF_SIZE_MAX);
	for (size_t i = 0; known && i < 3; i++) {
		buf_add_text(&sql, i ? "," : "SELECT pg_catalog.set_config(");
		known = add_argument(&sql, bind, &args[i], i == 2);
	}
	buf_add_text(&sql, ")");
	plan = known ? units_plan(session, buf_slice(&sql)) : plan_ref(plan);
	buf_release(&sql);
	return plan;
}

/* ---- all ---- */

static int bind_planned(struct session *session, const struct unit *unit, const struct bind *bind, struct prepared *prepared, struct plan *plan,
			struct err *err)
{
	struct slice body = unit_body(session, unit);
	const struct plan_item *item = plan->shapes.count ? &plan->items[0] : NULL;
	struct answer *answer;
	enum portal_kind kind;
	uint64_t shards = 1;
	const char *copy;
	struct leg *leg;
	int rc = units_aborted(session, item ? item->shape : NULL, err);

	if (rc < 0)
		return rc;
	kind = item ? extended_kind(session, plan) : PORTAL_LEG;
	if (kind != PORTAL_LEG && unit->left)
		return refuse_large(err);
	if (kind == PORTAL_LOCAL && session->tx_status == 'E')
		return units_abort(err);
	if (kind == PORTAL_RENAMED)
		return bind_renamed(session, unit, bind, prepared, err);
	if (kind != PORTAL_LEG) {
		keep_portal(session, bind->portal, prepared, plan, kind, 0, 0, body);
		answers_empty(session, '2');
		return 1;
	}
	if (item) {
		rc = units_route(session, plan, 0, prepared->sql, bind, prepared->statement, &shards, err);
		if (rc < 0)
			return rc;
	}
	if (!item || (item->kind == ROUTE_ANY && !hint_names_shard(plan->hint)))
		shards = UINT64_C(1) << (item ? cursors_statement_shard(session, item->shape) : units_any_shard(session));
	if (shards & (shards - 1)) {
		if (session->tx_status == 'E')
			return units_abort(err);
		if (unit->left)
			return refuse_large(err);
		keep_portal(session, bind->portal, prepared, plan, PORTAL_FAN, 0, shards, body);
		answers_empty(session, '2');
		return 1;
	}
	rc = item ? units_join(session, shards, item, err) : 0;
	session->repairs = prepared->plan->shapes.count == 1 ? prepared->plan->items[0].shape : NULL;
	if (rc == 0)
		rc = sequences_on(session, plan, __builtin_ctzll(shards), &leg, err);
	if (rc <= 0)
		return rc;
	if (unit->left)                 /* it could not be sent again with another copy */
		prepared->reused = false;
	copy = copies_ensure(session, leg, prepared);
	bind_send(session, leg, bind, copy, unit, body);
	answer = answers_push(session, ANSWER_BIND);
	if (*copy)
		copies_used(session, prepared, answer, bind->statement);
	keep_portal(session, bind->portal, prepared, plan, PORTAL_LEG, leg->shard, shards, body);
	if (unit->left)
		input_pass(session, unit->left);
	return 1;
}

int extended_bind(struct session *session, const struct unit *unit, struct err *err)
{
	struct slice body = unit_body(session, unit);
	struct prepared *prepared;
	struct plan *plan;
	struct bind bind;
	int rc = 0;

	if (unit->left)
		bind_read_part(body, &bind);    /* bind_may_begin() has seen to it that it can be */
	else
		rc = bind_read(body, &bind, err);
	if (rc < 0)
		return rc;
	prepared = prepared_find(session, bind.statement);
	if (!prepared)
		return bind_unknown(session, unit, bind.statement, ANSWER_BIND, err);
	prepared_renew(session, prepared);
	plan = unit->left ? plan_ref(prepared->plan) : plan_bound(session, prepared, &bind);
	rc = bind_planned(session, unit, &bind, prepared, plan, err);
	plan_unref(plan);
	return rc;
}
