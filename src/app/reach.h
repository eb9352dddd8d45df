/* reach: how a shell command finds the router that it is to ask, and connects to it.
 *
 * By what the user says, or the playground or the nanu.yaml in this folder. Used by the main thread, once.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/err.h"

struct config;

struct reach {                          /* options of the command line; NULL: not given */
	const char *dir, *config, *dsn, *host, *port, *user, *dbname;
};

enum { REACH_PATH_SIZE = 4096 };

/* The configuration of the router: as given, of the playground given or here, or ./nanu.yaml. 0: *ret_config is a reference, config_unref() it;
 * or NULL, as a connection is described. ERR_NOT_FOUND, ERR_CONFIG. */
must_use int reach_config(const struct reach *reach, struct config **ret_config, struct err *err);

/* Connects, as node_user when a configuration says where. ERR_CONNECT. PQfinish() it in any case. */
must_use int reach_router(const struct reach *reach, const char *application_name, PGconn **ret_conn, struct err *err);

/* Whether what is said leads to a playground, and not past one: its folder. */
bool reach_playground(const struct reach *reach, char ret_path[REACH_PATH_SIZE]);

/* Connects to the node of this name, of which the router tells where it is: as node_user when there is a configuration, else as whom the router knows
 * us. ERR_UNDEFINED_OBJECT: there is no such node; ERR_CONNECT. PQfinish() it in any case. */
must_use int reach_node(const struct reach *reach, PGconn *router, const char *name, PGconn **ret_conn, struct err *err);

/* Runs a statement with text parameters, and waits for it as progress_wait() does. The server's own error, with its SQLSTATE, detail and hint, as
 * ERR_WRONG_STATE; ERR_CONNECT when the connection is lost; ERR_CANCELED when a signal asked the program to end. PQclear() the result. */
must_use int reach_ask(PGconn *conn, const char *sql, int param_count, const char *const *params, PGresult **ret_result, struct err *err);
