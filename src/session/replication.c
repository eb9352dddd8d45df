/* replication: a client that replicates (START_REPLICATION, BASE_BACKUP, …) has a backend of its own, started with the same parameters, and from
 * then on bytes go through both ways as they are.
 *
 * Only in pool_mode session, and to a database of one shard: else there is no one server that has what is asked for.
 * Source: PostgreSQL 15 documentation, 55.4 "Streaming Replication Protocol".
 */
#include "session/replication.h"

#include <string.h>

#include "base/boolean.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "session/login.h"
#include "session/session.h"

static const struct backend_holder holder;

int replication_parameter(struct session *session, const char *value, struct err *err)
{
	bool wanted;

	if (strcmp(value, "database") == 0) {
		session->replication = REPLICATION_DATABASE;
		return 0;
	}
	if (!boolean_read(value, strlen(value), &wanted)) {
		err_set(err, ERR_INVALID_VALUE, "invalid value for parameter \"replication\": \"%s\"", value);
		err_hint(err, "Valid values are: \"false\", 0, \"true\", 1, \"database\".");
		return err->code;
	}
	session->replication = wanted ? REPLICATION_PHYSICAL : REPLICATION_NONE;
	return 0;
}

void replication_find_database(struct session *session)
{
	const struct topology *topology = session->snapshot->topology;

	if (session->replication != REPLICATION_PHYSICAL || session->database >= 0 || topology->database_count != 1)
		return;
	session->database = 0;
	mem_free(session->database_name);
	session->database_name = mem_strdup(topology->databases[0].name);
}

int replication_start(struct session *session, struct err *err)
{
	bool physical = session->replication == REPLICATION_PHYSICAL;
	struct pool *pool;

	if (session->policy->pool_mode != POOL_SESSION) {
		err_set(err, ERR_UNSUPPORTED, "replication connections need pool_mode session");
		err_hint(err, "Set it for this user (users) or database (databases) in nanu.yaml, or connect to the node itself.");
		return err->code;
	}
	if (session_shard_count(session) > 1) {
		err_set(err, ERR_UNSUPPORTED, "database \"%s\" has several shards, and no one server that has it all to replicate", session->database_name);
		err_hint(err, "Connect to the shards' nodes themselves.");
		return err->code;
	}
	pool = legs_pool(session, 0, err);
	return pool ? pool_open_apart(pool, "replication", &holder, session, session->initial, physical ? "true" : "database", &session->relayed, err) :
		      err->code;
}

void replication_received(struct session *session, struct slice bytes)
{
	backend_send(session->relayed, bytes);
	if (stream_over_limit(&session->relayed->stream))
		stream_receive(&session->stream, false);
}

void replication_drained(struct session *session)
{
	stream_receive(&session->relayed->stream, true);
}

void replication_end(struct session *session)
{
	struct backend *backend = session->relayed;
	struct err why;

	session->relayed = NULL;
	if (!backend)
		return;
	err_set(&why, ERR_WRONG_STATE, "its session has ended");
	backend_close(backend, &why);
}

static enum reply_mode header(struct backend *backend, char type, uint32_t size)
{
	return REPLY_PASS;
}

static int whole(struct backend *backend, char type, struct slice body, struct err *err)
{
	return 0;                       /* nothing is wanted whole */
}

static void pass(struct backend *backend, struct slice bytes)
{
	session_write(backend->held_by, bytes);
}

static void read_some(struct backend *backend)
{
	struct session *session = backend->held_by;

	if (stream_over_limit(&session->stream))
		stream_receive(&backend->stream, false);
}

static void drained(struct backend *backend)
{
	struct session *session = backend->held_by;

	stream_receive(&session->stream, true);
}

/* The server has said why, if it did, in bytes that went through. */
static void lost(struct backend *backend, const struct err *why)
{
	struct session *session = backend->held_by;

	session->relayed = NULL;
	if (session->state == SESSION_LOGIN)
		session_fatal(session, why);
	else
		session_finish(session);
}

static void opened(struct backend *backend)
{
	login_replicates(backend->held_by, backend);
}

static const struct backend_holder holder = { header, whole, pass, read_some, drained, lost, opened };
