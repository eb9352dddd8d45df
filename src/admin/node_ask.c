#include "admin/node_ask.h"

#include <string.h>

#include "admin/admin.h"
#include "base/mem.h"
#include "catalog/ask.h"
#include "topo/topology.h"

static PGconn *open_database(const struct config *config, const struct node *node, const char *database)
{
	char *conninfo = admin_conninfo(config, node, database);
	PGconn *conn = PQconnectdb(conninfo);

	explicit_bzero(conninfo, strlen(conninfo));
	mem_free(conninfo);
	return conn;
}

int node_open(const struct config *config, const struct node *node, const char *served, PGconn **ret_conn, struct err *err)
{
	PGconn *conn = open_database(config, node, "postgres");
	const char *message;

	if (PQstatus(conn) != CONNECTION_OK) {
		PQfinish(conn);
		conn = open_database(config, node, served);
	}
	*ret_conn = conn;
	if (PQstatus(conn) == CONNECTION_OK)
		return 0;
	message = PQerrorMessage(conn);
	return err_set(err, ERR_CONNECT, "node \"%s\" cannot be reached: %.*s", node->name, (int)strcspn(message, "\n"), message);
}

int node_ask(PGconn *conn, const char *node, const char *sql, const char *param, ExecStatusType wanted, PGresult **ret_result, struct err *err)
{
	struct err why;
	int rc = ask(conn, sql, param, wanted, NODE_ASK_MS_MAX, ret_result, &why);

	return rc == 0 ? 0 : err_set(err, rc == ERR_CONNECT ? ERR_CONNECT : ERR_WRONG_STATE, "node \"%s\": %s", node, why.message);
}
