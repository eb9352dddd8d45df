/* sequences: currval() and lastval() tell what a server process remembers of its session, and a session without a process of its own must not
 * be told another's.
 *
 * A statement that may draw numbers notes on which backend it ran. The first currval() or lastval() goes to that backend, if it
 * has served nobody else since, and the session keeps it from then on; else it is refused. Where the session has drawn nothing, the process
 * forgets what it knows before it is asked.
 */
#include <string.h>

#include "session/listen.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/units.h"

static bool calls(const struct shape *shape, const char *const *names, size_t count)
{
	for (size_t i = 0; i < shape->function_count; i++)
		for (size_t j = 0; j < count; j++)
			if (strcmp(shape->functions[i].name, names[j]) == 0)
				return true;
	return false;
}

static bool asks(const struct plan *plan)
{
	static const char *const names[] = { "currval", "lastval" };

	for (size_t i = 0; i < plan->shapes.count; i++)
		if (calls(plan->items[i].shape, names, sizeof(names) / sizeof(names[0])))
			return true;
	return false;
}

static void forget_first(struct leg *leg)
{
	static const enum answer_kind kinds[] = { ANSWER_PARSE, ANSWER_BIND, ANSWER_EXECUTE };
	struct buf out;

	if (!leg->needs_sync) {
		leg_hide(leg, "DISCARD SEQUENCES");
		return;
	}
	buf_init(&out, 256);
	message_parse(&out, "", SLICE_LIT("DISCARD SEQUENCES"), NULL, 0);
	buf_add(&out, "B\0\0\0\14\0\0\0\0\0\0\0\0", 13);
	message_execute(&out, "", 0);
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		answers_push(leg->session, kinds[i])->hidden = true;
	statement_unref(leg->backend->unnamed);
	leg->backend->unnamed = NULL;
}

static int leg_of_sequences(struct session *session, const struct plan *plan, int shard, struct leg **ret_leg, struct err *err)
{
	bool pinned = session->pins & (PIN_SEQUENCE | PIN_MODE);
	int rc;

	if (pinned || !asks(plan))
		return units_on(session, shard, ret_leg, err);
	if (session->answer_count) {            /* some of it may draw */
		units_flush(session);
		return 0;
	}
	session->backend_wanted = session->sequence_backend;
	rc = units_on(session, shard, ret_leg, err);
	session->backend_wanted = 0;
	if (rc <= 0)
		return rc;
	if (!session->sequence_backend) {
		session->sequence_backend = (*ret_leg)->backend->id;
		forget_first(*ret_leg);
		session->pins |= PIN_SEQUENCE;
		return (*ret_leg)->setup_left ? 0 : 1;
	}
	if (session->sequence_backend != (*ret_leg)->backend->id)
		return sequences_refuse(err);
	session->pins |= PIN_SEQUENCE;
	return 1;
}

int sequences_on(struct session *session, const struct plan *plan, int shard, struct leg **ret_leg, struct err *err)
{
	int rc = reads_step(session, plan, UINT64_C(1) << shard, err);

	if (rc <= 0)
		return rc;
	rc = leg_of_sequences(session, plan, shard, ret_leg, err);
	return rc > 0 ? listen_show(session, plan, *ret_leg, err) : rc;
}

int sequences_refuse(struct err *err)
{
	err_set(err, ERR_WRONG_STATE, "currval() and lastval() are not known here: the server process that drew the number has served another session since");
	err_hint(err, "Use INSERT ... RETURNING, or ask in the transaction that drew the number, or set pool_mode to session.");
	return err->code;
}

void sequences_drawn(struct session *session, const struct leg *leg, const struct plan_item *item)
{
	if (leg && leg->backend && (item->writes || item->dirties))
		session->sequence_backend = leg->backend->id;
}
