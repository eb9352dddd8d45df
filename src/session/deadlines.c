#include "session/deadlines.h"

#include <string.h>

#include "backend/cancel.h"
#include "base/limits.h"
#include "session/session.h"

enum deadline { DEADLINE_NONE, DEADLINE_IDLE, DEADLINE_IDLE_IN_TX, DEADLINE_TX, DEADLINE_QUERY };

static bool holds_backend(const struct session *session)
{
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->backend)
			return true;
	return false;
}

/* Also between Flush and Sync, of which the client's transaction status does not tell. */
static bool in_transaction(const struct session *session)
{
	if (session->tx_status != 'I')
		return true;
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->needs_sync)
			return true;
	return false;
}

static void sooner(uint64_t since_us, unsigned timeout_ms, enum deadline what, uint64_t *due_us, enum deadline *ret_what)
{
	uint64_t then_us = since_us + (uint64_t)timeout_ms * 1000;

	if (!timeout_ms || then_us >= *due_us)
		return;
	*due_us = then_us;
	*ret_what = what;
}

/* What is due first, and when; UINT64_MAX: nothing. */
static uint64_t next(const struct session *session, enum deadline *ret_what)
{
	const struct policy *policy = session->policy;
	uint64_t due_us = UINT64_MAX;

	*ret_what = DEADLINE_NONE;
	if (session->state == SESSION_WORKING) {
		unsigned query_ms = session->query_timed_out ? policy->query_timeout + CANCEL_MS_MAX : policy->query_timeout;

		sooner(session->query_since_us, policy->query_timeout ? query_ms : 0, DEADLINE_QUERY, &due_us, ret_what);
		sooner(session->tx_since_us, policy->transaction_timeout, DEADLINE_TX, &due_us, ret_what);
	} else if (session->state == SESSION_READY && in_transaction(session)) {
		sooner(session->idle_since_us, policy->idle_in_transaction_session_timeout, DEADLINE_IDLE_IN_TX, &due_us, ret_what);
		sooner(session->tx_since_us, policy->transaction_timeout, DEADLINE_TX, &due_us, ret_what);
	} else if (session->state == SESSION_READY) {
		sooner(session->idle_since_us, policy->idle_session_timeout, DEADLINE_IDLE, &due_us, ret_what);
	}
	return due_us;
}

static void look(struct session *session)
{
	struct loop *loop = session->worker->loop;
	uint64_t now_us = loop_now_us(loop);
	enum deadline what;
	uint64_t due_us;

	if (!session->has_deadlines)
		return;
	due_us = next(session, &what);
	if (due_us != UINT64_MAX && (!session->timer.place || session->timer.deadline_us > due_us))
		loop_arm(loop, &session->timer, due_us > now_us ? due_us - now_us : 0);
}

static void describe(struct err *err, const char *setting, unsigned value_ms, const char *way_out)
{
	err_detail(err, "It took longer than %s (%u ms).", setting, value_ms);
	err_hint(err, "%s, or raise %s, for all or for this user or database.", way_out, setting);
}

static void query_error(const struct session *session, struct err *err)
{
	err_set(err, ERR_CANCELED, "canceling statement due to query timeout");
	describe(err, "query_timeout", session->policy->query_timeout, "Make the statement faster");
}

static void cancel_query(struct session *session)
{
	struct err err;

	if (session->query_timed_out) { /* and the node did not heed the request */
		query_error(session, &err);
		session_terminate(session, &err);
		return;
	}
	session->query_timed_out = true;
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->backend && leg->state == LEG_READY)
			cancel_send(leg->backend);
	}
	look(session);
}

static void end(struct session *session, enum deadline what)
{
	const struct policy *policy = session->policy;
	struct err err;

	switch (what) {
	case DEADLINE_IDLE:
		err_set(&err, ERR_IDLE_SESSION, "terminating connection due to idle-session timeout");
		describe(&err, "idle_session_timeout", policy->idle_session_timeout, "Connect again");
		break;
	case DEADLINE_IDLE_IN_TX:
		err_set(&err, ERR_IDLE_IN_TX, "terminating connection due to idle-in-transaction timeout");
		describe(&err, "idle_in_transaction_session_timeout", policy->idle_in_transaction_session_timeout, "End transactions soon");
		break;
	case DEADLINE_TX:
		err_set(&err, ERR_TX_TIMEOUT, "terminating connection due to transaction timeout");
		describe(&err, "transaction_timeout", policy->transaction_timeout, "Make the transaction shorter");
		break;
	case DEADLINE_QUERY:
		cancel_query(session);
		return;
	case DEADLINE_NONE:
		return;
	}
	session_terminate(session, &err);
}

static void fired(struct timer *timer)
{
	struct session *session = CONTAINER_OF(timer, struct session, timer);
	uint64_t now_us = loop_now_us(session->worker->loop);
	enum deadline what;

	if (next(session, &what) > now_us) {
		look(session);
		return;
	}
	/* It waits for one: pool_wait_ms_max is the limit of that. */
	if (session->state == SESSION_WORKING && !holds_backend(session) && !(what == DEADLINE_TX && in_transaction(session))) {
		deadlines_lent(session);
		return;
	}
	end(session, what);
}

void deadlines_begin(struct session *session)
{
	const struct policy *policy = session->policy;

	session->timer.fire = fired;
	session->has_deadlines = policy->idle_session_timeout || policy->idle_in_transaction_session_timeout || policy->transaction_timeout ||
				 policy->query_timeout;
	if (!session->idle_since_us)
		session->idle_since_us = loop_now_us(session->worker->loop);
	look(session);
}

void deadlines_working(struct session *session)
{
	session->query_timed_out = false;
	session->query_since_us = loop_now_us(session->worker->loop);
	if (!in_transaction(session))
		session->tx_since_us = session->query_since_us;
	look(session);
}

void deadlines_lent(struct session *session)
{
	session->query_since_us = loop_now_us(session->worker->loop);
	if (!in_transaction(session))
		session->tx_since_us = session->query_since_us;
	look(session);
}

void deadlines_idle(struct session *session)
{
	session->idle_since_us = loop_now_us(session->worker->loop);
	look(session);
}

struct slice deadlines_error(struct session *session, struct slice body)
{
	struct slice whole;
	struct err err;
	struct buf out;

	if (!session->query_timed_out || !slice_is(error_field(body, 'C'), "57014"))
		return body;
	query_error(session, &err);
	buf_init(&out, STARTUP_SIZE_MAX);
	message_error(&out, "ERROR", &err);
	whole = arena_slice(&session->arena, buf_slice(&out));
	buf_release(&out);
	return slice_make(whole.data + FRAME_HEADER_SIZE, whole.size - FRAME_HEADER_SIZE);
}
