#include "app/reach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin.h"
#include "app/folder.h"
#include "base/process.h"
#include "app/progress.h"
#include "base/mem.h"
#include "topo/config.h"
#include "topo/topology.h"

enum { CONNECT_SECONDS = 10, PARAMS_MAX = 8, TURN_MS = 100 };

/* libpq's parameters, one after another. */
struct params {
	const char *names[PARAMS_MAX + 1], *values[PARAMS_MAX + 1];
	size_t count;
};

static void add_param(struct params *params, const char *name, const char *value)
{
	if (!value || params->count == PARAMS_MAX)
		return;
	params->names[params->count] = name;
	params->values[params->count++] = value;
}

static int config_path(const struct reach *reach, char path[REACH_PATH_SIZE], struct err *err)
{
	struct identity identity;
	char dir[REACH_PATH_SIZE];

	if (reach->config) {
		snprintf(path, REACH_PATH_SIZE, "%s", reach->config);
		return 0;
	}
	if (reach->dir) {
		snprintf(path, REACH_PATH_SIZE, "%s/nanu.yaml", reach->dir);
		return 0;
	}
	if (identity_for_servers(&identity, NULL) == 0 && folder_default(&identity, dir, NULL) == 0 &&
	    snprintf(path, REACH_PATH_SIZE, "%s/nanu.yaml", dir) < REACH_PATH_SIZE && access(path, F_OK) == 0)
		return 0;
	snprintf(path, REACH_PATH_SIZE, "nanu.yaml");
	if (access(path, F_OK) == 0)
		return 0;
	err_set(err, ERR_NOT_FOUND, "there is no playground and no nanu.yaml in this folder");
	err_hint(err, "Say where the router is: --dir, --config or --dsn.");
	return ERR_NOT_FOUND;
}

int reach_config(const struct reach *reach, struct config **ret_config, struct err *err)
{
	char path[REACH_PATH_SIZE];
	int rc;

	*ret_config = NULL;
	if (reach->dsn || reach->host || reach->port || reach->user || reach->dbname)
		return 0;
	rc = config_path(reach, path, err);
	return rc < 0 ? rc : config_read(path, ret_config, err);
}

static PGconn *connect_by_config(const struct config *config, const char *application_name)
{
	bool any = strcmp(config->listen_host, "*") == 0 || strcmp(config->listen_host, "0.0.0.0") == 0 || strcmp(config->listen_host, "::") == 0;
	struct params params = { 0 };
	char port[16], timeout[16];

	snprintf(port, sizeof(port), "%u", config->listen_port);
	snprintf(timeout, sizeof(timeout), "%d", CONNECT_SECONDS);
	add_param(&params, "host", any ? "127.0.0.1" : config->listen_host);
	add_param(&params, "port", port);
	add_param(&params, "user", config->node_user);
	add_param(&params, "password", config->node_password);
	add_param(&params, "dbname", config->databases_count ? config->databases[0].name : NULL);
	add_param(&params, "connect_timeout", timeout);
	add_param(&params, "application_name", application_name);
	return PQconnectdbParams(params.names, params.values, 0);
}

static PGconn *connect_by_options(const struct reach *reach, const char *application_name)
{
	struct params params = { 0 };
	char timeout[16];

	snprintf(timeout, sizeof(timeout), "%d", CONNECT_SECONDS);
	add_param(&params, "connect_timeout", timeout);
	add_param(&params, "application_name", application_name);
	add_param(&params, "dbname", reach->dsn ? reach->dsn : reach->dbname);
	add_param(&params, "host", reach->host);
	add_param(&params, "port", reach->port);
	add_param(&params, "user", reach->user);
	return PQconnectdbParams(params.names, params.values, 1);
}

int reach_router(const struct reach *reach, const char *application_name, PGconn **ret_conn, struct err *err)
{
	struct config *config;
	int rc = reach_config(reach, &config, err);

	if (rc < 0)
		return rc;
	*ret_conn = config ? connect_by_config(config, application_name) : connect_by_options(reach, application_name);
	config_unref(config);
	if (PQstatus(*ret_conn) == CONNECTION_OK)
		return 0;
	rc = err_set(err, ERR_CONNECT, "the router cannot be reached: %s", PQerrorMessage(*ret_conn));
	for (size_t size = strlen(err->message); size && err->message[size - 1] == '\n'; size--)
		err->message[size - 1] = '\0';
	return rc;
}

static int refused(PGconn *conn, const PGresult *result, struct err *err)
{
	const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
	const char *hint = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;

	if (!message)
		return err_set(err, ERR_CONNECT, "%.*s", (int)strcspn(PQerrorMessage(conn), "\n"), PQerrorMessage(conn));
	err_set(err, ERR_WRONG_STATE, "%s", message);
	if (state && strlen(state) == 5)
		err_sqlstate(err, state);
	if (detail)
		err_detail(err, "%s", detail);
	if (hint)
		err_hint(err, "%s", hint);
	return ERR_WRONG_STATE;
}

static int judge(PGconn *conn, PGresult *result, PGresult **ret_result, struct err *err)
{
	ExecStatusType status = PQresultStatus(result);
	int rc = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ? 0 : refused(conn, result, err);

	if (rc < 0)
		PQclear(result);
	else
		*ret_result = result;
	return rc;
}

static int await(PGconn *conn, PGresult **ret_result, struct err *err)
{
	PGresult *last = NULL, *next;

	for (;;) {
		while (PQisBusy(conn)) {
			struct pollfd ready = { .fd = PQsocket(conn), .events = POLLIN };
			int rc = progress_wait(&ready, 1, TURN_MS, err);

			if (rc < 0) {
				PQclear(last);
				return rc;
			}
			if (!PQconsumeInput(conn))
				break;          /* the end of the connection is a result, too */
		}
		next = PQgetResult(conn);
		if (!next)
			return judge(conn, last, ret_result, err);
		PQclear(last);
		last = next;
	}
}

int reach_ask(PGconn *conn, const char *sql, int param_count, const char *const *params, PGresult **ret_result, struct err *err)
{
	if (!PQsendQueryParams(conn, sql, param_count, NULL, params, NULL, NULL, 0))
		return refused(conn, NULL, err);
	return await(conn, ret_result, err);
}

bool reach_playground(const struct reach *reach, char ret_path[REACH_PATH_SIZE])
{
	struct identity identity;
	char mark[REACH_PATH_SIZE + 32];

	if (reach->config || reach->dsn)
		return false;
	if (reach->dir)
		snprintf(ret_path, REACH_PATH_SIZE, "%s", reach->dir);
	else if (identity_for_servers(&identity, NULL) < 0 || folder_default(&identity, ret_path, NULL) < 0)
		return false;
	snprintf(mark, sizeof(mark), "%s/playground.json", ret_path);
	return access(mark, F_OK) == 0;
}

static PGconn *connect_as_router(PGconn *router, const char *host, const char *port, const char *database)
{
	struct params params = { 0 };
	char timeout[16];

	snprintf(timeout, sizeof(timeout), "%d", CONNECT_SECONDS);
	add_param(&params, "host", host);
	add_param(&params, "port", port);
	add_param(&params, "user", PQuser(router));
	add_param(&params, "password", *PQpass(router) ? PQpass(router) : NULL);
	add_param(&params, "dbname", database);
	add_param(&params, "connect_timeout", timeout);
	return PQconnectdbParams(params.names, params.values, 0);
}

static PGconn *connect_as_node_user(const struct config *config, const char *host, const char *port, const char *database)
{
	const struct node node = { .name = "", .host = host, .port = (uint16_t)strtoul(port, NULL, 10) };
	char *conninfo = admin_conninfo(config, &node, database);
	PGconn *conn = PQconnectdb(conninfo);

	explicit_bzero(conninfo, strlen(conninfo));
	mem_free(conninfo);
	return conn;
}

int reach_node(const struct reach *reach, PGconn *router, const char *name, PGconn **ret_conn, struct err *err)
{
	const char *params[1] = { name };
	struct config *config = NULL;
	PGresult *result;
	int rc = reach_ask(router, "SELECT n.host, n.port, d.node_database FROM nanu.nodes n JOIN nanu.shards s ON s.name = n.shard"
			   " JOIN nanu.databases d ON d.name = s.database WHERE n.name = $1 ORDER BY d.name LIMIT 1", 1, params, &result, err);

	if (rc < 0)
		return rc;
	if (PQntuples(result) == 0) {
		PQclear(result);
		err_set(err, ERR_UNDEFINED_OBJECT, "node \"%s\" does not exist", name);
		err_hint(err, "nanu status lists the nodes.");
		return ERR_UNDEFINED_OBJECT;
	}
	rc = reach_config(reach, &config, err);
	if (rc == 0)
		*ret_conn = config ? connect_as_node_user(config, PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2)) :
			    connect_as_router(router, PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2));
	config_unref(config);
	PQclear(result);
	if (rc == 0 && PQstatus(*ret_conn) != CONNECTION_OK)
		rc = err_set(err, ERR_CONNECT, "node \"%s\" cannot be reached: %.*s", name, (int)strcspn(PQerrorMessage(*ret_conn), "\n"),
			     PQerrorMessage(*ret_conn));
	return rc;
}
