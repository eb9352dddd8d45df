/* connect: nanu's own connections to nodes, as node_user, by libpq. */
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "backend/users.h"
#include "base/buf.h"
#include "base/mem.h"
#include "topo/config.h"
#include "topo/settings.h"
#include "topo/topology.h"

enum { CONNINFO_SIZE_MAX = 8192 };

void admin_conninfo_add(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "%s='", key);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf_add_u8(out, '\\');
		buf_add_u8(out, (uint8_t)*value);
	}
	buf_add_text(out, "' ");
}

static char *conninfo_of(const struct config *config, const struct node *node, const char *database, const char *user, const char *password)
{
	char number[16];
	struct buf out;

	buf_init(&out, CONNINFO_SIZE_MAX);
	admin_conninfo_add(&out, "host", node->host);
	snprintf(number, sizeof(number), "%u", node->port);
	admin_conninfo_add(&out, "port", number);
	admin_conninfo_add(&out, "dbname", database);
	admin_conninfo_add(&out, "user", user);
	if (password)
		admin_conninfo_add(&out, "password", password);
	snprintf(number, sizeof(number), "%u", config->connect_ms_max / 1000 + 1);
	admin_conninfo_add(&out, "connect_timeout", number);
	admin_conninfo_add(&out, "application_name", "nanu");
	admin_conninfo_add(&out, "sslmode", node_tls_names[config->node_tls]);
	admin_conninfo_add(&out, "channel_binding", channel_binding_names[config->node_channel_binding]);
	admin_conninfo_add(&out, "ssl_min_protocol_version", tls_version_names[config->tls_version_min]);
	if (config->node_tls_ca_file)
		admin_conninfo_add(&out, "sslrootcert", config->node_tls_ca_file);
	if (config->node_tls_cert_file) {
		admin_conninfo_add(&out, "sslcert", config->node_tls_cert_file);
		admin_conninfo_add(&out, "sslkey", config->node_tls_key_file);
	}
	admin_conninfo_add(&out, "client_encoding", "UTF8");
	buf_add_u8(&out, 0);
	return out.data;        /* the caller's from here on */
}

char *admin_conninfo(const struct config *config, const struct node *node, const char *database)
{
	return conninfo_of(config, node, database, config->node_user, config->node_password);
}

/* As auth_user, whose password is in the users file unless it is node_user. */
static char *auth_conninfo(const struct config *config, const struct node *node, const char *database, struct users *users)
{
	struct user_secret secret;
	char *conninfo;

	if (strcmp(config->auth_user, config->node_user) == 0)
		return admin_conninfo(config, node, database);
	users_get(users, config->auth_user, &secret);
	conninfo = conninfo_of(config, node, database, config->auth_user, secret.has_password ? secret.password : NULL);
	user_secret_wipe(&secret);
	return conninfo;
}

int admin_fetch_secret(const struct config *config, const struct topology *topology, const struct database *database, const char *user,
		       struct users *users, struct err *err)
{
	const struct node *home = &topology->nodes[topology->shards[database->shards[0]].primary];
	char *conninfo = auth_conninfo(config, home, database->node_database, users);
	PGconn *conn = PQconnectdb(conninfo);
	PGresult *result = NULL;
	int rc = 0;

	explicit_bzero(conninfo, strlen(conninfo));
	mem_free(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		rc = err_set(err, ERR_CONNECT, "%s", PQerrorMessage(conn));
	if (rc == 0) {
		result = PQexecParams(conn,
				      config->auth_query, 1, NULL, &user, NULL, NULL, 0);
		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			rc = err_set(err, ERR_AUTH_SPEC, "%s", PQresultErrorMessage(result));
		else if (PQnfields(result) != 2)
			rc = err_set(err, ERR_CONFIG, "auth_query must have two columns, the user's name and secret, not %d", PQnfields(result));
		else if (PQntuples(result) > 1)
			rc = err_set(err, ERR_CONFIG, "auth_query found %d users named \"%s\"", PQntuples(result), user);
		else if (PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), user) == 0 && !PQgetisnull(result, 0, 1))
			rc = users_set_fetched(users, user, PQgetvalue(result, 0, 1), config->auth_cache_ms_max, err);
		else
			rc = users_set_fetched(users, user, NULL, config->auth_cache_ms_max, err);
	}
	PQclear(result);
	PQfinish(conn);
	return rc;
}
