#include "session/hedge.h"

#include "backend/cancel.h"
#include "base/mem.h"
#include "route/node_load.h"
#include "route/snapshot.h"
#include "session/reads.h"
#include "session/session.h"

enum { SENT_SIZE_MAX = 64 << 10, SETUP_SIZE_MAX = 1 << 20, A_HEDGE = 100 };

static struct hedge *hedge_of(const struct leg *leg)
{
	return &leg->session->reads->hedge;
}

bool hedge_is_second(const struct leg *leg)
{
	return leg->hedged && hedge_of(leg)->second == leg;
}

/* ---- who did not win ---- */

/* A backend that answers nobody: until it is ready, as many ReadyForQuery from now as are `left`. */
struct loser {
	struct list_node place;         /* in worker->losers */
	struct worker *worker;
	struct backend *backend;
	struct timer timer;             /* then it is cancelled: what ends soon by itself costs less */
	struct node_status *node;       /* whose load it still is; a reference */
	unsigned left;
	bool prepares;                  /* a copy, of which nobody knows when something fails */
	bool failed;
};

static void forget_loser(struct loser *loser)
{
	list_remove(&loser->worker->losers, &loser->place);
	loop_disarm(loser->worker->loop, &loser->timer);
	node_load_end(node_status_load(loser->node), loser->worker->index);
	node_status_unref(loser->node);
	mem_free(loser);
}

static enum reply_mode loser_header(struct backend *backend, char type, uint32_t size)
{
	(void)backend;
	(void)size;
	return type == 'D' || type == 'd' || type == 'V' ? REPLY_SKIP : REPLY_WHOLE;
}

static int loser_whole(struct backend *backend, char type, struct slice body, struct err *err)
{
	struct loser *loser = backend->held_by;

	if (type == 'G')
		return err_set(err, ERR_PROTOCOL, "the node began a copy that nobody asked for");
	loser->failed |= type == 'E';
	if (type != 'Z' || --loser->left)
		return 0;
	if ((loser->prepares && loser->failed) || body.size != 1 || body.data[0] != 'I')
		return err_set(err, ERR_WRONG_STATE, "its statement was cancelled, as another node had answered");
	forget_loser(loser);
	pool_release(backend);
	return 0;
}

static void loser_pass(struct backend *backend, struct slice bytes)
{
	(void)backend;
	(void)bytes;
}

static void loser_read(struct backend *backend)
{
	(void)backend;
}

static void loser_lost(struct backend *backend, const struct err *why)
{
	(void)why;
	forget_loser(backend->held_by);
}

static const struct backend_holder loser_holder = { .header = loser_header, .whole = loser_whole, .pass = loser_pass, .read = loser_read,
						    .drained = loser_read, .lost = loser_lost };

void hedge_forget_losers(struct worker *worker)
{
	while (!list_empty(&worker->losers))
		forget_loser(CONTAINER_OF(list_first(&worker->losers), struct loser, place));
}

/* Whether what was sent has the server make a copy of a prepared statement. */
static bool prepares(const struct session *session)
{
	for (size_t i = 0; i < session->answer_count; i++)
		if (answers_at(session, i)->copy)
			return true;
	return false;
}

static void too_late(struct timer *timer)
{
	cancel_send(CONTAINER_OF(timer, struct loser, timer)->backend);
}

/* The leg's backend runs on for nobody. Once its statement was sent. */
static void lose(struct leg *leg)
{
	struct worker *worker = leg->session->worker;
	struct backend *backend = leg->backend;
	struct loser *loser = mem_calloc(1, sizeof(*loser));

	loser->worker = worker;
	loser->backend = backend;
	loser->timer.fire = too_late;
	loser->node = node_status_ref(leg->node);
	node_load_begin(node_status_load(loser->node), worker->index);
	loser->left = leg->setup_left + 1;
	loser->prepares = leg->setup_left || prepares(leg->session);
	list_push_back(&worker->losers, &loser->place);
	statement_unref(backend->unnamed);
	backend->unnamed = NULL;
	backend->holder = &loser_holder;
	backend->held_by = loser;
	backend->leg = NULL;
	leg->backend = NULL;
	leg->trial = false;
	stream_receive(&backend->stream, true);
	loop_arm(worker->loop, &loser->timer, hedge_of(leg)->delay_us);
}

/* ---- the second ---- */

/* What the first one's server has, and what was sent to it refers to, has to be there; and what that makes, must not. */
static void add_statements(const struct leg *first, struct backend *to, struct buf *out)
{
	const struct session *session = first->session;
	bool parses_unnamed = false;

	for (size_t i = 0; i < session->answer_count; i++) {
		const struct answer *answer = answers_at(session, i);
		struct statement *statement = answer->statement;
		bool there = statement && backend_has_prepared(to, statement);

		parses_unnamed |= answer->kind == ANSWER_PARSE && !answer->copy;
		if (answer->kind == ANSWER_CLOSE && there)
			backend_drop_prepared(to, statement);
		if (!statement || answer->kind == ANSWER_CLOSE || !backend_has_prepared(first->backend, statement))
			continue;
		if (answer->copy && there)
			message_close(out, 'S', statement->name);
		if (!there)
			statement_unref(backend_add_prepared(to, statement, out));
		if (!there && !answer->copy)
			message_parse(out, statement->name, statement->text, statement->types, statement->type_count);
	}
	if (first->backend->unnamed && !parses_unnamed) {
		const struct statement *statement = first->backend->unnamed;

		message_parse(out, "", statement->text, statement->types, statement->type_count);
	}
	statement_unref(to->unnamed);
	to->unnamed = first->backend->unnamed ? statement_ref(first->backend->unnamed) : NULL;
}

static void second_lent(struct hedge *hedge, struct backend *backend)
{
	struct leg *first = hedge->first, *second = hedge->second;
	struct buf out;

	leg_lent(second, backend);
	buf_init(&out, SETUP_SIZE_MAX);
	add_statements(first, backend, &out);
	buf_add(&out, "S\0\0\0\4", 5);
	second->setup_left++;
	second->state = LEG_SETTING_UP;
	backend_send(backend, buf_slice(&out));
	buf_release(&out);
	backend_send(backend, buf_slice(&hedge->sent));
	second->needs_sync = first->needs_sync;
	second->executed = first->executed;
	hedge->session->worker->counters.hedged_reads++;
}

static void drop_second(struct hedge *hedge)
{
	struct leg *leg = hedge->second;

	if (!leg)
		return;
	hedge->second = NULL;
	leg->hedged = false;
	leg->since_us = 0;              /* it was not measured */
	if (leg->backend)
		lose(leg);
	leg_forget(leg);
}

static void second_done(struct pool_wait *wait, struct backend *backend, const struct err *err)
{
	struct leg *leg = CONTAINER_OF(wait, struct leg, wait);

	(void)err;
	if (backend)
		second_lent(hedge_of(leg), backend);
	else
		drop_second(hedge_of(leg));
}

static void ask_second(struct hedge *hedge, int node)
{
	struct session *session = hedge->session;
	struct leg *first = hedge->first, *leg = leg_new(session, first->shard);
	struct pool *pool = legs_pool_at(session, node, true, NULL);
	struct backend *backend;
	struct err err;

	hedge->second = leg;
	leg->hedged = true;
	leg_count(leg, node, true);
	if (!pool) {
		drop_second(hedge);
		return;
	}
	leg->wait = (struct pool_wait){ .holder = &leg_holder, .held_by = session, .settings = session->settings, .done = second_done,
		.urgent = first->wait.urgent, .owner = session->owner };
	switch (pool_acquire(pool, &leg->wait, &backend, &err)) {
	case 0:
		break;
	case 1:
		second_lent(hedge, backend);
		break;
	default:
		drop_second(hedge);
	}
}

/* ---- the first ---- */

static bool begins_tx(const struct plan *plan)
{
	for (size_t i = 0; plan && i < plan->shapes.count; i++)
		if (plan->shapes.items[i].kind == STMT_BEGIN)
			return true;
	return false;
}

/* It was sent all of one read, and nothing is to be told to it but that. */
static bool is_simple(const struct session *session)
{
	for (size_t i = 0; i < session->answer_count; i++) {
		const struct answer *answer = answers_at(session, i);
		bool last = i + 1 == session->answer_count, ends = answer->kind == ANSWER_QUERY || answer->kind == ANSWER_SYNC;

		if (ends != last || answer->refused || answer->renamed || begins_tx(answer->plan) ||
		    (answer->statement && answer->statement->form == STATEMENT_SQL))
			return false;
	}
	return session->answer_count > 0;
}

static void time_passed(struct timer *timer)
{
	struct hedge *hedge = CONTAINER_OF(timer, struct hedge, timer);
	struct session *session = hedge->session;
	struct worker *worker = session->worker;
	const struct leg *leg = hedge->first;
	int node;

	if (leg->told || session->reads->holding || session->current != leg || session->fan || session->unit_at < session->unit_count || session->rewinding ||
	    session->state != SESSION_WORKING || reads_left(session) != LEFT_ANY || !is_simple(session))
		return;
	node = worker->hedge_budget < A_HEDGE ? -1 : reads_other(session, leg, &hedge->incarnation);
	if (node < 0) {                 /* not now */
		loop_arm(worker->loop, timer, hedge->delay_us);
		return;
	}
	worker->hedge_budget -= A_HEDGE;
	ask_second(hedge, node);
}

/* When 95 of 100 reads would have ended on the fastest of the shard's replicas; 0: nobody knows. */
static uint64_t delay_us(const struct session *session, int shard)
{
	const struct shard_replicas *replicas = reads_replicas(session, shard);
	uint64_t least_us = 0;

	for (size_t i = 0; i < replicas->count; i++) {
		uint64_t us = node_load_slow_us(node_status_load(session->snapshot->statuses[replicas->nodes[i]]), session->worker->index);

		if (us && (!least_us || us < least_us))
			least_us = us;
	}
	return least_us;
}

void hedge_begin(struct session *session, struct leg *leg)
{
	struct hedge *hedge = &session->reads->hedge;
	struct worker *worker = session->worker;
	uint64_t us = delay_us(session, leg->shard);

	if (worker->hedge_budget < HEDGE_BURST * A_HEDGE)
		worker->hedge_budget += HEDGE_PERCENT;
	if (!us || hedge->first)
		return;
	hedge->session = session;
	hedge->first = leg;
	leg->hedged = true;
	if (!hedge->sent.data)
		buf_init(&hedge->sent, SENT_SIZE_MAX);
	hedge->timer.fire = time_passed;
	hedge->delay_us = us;
}

void hedge_sent(struct leg *leg, struct slice bytes)
{
	struct hedge *hedge = hedge_of(leg);

	if (hedge->sent.size + bytes.size > SENT_SIZE_MAX) {
		hedge_end(leg);
		return;
	}
	if (!hedge->sent.size)
		loop_arm(leg->session->worker->loop, &hedge->timer, hedge->delay_us);
	buf_add_slice(&hedge->sent, bytes);
}

void hedge_disturbed(struct leg *leg)
{
	if (!hedge_is_second(leg) && hedge_of(leg)->sent.size)
		hedge_end(leg);
}

void hedge_stop(struct session *session)
{
	if (session->reads && session->reads->hedge.first)
		hedge_end(session->reads->hedge.first);
}

void hedge_end(struct leg *leg)
{
	struct hedge *hedge = hedge_of(leg);

	drop_second(hedge);
	hedge->first->hedged = false;
	hedge->first = NULL;
	buf_release(&hedge->sent);
	loop_disarm(leg->session->worker->loop, &hedge->timer);
}

/* ---- who wins ---- */

/* The second is the session's leg from now on. */
static struct leg *change_places(struct hedge *hedge)
{
	struct session *session = hedge->session;
	struct leg *first = hedge->first, *second = hedge->second;

	hedge->second = NULL;
	hedge_end(first);
	second->hedged = false;
	list_remove(&session->legs, &first->place);
	list_push_back(&session->legs, &second->place);
	session->current = second;
	session->reads->read_from[second->shard] = hedge->incarnation;
	return first;
}

void hedge_heard(struct leg *leg, char type)
{
	struct hedge *hedge = hedge_of(leg);

	if (type == 'S' || type == 'A')         /* no part of an answer */
		return;
	if (hedge->second == leg) {
		struct leg *first = change_places(hedge);

		leg->session->worker->counters.hedges_won++;
		lose(first);
		leg_forget(first);
	} else {
		hedge_end(leg);
	}
}

bool hedge_lost(struct leg *leg)
{
	struct hedge *hedge = hedge_of(leg);
	bool second = hedge->second == leg;

	if (!second && (!hedge->second || !hedge->second->backend)) {
		hedge_end(leg);
		return false;
	}
	if (!leg->refused)
		reads_put_aside(leg->session, leg);
	if (second) {
		drop_second(hedge);
	} else {
		change_places(hedge);
		leg_forget(leg);
	}
	return true;
}
