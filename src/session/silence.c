#include "session/silence.h"

#include "route/node_status.h"
#include "route/snapshot.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/worker.h"

/* What lost() does of it then, the client does not see. */
static bool can_be_missed(const struct session *session, const struct leg *leg)
{
	if (leg->state == LEG_WAITING || leg->state == LEG_SETTING_UP)
		return true;
	if (leg->state != LEG_READY)
		return false;
	if (session->fan)
		return leg->working && fan_may_lose(session);
	return leg == session->current && session->answer_count && reads_are_unheard(session, leg);
}

static struct leg *find_missed(const struct session *session, const struct node_status *silent)
{
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->replica == silent && can_be_missed(session, leg))
			return leg;
	}
	return NULL;
}

static void look_at(struct session *session, const struct node_status *silent)
{
	struct leg *leg;

	while (session->state == SESSION_WORKING && (leg = find_missed(session, silent))) {
		struct err err;

		err_set(&err, ERR_BACKEND_LOST, "the replica does not answer");
		if (leg->state == LEG_WAITING)
			leg_end_wait(leg, &err);
		else
			backend_lose(leg->backend, &err);
	}
}

static bool is_awaited(const struct session *session, const struct leg *leg)
{
	return leg->replica && leg->state == LEG_READY && leg->backend && (leg == session->current || leg->working);
}

static bool lose_one(struct session *session, const struct err *canceled)
{
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (!is_awaited(session, leg) || node_status_read(leg->replica).reachable)
			continue;
		backend_lose(leg->backend, canceled);
		return true;
	}
	return false;
}

void silence_cancel(struct session *session, const struct err *canceled)
{
	while (lose_one(session, canceled))
		continue;
}

static void look(struct worker *worker, void *argument)
{
	struct node_status *silent = argument;

	for (struct list_node *node = list_first(&worker->sessions), *next; node; node = next) {
		next = list_next(&worker->sessions, node);
		look_at(CONTAINER_OF(node, struct session, place), silent);
	}
	node_status_unref(silent);
}

void silence_noticed(struct services *services, struct node_status *silent)
{
	for (unsigned i = 0; i < services->worker_count; i++)
		if (services->workers[i])
			worker_post_call(services->workers[i], look, node_status_ref(silent));
}
