/* effects: what a finished statement changed for its session: transaction, savepoints, pins, schema; settings: carried.c. */
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/mem.h"
#include "session/listen.h"
#include "session/own_settings.h"
#include "session/reads.h"
#include "session/session.h"

/* ---- transactions and savepoints ---- */

static void savepoints_cut(struct session *session, size_t count)
{
	while (session->savepoint_count > count) {
		struct savepoint *last = &session->savepoints[--session->savepoint_count];

		mem_free(last->name);
		settings_unref(last->settings);
		settings_unref(last->local);
		listen_unmark(last->channels);
	}
}

static size_t savepoint_find(const struct session *session, const char *name)
{
	for (size_t i = session->savepoint_count; i > 0; i--)
		if (strcmp(session->savepoints[i - 1].name, name) == 0)
			return i - 1;
	return SIZE_MAX;
}

static void savepoint_effect(struct session *session, struct leg *leg, const struct shape *shape)
{
	size_t found = shape->name ? savepoint_find(session, shape->name) : SIZE_MAX;

	if (shape->kind == STMT_SAVEPOINT) {
		if (session->savepoint_count >= SAVEPOINTS_MAX || !shape->name)
			return;
		session->savepoints = mem_realloc(session->savepoints, (session->savepoint_count + 1) * sizeof(*session->savepoints));
		session->savepoints[session->savepoint_count++] = (struct savepoint){
			.name = mem_strdup(shape->name),
			.settings = settings_ref(session->settings),
			.local = session->local ? settings_ref(session->local) : NULL,
			.channels = listen_mark(session),
		};
		return;
	}
	if (found == SIZE_MAX)
		return;
	if (shape->kind == STMT_RELEASE) {
		savepoints_cut(session, found);
		return;
	}
	settings_assign(&session->settings, session->savepoints[found].settings);
	settings_assign(&session->local, session->savepoints[found].local);
	listen_back(session, session->savepoints[found].channels);
	if (leg && leg->backend)
		settings_assign(&leg->backend->settings, session->settings);
	savepoints_cut(session, found + 1);
}

static const char *isolation_level(const char *name)
{
	static const char *const names[] = { "read uncommitted", "read committed", "repeatable read", "serializable" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return names[i];
	return NULL;
}

void effects_set_modes(struct session *session, const struct shape *shape)
{
	struct tx_modes *modes = &session->tx_modes;
	struct buf *begin = &session->tx_begin;
	const char *isolation;

	if (shape->tx_isolation)
		modes->isolation = isolation_level(shape->tx_isolation);
	if (shape->tx_read_only || shape->tx_read_write)
		modes->access = shape->tx_read_only ? TX_READ_ONLY : TX_READ_WRITE;
	if (shape->tx_deferrable || shape->tx_not_deferrable)
		modes->deferrable = shape->tx_deferrable ? TX_DEFERRABLE : TX_NOT_DEFERRABLE;
	buf_clear(begin);
	buf_add_text(begin, "BEGIN");
	if (modes->isolation)
		buf_printf(begin, " ISOLATION LEVEL %s", modes->isolation);
	if (modes->access)
		buf_add_text(begin, modes->access == TX_READ_ONLY ? " READ ONLY" : " READ WRITE");
	if (modes->deferrable)
		buf_add_text(begin, modes->deferrable == TX_DEFERRABLE ? " DEFERRABLE" : " NOT DEFERRABLE");
	isolation = modes->isolation ? modes->isolation : own_value(session, "default_transaction_isolation");
	session->tx_snapshot = isolation && strcasecmp(isolation, "read committed") != 0 && strcasecmp(isolation, "read uncommitted") != 0;
	reads_begin_tx(session);
}

void effects_begin(struct session *session, const struct shape *shape)
{
	if (!shape->tx_chain)           /* which goes on as the one before */
		session->tx_modes = (struct tx_modes){ 0 };
	effects_set_modes(session, shape);
	session->tx_write_shard = -1;
	err_forget(&session->tx_error);
}

void effects_end_tx(struct session *session, bool committed)
{
	if (committed && !session->repairing)
		settings_assign(&session->committed, session->settings);
	else
		settings_assign(&session->settings, session->committed);
	LIST_EACH(&session->legs, node)
		leg_end_tx(CONTAINER_OF(node, struct leg, place), committed);
	settings_unref(session->local);
	session->local = NULL;
	savepoints_cut(session, 0);
	listen_end_tx(session, committed);
	cursors_end_tx(session);
	session->tx_write_shard = -1;
	session->tx_snapshot = false;
	session->tx_since_us = loop_now_us(session->worker->loop);
	buf_release(&session->tx_begin);
}

/* ---- pins ---- */

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void pin_by_functions(struct session *session, const struct shape *shape)
{
	for (size_t i = 0; i < shape->function_count; i++) {
		const char *name = shape->functions[i].name;

		if (starts(name, "pg_advisory_unlock"))
			session->probe_pins = true;
		else if ((starts(name, "pg_advisory_lock") || starts(name, "pg_try_advisory_lock")))
			session->pins |= PIN_ADVISORY;
		else if (strcmp(name, "setseed") == 0)
			session->pins |= PIN_RANDOM;
	}
}

static void pin(struct session *session, struct leg *leg, const struct shape *shape)
{
	if (shape->temporary)
		session->pins |= PIN_TEMPORARY;
	if (shape->kind == STMT_DECLARE && shape->cursor_hold)
		session->pins |= PIN_CURSOR;
	if (shape->kind == STMT_LISTEN && !listen_follows(session))
		session->pins |= PIN_LISTEN;
	else if (shape->kind == STMT_LISTEN && leg && leg->backend)
		leg->listens = leg->backend->dirty = true;
	if (shape->set_config_opaque)
		session->pins |= PIN_SETTINGS;
	if (session->pins & (PIN_TEMPORARY | PIN_CURSOR | PIN_LISTEN) &&
	    (shape->kind == STMT_DROP || shape->kind == STMT_CLOSE || shape->kind == STMT_UNLISTEN || shape->kind == STMT_DISCARD))
		session->probe_pins = true;
	pin_by_functions(session, shape);
	if (shape->inner)
		pin_by_functions(session, shape->inner);
	if (shape->setting && strcmp(shape->setting, "seed") == 0 && shape->kind != STMT_SHOW)
		session->pins |= PIN_RANDOM;
	if (leg && leg->backend && session->pins & (PIN_TEMPORARY | PIN_RANDOM))
		leg->backend->spoiled = true;
}

/* ---- one statement ---- */

static void discard(struct session *session, struct leg *leg, const struct shape *shape)
{
	if (shape->discard_sequences) {
		session->pins &= ~(unsigned)PIN_SEQUENCE;
		session->sequence_backend = 0;
	}
	if (!shape->reset_all)
		return;
	carried_change(session, leg, shape);
	listen_effect(session, shape);
	prepared_remove_all(session);
	if (leg && leg->backend)
		backend_forget_all_prepared(leg->backend);
	session->pins &= PIN_MODE;
	legs_discard_others(session, leg);
}

/* Known before ReadyForQuery says so: within a pipeline it says nothing. */
static void tx_is(struct session *session, struct leg *leg, bool open)
{
	session->tx_status = open ? 'T' : 'I';
	if (!leg)
		return;
	leg->in_tx = open;
	leg->wrote = false;
}

/* Until the catalog is read, at the end of the transaction, nobody knows what its code does. */
static void note_redefined(struct session *session, const char *name)
{
	if (!name || plan_redefined(buf_slice(&session->redefined), name))
		return;
	if (session->redefined.size + strlen(name) + sizeof(REDEFINED_ALL) >= REDEFINED_SIZE_MAX)
		name = REDEFINED_ALL;
	buf_add(&session->redefined, name, strlen(name) + 1);
}

void effects_dirty(struct session *session, const struct leg *only)
{
	session->probe_pins = true;
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->backend && (!only || leg == only))
			leg->backend->dirty = true;
	}
}

/* What holds from the first row on. */
static void started(struct session *session, struct leg *leg, const struct plan_item *item)
{
	sequences_drawn(session, leg, item);
	if (leg)
		leg->wrote |= item->writes;
	if (item->dirties || session->definitions)
		effects_dirty(session, session->spread ? NULL : leg);
	pin(session, leg, item->shape);
	session->tx_snapshot |= item->shape->set_config_passing;        /* another leg would not know of it */
	if (item->shape->kind == STMT_SELECT && item->shape->set_config)
		carried_change(session, leg, item->shape);
}

void effects_suspended(struct session *session, struct leg *leg, const struct plan *plan)
{
	if (plan->shapes.count)
		started(session, leg, &plan->items[0]);
}

void effects_complete(struct session *session, struct leg *leg, const struct plan *plan, size_t item, struct slice tag)
{
	const struct shape *shape;

	if (item >= plan->shapes.count)
		return;
	shape = plan->items[item].shape;
	session->statements++;
	session->worker->counters.statements[shape->kind]++;
	if (leg && leg->backend)
		leg->backend->pool->statements[shape->kind]++;
	if (leg)
		leg->looked |= plan->looks;
	if (session->reads)
		reads_count(session, leg, plan, item);
	if (!shape->set_config || !slice_is(tag, "SELECT 0"))   /* of a setting that pg_settings does not have */
		started(session, leg, &plan->items[item]);
	cursors_note(session, leg, shape);
	switch (shape->kind) {
	case STMT_SET:
	case STMT_RESET:
		carried_change(session, leg, shape);
		break;
	case STMT_DISCARD:
		discard(session, leg, shape);
		break;
	case STMT_BEGIN:
		if (session->tx_begin.size == 0)
			effects_begin(session, shape);
		tx_is(session, leg, true);
		break;
	case STMT_SET_TRANSACTION:
		session->tx_snapshot = true;    /* another leg would not know of it */
		if (leg)
			leg->looked = true;
		break;
	case STMT_LISTEN:
	case STMT_UNLISTEN:
		listen_effect(session, shape);
		break;
	case STMT_COMMIT:
	case STMT_ROLLBACK:
	case STMT_PREPARE_TX:
		effects_end_tx(session, !slice_is(tag, "ROLLBACK"));
		tx_is(session, leg, shape->tx_chain);
		if (shape->tx_chain)
			effects_begin(session, shape);
		else
			reads_end_tx(session);
		break;
	case STMT_SAVEPOINT:
	case STMT_RELEASE:
	case STMT_ROLLBACK_TO:
		savepoint_effect(session, leg, shape);
		break;
	case STMT_CREATE_TABLE:
	case STMT_CREATE_TABLE_AS:
	case STMT_ALTER_TABLE:
	case STMT_RENAME:
	case STMT_DROP:
	case STMT_CREATE_INDEX:
	case STMT_DDL:
		session->definitions |= !shape->temporary;
		note_redefined(session, plan->items[item].redefines);
		break;
	case STMT_DO:
		session->definitions |= plan->items[item].defines;
		break;
	default:
		break;
	}
}

/* What a statement did to its session before it failed may stay: an advisory lock, a setting of a function's. */
void effects_failed(struct session *session, const struct plan *plan, size_t item)
{
	for (; item < plan->shapes.count; item++) {
		unsigned pins = session->pins;

		pin_by_functions(session, plan->items[item].shape);
		session->probe_pins |= session->pins != pins;
		if (plan->items[item].dirties || session->definitions)
			effects_dirty(session, NULL);
	}
}

void effects_ready(struct session *session, char tx_status)
{
	char storage[16];
	struct buf out;

	if (session->repairing) {
		session->repairing = false;
		settings_assign(&session->settings, session->committed);
		session_forget_reports(session);
	}
	if (tx_status == 'I' && (session->tx_status != 'I' || session->failed || session->settings != session->committed || session->local ||
				  listen_changed(session)))
		effects_end_tx(session, !session->failed);
	session->tx_status = tx_status;
	if (tx_status == 'I') {
		session->worker->counters.transactions++;
		reads_ready(session, false);
		err_forget(&session->tx_error);
		session->tx_write_shard = -1;
		session->tx_snapshot = false;
		buf_release(&session->redefined);       /* not before: what follows a COMMIT in one pipeline is planned by the old catalog */
	} else {
		reads_ready(session, true);
	}
	/* The answer to a definition is given when this router knows of it, so that the next statement is planned with it. */
	if (tx_status == 'I' && session->definitions) {
		session->definitions = false;
		session->ready_owed = true;
		local_defined(session);
		return;
	}
	if (legs_mend(session)) {
		session->ready_owed = true;
		return;
	}
	if (tx_status == 'I') {
		if (listen_settle(session)) {
			session->ready_owed = true;
			return;
		}
		listen_tell(session);
		if (session->state == SESSION_CLOSED)
			return;
	}
	session_write_buf(session, &session->reports);
	buf_init_on(&out, storage, sizeof(storage));
	message_ready(&out, tx_status);
	session_write(session, buf_slice(&out));
}
