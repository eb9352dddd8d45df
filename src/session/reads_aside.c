/* reads_aside: replicas that sessions find broken are put aside, as nodes or for one user in one database, and tried again by one. See reads.h. */
#include <string.h>

#include "base/log.h"
#include "route/aside.h"
#include "route/node_status.h"
#include "route/snapshot.h"
#include "session/reads.h"
#include "session/session.h"

bool reads_pool_open(struct session *session, int node, uint64_t at_us)
{
	const struct pool *pool = legs_pool_at(session, node, true, NULL);

	return !pool || aside_open(&pool->aside, at_us);
}

bool reads_ask_one_that_failed(struct session *session, int node, uint64_t at_us)
{
	struct pool *pool = session->worker->pools.aside_count ? legs_pool_at(session, node, true, NULL) : NULL;
	bool pool_trial = false;

	if (!node_status_ask(session->snapshot->statuses[node], at_us, &session->reads->trial) || (pool && !aside_ask(&pool->aside, at_us, &pool_trial)))
		return false;
	session->reads->trial |= pool_trial;
	return true;
}

/* Its node's index in the topology; -1: it has gone. */
static int node_of(const struct session *session, const struct leg *leg)
{
	for (size_t i = 0; i < session->snapshot->topology->node_count; i++)
		if (session->snapshot->statuses[i] == leg->replica)
			return (int)i;
	return -1;
}

/* What a node does to this user, or in this database, and not to others. */
static bool is_of_pool(const struct err *err)
{
	static const char *const classes[] = { "28", "3D", "42", "53" };

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strncmp(err->sqlstate, classes[i], strlen(classes[i])) == 0)
			return true;
	return err->code == ERR_POOL_TIMEOUT;
}

void reads_put_aside(struct session *session, const struct leg *leg)
{
	int node = node_of(session, leg);
	struct pool *pool = node >= 0 && is_of_pool(leg->err) ? legs_pool_at(session, node, true, NULL) : NULL;
	uint64_t at_us = reads_now_us(), asked_us = leg->since_us ? leg->since_us : at_us;
	const char *user = pool ? session->user : "-", *database = pool ? pool->database : "-";
	char quoted[600];

	if (pool ? pool_put_aside(pool, asked_us, at_us) : node_status_failed(leg->replica, asked_us, at_us))
		log_warn("reads", "node=%s user=%s database=%s msg=\"nothing is read from it for a while: %s\"",
			 node >= 0 ? session->snapshot->topology->nodes[node].name : "-", user, database, log_quote(leg->err->message, quoted, sizeof(quoted)));
}

void reads_worked(struct leg *leg)
{
	const struct pool *pool = leg->backend->pool;

	leg->trial = false;
	node_status_worked(leg->replica);
	pool_worked(leg->backend->pool);
	log_info("reads", "node=%s user=%s database=%s msg=\"it serves reads again\"", pool->node, pool->user, pool->database);
}
