#include "session/reads.h"

#include <string.h>
#include <strings.h>

#include "base/duration.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "net/env.h"
#include "route/node_status.h"
#include "route/plan.h"
#include "route/snapshot.h"
#include "session/job.h"
#include "session/session.h"
#include "session/units.h"
#include "sql/set_value.h"

enum { HELD_SIZE_MAX = 4 << 20 };

static uint64_t now_us(void)
{
	return env_system()->now_us(env_system()->world);
}

/* ---- the settings ---- */

static int read_level(const char *text, enum consistency *ret_level)
{
	for (int i = 0; consistency_names[i]; i++) {
		if (strcasecmp(consistency_names[i], text) != 0)
			continue;
		*ret_level = (enum consistency)i;
		return 0;
	}
	return ERR_INVALID_VALUE;
}

static const char CONSISTENCY[] = "nanu.consistency", MAX_STALENESS[] = "nanu.max_staleness";

static int check(const char *name, const char *text, struct err *err)
{
	enum consistency level;
	uint64_t us;

	if (strcmp(name, CONSISTENCY) == 0) {
		if (!text || read_level(text, &level) == 0)
			return 0;
		err_set(err, ERR_INVALID_VALUE, "invalid value for parameter \"%s\": \"%s\"", name, text);
		err_hint(err, "Available values: eventual, bounded, monotonic, read_your_writes, session, strong.");
		return err->code;
	}
	if (strcmp(name, MAX_STALENESS) == 0) {
		if (!text || duration_read(text, &us))
			return 0;
		err_set(err, ERR_INVALID_VALUE, "invalid value for parameter \"%s\": \"%s\"", name, text);
		err_hint(err, "It is a number of ms, or with a unit: us, ms, s, min, h, d.");
		return err->code;
	}
	err_set(err, ERR_UNDEFINED_OBJECT, "unrecognized configuration parameter \"%s\"", name);
	err_hint(err, "The router's settings are %s and %s.", CONSISTENCY, MAX_STALENESS);
	return err->code;
}

bool reads_is_setting(const struct shape *shape)
{
	return (shape->kind == STMT_SET || shape->kind == STMT_RESET || shape->kind == STMT_SHOW) && shape->setting && set_value_is_routers(shape->setting);
}

int reads_set(struct session *session, const struct shape *shape, struct err *err)
{
	char *text = shape->setting_value ? set_value_text(shape->setting_value, false) : NULL;
	int rc = check(shape->setting, text, err);

	mem_free(text);
	if (rc == 0)
		carried_change(session, NULL, shape);
	return rc;
}

int reads_check(const struct settings *settings, struct err *err)
{
	for (size_t i = 0; i < settings->count; i++) {
		int rc = set_value_is_routers(settings->items[i].name) ? check(settings->items[i].name, settings->items[i].text, err) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What the session, or its transaction, has set; NULL: nothing. */
static const char *value_of(const struct session *session, const char *name)
{
	const struct setting *found = session->local ? settings_find(session->local, name) : NULL;

	if (!found)
		found = settings_find(session->settings, name);
	return found ? found->text : NULL;
}

bool reads_show(struct session *session, struct slice sql, struct job *job)
{
	struct plan *plan = units_plan(session, sql);
	const struct shape *shape = plan->shapes.count == 1 ? plan->items[0].shape : NULL;
	bool ours = shape && shape->kind == STMT_SHOW && reads_is_setting(shape);
	const char *value;

	if (ours && check(shape->setting, NULL, &job->err) < 0) {
		job->rc = job->err.code;
	} else if (ours) {
		value = value_of(session, shape->setting);
		if (!value && strcmp(shape->setting, CONSISTENCY) == 0)
			value = consistency_names[session->policy->consistency];
		if (!value)
			value = arena_printf(&job->arena, "%ums", session->policy->max_staleness);
		job->columns = arena_alloc(&job->arena, sizeof(*job->columns));
		job->columns[0] = (struct local_column){ arena_strdup(&job->arena, shape->setting), OID_TEXT };
		job->column_count = job->row_count = 1;
		job->values = arena_alloc(&job->arena, sizeof(*job->values));
		job->values[0] = arena_strdup(&job->arena, value);
		job->tag = "SHOW";
	}
	plan_unref(plan);
	return ours;
}

static void read_settings(struct session *session)
{
	struct reads *reads = session->reads;
	const char *level = value_of(session, CONSISTENCY), *staleness = value_of(session, MAX_STALENESS);
	const char *isolation = value_of(session, "default_transaction_isolation");
	enum consistency before = reads->level;
	uint64_t staleness_us = session->policy->max_staleness * UINT64_C(1000);

	settings_assign(&reads->settings, session->settings);
	settings_assign(&reads->local, session->local);
	reads->policy = session->policy;
	reads->level = session->policy->consistency;
	/* set_config() may have been given anything: then the primary serves. A standby knows nothing of SERIALIZABLE. */
	if ((level && read_level(level, &reads->level) < 0) || (isolation && strcasecmp(isolation, "serializable") == 0))
		reads->level = CONSISTENCY_STRONG;
	if (reads->level != before && reads->read_from)         /* at another level several may have shown it what it has */
		memset(reads->read_from, 0, reads->shard_count * sizeof(*reads->read_from));
	if (staleness && !duration_read(staleness, &staleness_us))
		staleness_us = 0;
	reads->max_staleness_us = staleness_us;
}

void reads_begin(struct session *session)
{
	if (session->reads)
		session->reads->policy = NULL;  /* it is read anew */
	if (session->reads || (session->policy->consistency == CONSISTENCY_STRONG && !value_of(session, CONSISTENCY)))
		return;
	session->reads = mem_calloc(1, sizeof(*session->reads));
	buf_init(&session->reads->held, HELD_SIZE_MAX);
	session->reads->wrote_us = session->reads->read_us = now_us();  /* nobody knows what it did until now */
}

void reads_free(struct reads *reads)
{
	if (!reads)
		return;
	settings_unref(reads->settings);
	settings_unref(reads->local);
	buf_release(&reads->held);
	mem_free(reads->read_from);
	mem_free(reads);
}

/* ---- which node ---- */

static uint64_t *last_read(struct session *session, int shard)
{
	struct reads *reads = session->reads;
	size_t count = session_shard_count(session);

	if (reads->shard_count < count) {
		reads->read_from = mem_realloc(reads->read_from, count * sizeof(*reads->read_from));
		memset(reads->read_from + reads->shard_count, 0, (count - reads->shard_count) * sizeof(*reads->read_from));
		reads->shard_count = count;
	}
	return &reads->read_from[shard];
}

static bool suits(const struct reads *reads, const struct node_seen *seen, uint64_t last, uint64_t at_us)
{
	bool shows_as_much = last == seen->incarnation || seen->as_of_us >= reads->read_us;

	if (!node_seen_fit(seen, at_us))
		return false;
	switch (reads->level) {
	case CONSISTENCY_EVENTUAL:
		return true;
	case CONSISTENCY_BOUNDED:
		return node_seen_lag_us(seen, at_us) <= reads->max_staleness_us;
	case CONSISTENCY_READ_YOUR_WRITES:
	case CONSISTENCY_SESSION:
		return shows_as_much && seen->as_of_us >= reads->wrote_us;
	case CONSISTENCY_MONOTONIC:
		return shows_as_much;
	case CONSISTENCY_STRONG:
		break;
	}
	return false;
}

int reads_node(struct session *session, int shard, int primary)
{
	const struct snapshot *snapshot = session->snapshot;
	const struct shard_replicas *replicas = &snapshot->replicas[session_database(session)->shards[shard]];
	struct worker *worker = session->worker;
	uint64_t *last = last_read(session, shard), before = *last, at_us;

	*last = 0;
	if (!session->reads->may)
		return primary;
	session->reads->may = false;
	at_us = now_us();
	worker->read_turn++;
	for (size_t i = 0; i < replicas->count; i++) {
		int node = replicas->nodes[(worker->read_turn + i) % replicas->count];
		struct node_seen seen = node_status_read(snapshot->statuses[node]);

		if (!suits(session->reads, &seen, before, at_us) || pools_held(&worker->pools, HOLD_NODE, snapshot->topology->nodes[node].name))
			continue;
		*last = seen.incarnation;
		worker->counters.replica_reads++;
		return node;
	}
	return primary;
}

/* The settings, or the policy, are others than those the level was read of. */
static bool is_outdated(const struct session *session)
{
	const struct reads *reads = session->reads;

	return reads->settings != session->settings || reads->local != session->local || reads->policy != session->policy;
}

static bool only_reads(const struct plan *plan)
{
	for (size_t i = 0; i < plan->shapes.count; i++)
		if (!plan->items[i].reads)
			return false;
	return plan->shapes.count > 0;
}

static bool may_write(const struct plan *plan)
{
	for (size_t i = 0; i < plan->shapes.count; i++) {
		switch (plan->shapes.items[i].kind) {
		case STMT_EMPTY:
		case STMT_BEGIN:
		case STMT_COMMIT:
		case STMT_ROLLBACK:
		case STMT_SAVEPOINT:
		case STMT_RELEASE:
		case STMT_ROLLBACK_TO:
		case STMT_SET:
		case STMT_RESET:
		case STMT_SHOW:
		case STMT_SET_TRANSACTION:
			break;
		default:
			if (!plan->items[i].reads)
				return true;
		}
	}
	return false;
}

/* A segment goes to a replica as a whole: a query, or one statement that is parsed at most, and what uses it or others that read. */
static bool segment_reads(struct session *session)
{
	const struct unit *now = &session->units[session->unit_at];
	struct slice parsed = { 0 };
	struct cursor cursor;

	if (now->kind == UNIT_QUERY)
		return true;
	if (now->kind == UNIT_PARSE) {
		cursor = cursor_of(unit_body(session, now));
		parsed = cursor_cstr(&cursor);
	}
	for (const struct unit *unit = now + 1; unit < session->units + session->unit_count; unit++) {
		const struct prepared *prepared;
		struct slice name;

		if (unit->kind == UNIT_PARSE || unit->left)
			return false;
		if (unit->kind != UNIT_BIND)
			continue;
		cursor = cursor_of(unit_body(session, unit));
		cursor_cstr(&cursor);
		name = cursor_cstr(&cursor);
		if (parsed.data && slice_eq(name, parsed))
			continue;
		prepared = prepared_find(session, name);
		if (!prepared || !only_reads(prepared->plan))
			return false;
	}
	return session->units[session->unit_count - 1].kind == UNIT_SYNC;
}

/* What only the primary can do follows what a replica was asked for. */
static bool leave(struct session *session, struct leg *leg)
{
	if (session->answer_count && leg == session->current) {
		units_flush(session);
		return false;
	}
	if (leg->state != LEG_READY)
		return false;
	if (leg->needs_sync) {
		leg_sync_hidden(leg);
		return false;
	}
	leg_release(leg, true);
	return true;
}

bool reads_choose(struct session *session, const struct plan *plan, int shard)
{
	struct reads *reads = session->reads;
	bool only = only_reads(plan);
	struct leg *leg;

	if (is_outdated(session))
		read_settings(session);
	reads->wrote |= !only && may_write(plan);
	leg = leg_find(session, shard);
	if (session->tx_status != 'I') {
		reads->may = reads->in_tx && session->tx_status == 'T';
		return true;
	}
	reads->may = only && reads->level != CONSISTENCY_STRONG && !session->pins && reads->failed_in != session->segment && !leg && segment_reads(session);
	if (leg && leg->replica && (!only || reads->failed_in == session->segment))
		return leave(session, leg);
	if (reads->may)
		reads->unit = session->unit_at + (session->units[session->unit_at].kind == UNIT_PARSE);
	return true;
}

void reads_wrote(struct session *session, const struct plan *plan)
{
	if (session->reads)
		session->reads->wrote |= !plan || may_write(plan);
}

void reads_begin_tx(struct session *session, const struct shape *shape)
{
	struct reads *reads = session->reads;

	if (!reads)
		return;
	if (is_outdated(session))
		read_settings(session);
	reads->in_tx = shape && plan_reads_block(shape) && reads->level != CONSISTENCY_STRONG && !session->pins;
}

/* The rest of the segment is the primary's. */
static void turn_to_primary(struct session *session)
{
	session->reads->failed_in = session->segment;
	session->reads->may = session->reads->in_tx = false;
}

void reads_give_up(struct session *session, const struct leg *leg)
{
	node_status_failed(leg->replica, now_us());
	turn_to_primary(session);
}

void reads_ready(struct session *session)
{
	struct reads *reads = session->reads;

	if (!reads)
		return;
	reads->read_us = now_us();
	if (reads->wrote)
		reads->wrote_us = reads->read_us;
	reads->wrote = reads->in_tx = false;
}

/* ---- again ---- */

void reads_hold(struct session *session, const struct leg *leg)
{
	if (leg->replica && session->tx_status == 'I' && session->reads->failed_in != session->segment && !leg->told)
		session->reads->holding = true;
}

void reads_keep(struct session *session, struct slice bytes)
{
	struct buf *held = &session->reads->held;

	if (held->size + bytes.size > HELD_SIZE_MAX) {
		reads_say_held(session);
		session_write(session, bytes);
	} else {
		buf_add_slice(held, bytes);
	}
}

void reads_say_held(struct session *session)
{
	struct reads *reads = session->reads;

	reads->holding = false;
	if (reads->held.size)
		session_write_buf(session, &reads->held);
	buf_release(&reads->held);
}

/* What the primary, or the same statement a little later, need not say too. */
static bool is_of_replica(struct slice error)
{
	static const char *const classes[] = { "08", "0A", "25", "3F", "40", "42", "55", "57P", "58", "XX" };
	struct slice state = error_field(error, 'C');

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (state.size == 5 && strncmp(state.data, classes[i], strlen(classes[i])) == 0)
			return true;
	return false;
}

/* How often one of these messages is held. */
static unsigned count_held(const struct reads *reads, char type)
{
	unsigned count = 0;

	for (size_t at = 0; at + FRAME_HEADER_SIZE <= reads->held.size;) {
		struct cursor cursor = cursor_of(slice_make(reads->held.data + at + 1, 4));

		count += reads->held.data[at] == type;
		at += 1 + cursor_u32(&cursor);
	}
	return count;
}

bool reads_again(struct session *session, struct leg *leg, struct slice error)
{
	struct reads *reads = session->reads;
	struct answer *head = answers_head(session);
	bool lost = !error.size, parsed;

	/* Notifications must not be dropped with the rest, and two statements not be parsed again. */
	if (!reads || !reads->holding || !leg->replica || !head || (!lost && !is_of_replica(error)) || count_held(reads, '1') > 1 ||
	    count_held(reads, 'A'))
		return false;
	parsed = head->owes_parse || count_held(reads, '1');
	reads->holding = false;
	buf_release(&reads->held);
	if (lost)                       /* what it refused is no fault of its own: others read on */
		reads_give_up(session, leg);
	else
		turn_to_primary(session);
	session->worker->counters.replica_retries++;
	if (head->kind == ANSWER_PARSE && !head->hidden)
		reads->unit = head->unit;
	if (lost) {
		while (session->answer_count) {
			answers_take_back(session);
			if (answers_head(session))
				answers_pop(session);
		}
		portals_clear(session);
		session->skipping = session->copy_sync_owed = false;
	} else if (head->kind == ANSWER_QUERY) {
		head->hidden = session->rewinding = true;
	} else {
		copies_take_back(session, leg);
	}
	session->unit_at = reads->unit;
	session->parse_owed = parsed;
	return true;
}
