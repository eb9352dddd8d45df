/* connect: nanu's own connections to nodes, as node_user, by libpq. */
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "backend/users.h"
#include "base/buf.h"
#include "base/mem.h"
#include "topo/config.h"
#include "topo/topology.h"

enum { CONNINFO_SIZE_MAX = 8192 };

/* key='value' with quotes and backslashes made safe. */
static void add(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "%s='", key);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf_add_u8(out, '\\');
		buf_add_u8(out, (uint8_t)*value);
	}
	buf_add_text(out, "' ");
}

char *admin_conninfo(const struct config *config, const struct node *node, const char *database)
{
	char number[16];
	struct buf out;

	buf_init(&out, CONNINFO_SIZE_MAX);
	add(&out, "host", node->host);
	snprintf(number, sizeof(number), "%u", node->port);
	add(&out, "port", number);
	add(&out, "dbname", database);
	add(&out, "user", config->node_user);
	if (config->node_password)
		add(&out, "password", config->node_password);
	snprintf(number, sizeof(number), "%u", config->connect_ms_max / 1000 + 1);
	add(&out, "connect_timeout", number);
	add(&out, "application_name", "nanu");
	add(&out, "client_encoding", "UTF8");
	buf_add_u8(&out, 0);
	return out.data;        /* the caller's from here on */
}

int admin_fetch_secret(const struct config *config, const struct topology *topology, const struct database *database, const char *user,
		       struct users *users, struct err *err)
{
	const struct node *home = &topology->nodes[topology->shards[database->shards[0]].primary];
	char *conninfo = admin_conninfo(config, home, database->node_database);
	PGconn *conn = PQconnectdb(conninfo);
	PGresult *result = NULL;
	int rc = 0;

	mem_free(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		rc = err_set(err, ERR_CONNECT, "%s", PQerrorMessage(conn));
	if (rc == 0) {
		result = PQexecParams(conn,
				      "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin"
				      " AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())",
				      1, NULL, &user, NULL, NULL, 0);
		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			rc = err_set(err, ERR_AUTH_SPEC, "%s", PQresultErrorMessage(result));
		else if (PQntuples(result) == 1 && !PQgetisnull(result, 0, 0))
			rc = users_set(users, user, PQgetvalue(result, 0, 0), err);
	}
	PQclear(result);
	PQfinish(conn);
	return rc;
}
