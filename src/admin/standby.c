#include "admin/standby.h"

#include <stdlib.h>
#include <string.h>

#include "admin/node_ask.h"
#include "base/arena.h"
#include "net/address.h"
#include "topo/topology.h"

/* Who sends is told by the walreceiver; where there is none just now, by how it would connect, if the user may read that. */
static const char SQL[] =
	"SELECT pg_catalog.pg_is_in_recovery(), s.system_identifier, pg_catalog.current_setting('primary_slot_name'),"
	" pg_catalog.pg_postmaster_start_time()::text || ' ' || pg_catalog.current_setting('port'), w.sender_host, w.sender_port::text, c.setting"
	" FROM pg_catalog.pg_control_system() s LEFT JOIN pg_catalog.pg_stat_wal_receiver w ON true"
	" LEFT JOIN pg_catalog.pg_settings c ON c.name = 'primary_conninfo'";

enum { DEFAULT_PORT = 5432 };           /* libpq's */
enum { IN_RECOVERY, SYSTEM, SLOT, PROCESS, SENDER_HOST, SENDER_PORT, CONNINFO };

/* Of whoever calls it so. */
static bool is_own_machine(const char *host)
{
	struct node_address address = address_resolve(host, 0);

	return address_is_local(&address);
}

static bool is_same_machine(const char *host, const char *other)
{
	struct node_address address, others;

	if (strcmp(host, other) == 0)
		return true;
	if (is_own_machine(host) || is_own_machine(other))
		return is_own_machine(host) && is_own_machine(other);
	address = address_resolve(host, 0);
	others = address_resolve(other, 0);
	return address.size > 0 && address.size == others.size && memcmp(&address.address, &others.address, address.size) == 0;
}

/* A standby's "localhost" is the machine that nanu calls as it calls the standby. */
static int find_sender(const struct topology *topology, const struct node *standby, const char *host, unsigned long port)
{
	if (!*host)
		return SENDER_UNKNOWN;
	if (is_own_machine(host))
		host = standby->host;
	for (size_t i = 0; i < topology->node_count; i++) {
		const struct node *node = &topology->nodes[i];

		if (node->shard == standby->shard && strcmp(node->name, standby->name) != 0 && node->port == port && is_same_machine(host, node->host))
			return (int)i;
	}
	return SENDER_UNKNOWN;
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
	for (; options && options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0 && options->val)
			return options->val;
	return "";
}

static int find_configured_sender(const struct topology *topology, const struct node *standby, const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	const char *host = option(options, *option(options, "hostaddr") ? "hostaddr" : "host"), *port = option(options, "port");
	int sender = find_sender(topology, standby, *host ? host : "/", *port ? strtoul(port, NULL, 10) : DEFAULT_PORT);

	PQconninfoFree(options);
	return options ? sender : SENDER_UNKNOWN;
}

int standby_ask(const struct config *config, const struct topology *topology, const struct node *node, struct arena *arena, struct standby *ret_standby,
		struct err *err)
{
	PGresult *result = NULL;
	PGconn *conn;
	int rc = node_open(config, node, topology_node_database(topology, node->shard), &conn, err);

	if (rc == 0)
		rc = node_ask(conn, node->name, SQL, NULL, PGRES_TUPLES_OK, &result, err);
	if (rc == 0) {
		*ret_standby = (struct standby){
			.in_recovery = *PQgetvalue(result, 0, IN_RECOVERY) == 't',
			.system = arena_strdup(arena, PQgetvalue(result, 0, SYSTEM)),
			.slot = arena_strdup(arena, PQgetvalue(result, 0, SLOT)),
			.process = arena_strdup(arena, PQgetvalue(result, 0, PROCESS)),
			.sender = find_sender(topology, node, PQgetvalue(result, 0, SENDER_HOST), strtoul(PQgetvalue(result, 0, SENDER_PORT), NULL, 10)),
		};
		if (!*PQgetvalue(result, 0, SENDER_HOST) && *PQgetvalue(result, 0, CONNINFO))
			ret_standby->sender = find_configured_sender(topology, node, PQgetvalue(result, 0, CONNINFO));
	}
	PQclear(result);
	PQfinish(conn);
	return rc;
}
