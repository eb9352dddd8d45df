#include "session/side.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/boolean.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "session/own_settings.h"
#include "session/session.h"
#include "sql/body.h"
#include "sql/set_value.h"

static const char READ_ONLY[] = "default_transaction_read_only";

static const struct { const char *suffix; enum side side; } suffixes[] = { { "@replica", SIDE_REPLICA }, { "@primary", SIDE_PRIMARY } };

/* Of the port that the client came to. */
static enum side side_of_port(const struct session *session)
{
	const struct config *config = session->worker->config;
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	uint16_t port = 0;

	if (!config->replica_port || getsockname(session->stream.fd, (struct sockaddr *)&address, &size) < 0)
		return SIDE_ANY;
	if (address.ss_family == AF_INET)
		port = ntohs(((const struct sockaddr_in *)&address)->sin_port);
	else if (address.ss_family == AF_INET6)
		port = ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
	return port == config->replica_port ? SIDE_REPLICA : SIDE_ANY;
}

static bool is_on(const char *text)
{
	bool on;

	return text && boolean_read(text, strlen(text), &on) && on;
}

int side_take(struct session *session, struct err *err)
{
	size_t size = strlen(session->database_name);
	const char *given = own_value(session, READ_ONLY);

	session->side = side_of_port(session);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t suffix_size = strlen(suffixes[i].suffix);

		if (size <= suffix_size || strcmp(session->database_name + size - suffix_size, suffixes[i].suffix) != 0 ||
		    topology_database(session->snapshot->topology, session->database_name))
			continue;
		session->side = suffixes[i].side;
		session->database_name[size - suffix_size] = '\0';
		break;
	}
	if (session->side != SIDE_REPLICA || !given || is_on(given))
		return 0;
	err_set(err, ERR_INVALID_VALUE, "%s cannot be \"%s\" for who reads from replicas", READ_ONLY, given);
	err_hint(err, "Connect to \"%s@primary\", or to the router's other port.", session->database_name);
	return err->code;
}

static void set_both(struct session *session, const char *name, const char *value)
{
	struct settings *more = settings_with(session->initial, name, value, SETTING_RAW);

	if (!more)
		return;
	settings_unref(session->initial);
	session->initial = more;
	settings_assign(&session->settings, more);
	settings_assign(&session->committed, more);
}

int side_begin(struct session *session, struct err *err)
{
	if (session->side == SIDE_REPLICA && session->policy->pool_mode == POOL_SESSION) {
		err_set(err, ERR_UNSUPPORTED, "who reads from replicas cannot have pool_mode session");
		err_detail(err, "Statements come to the replica that will do, or to the primary: there is no one server process to keep.");
		err_hint(err, "Set pool_mode to transaction for this user or database, or connect to \"%s@primary\".", session->database_name);
		return err->code;
	}
	if (session->side == SIDE_PRIMARY) {
		set_both(session, OWN_CONSISTENCY, consistency_names[CONSISTENCY_STRONG]);
	} else if (session->side == SIDE_REPLICA) {
		set_both(session, READ_ONLY, "on");
		if (session->policy->consistency == CONSISTENCY_STRONG && !own_value(session, OWN_CONSISTENCY))
			set_both(session, OWN_CONSISTENCY, consistency_names[CONSISTENCY_EVENTUAL]);
	}
	return 0;
}

bool side_only_reads(const struct session *session)
{
	return is_on(own_value(session, READ_ONLY));
}

void side_keep(struct session *session)
{
	const char *value = own_value(session, READ_ONLY);
	struct settings *more;

	if (session->side != SIDE_REPLICA || is_on(value))
		return;
	more = settings_with(session->settings, READ_ONLY, "on", SETTING_RAW);
	if (!more)
		return;
	settings_unref(session->settings);
	session->settings = more;
}

/* ---- what it may not ---- */

static bool writes(const struct shape *shape)
{
	switch (shape->kind) {
	case STMT_INSERT:
	case STMT_UPDATE:
	case STMT_DELETE:
	case STMT_MERGE:
	case STMT_TRUNCATE:
	case STMT_CREATE_TABLE:
	case STMT_CREATE_TABLE_AS:
	case STMT_ALTER_TABLE:
	case STMT_RENAME:
	case STMT_DROP:
	case STMT_CREATE_INDEX:
	case STMT_DDL:
	case STMT_MAINTENANCE:
	case STMT_CLUSTER_DDL:
	case STMT_LISTEN:
	case STMT_NOTIFY:
	case STMT_PREPARE_TX:
	case STMT_COMMIT_PREPARED:
	case STMT_ROLLBACK_PREPARED:
		return true;
	case STMT_COPY:
		return shape->copy_from;
	default:
		return shape->cte_writes;
	}
}

/* A function that a standby refuses, and a primary lets run in a read-only transaction; or NULL. */
static const char *writer(const struct shape *shape)
{
	static const char *const names[] = {
		"lo_creat", "lo_create", "lo_from_bytea", "lo_import", "lo_put", "lo_truncate", "lo_truncate64", "lo_unlink", "lowrite", "pg_notify",
	};

	for (size_t i = 0; i < shape->function_count; i++)
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++)
			if (strcmp(shape->functions[i].name, names[j]) == 0)
				return names[j];
	return NULL;
}

/* SET, set_config(), BEGIN, and code with a SET, that would have it write after all. */
static bool wants_to_write(const struct shape *shape)
{
	bool names = shape->setting && (strcmp(shape->setting, READ_ONLY) == 0 || strcmp(shape->setting, "transaction_read_only") == 0);
	bool off = false;
	char *text;

	if (shape->tx_read_write || (shape->kind == STMT_DO && shape->code && body_sets(slice_of(shape->code))))
		return true;
	if (!names || (shape->kind != STMT_SET && !shape->set_config))
		return shape->set_config_opaque;
	text = shape->setting_value ? set_value_text(shape->setting_value, false) : NULL;
	off = text && !is_on(text);
	mem_free(text);
	return off || shape->set_config;
}

int side_check(const struct session *session, const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->shapes.count; i++) {
		const struct shape *shape = &plan->shapes.items[i];
		const char *function = writer(shape);
		bool tries = writes(shape);

		if (!tries && !function && !wants_to_write(shape))
			continue;
		if (function)
			err_set(err, ERR_READ_ONLY, "cannot execute %s() in a read-only transaction", function);
		else if (tries)
			err_set(err, ERR_READ_ONLY, "cannot execute %s in a read-only transaction", stmt_kind_sql(shape->kind));
		else
			err_set(err, ERR_READ_ONLY, "cannot set transaction read-write mode here");
		err_detail(err, "The session reads from replicas, as its port, or the name of its database, says.");
		err_hint(err, "Connect to \"%s@primary\", or to the router's other port.", session->database_name);
		return err->code;
	}
	return 0;
}
