/* node_ask: nanu's own connections to nodes, for the functions of the nanu schema: errors name the node. Blocks; for the control plane's threads. */
#pragma once

#include <libpq-fe.h>

#include "base/err.h"

struct config;
struct node;

enum { NODE_ASK_MS_MAX = 10 * 1000 };   /* for a node to say something */

/* Connects to database postgres, so that the one that sessions use can be dropped and paused meanwhile, or, where there is none, to that: `served`.
 * ERR_CONNECT says why not. PQfinish() the connection in any case. */
must_use int node_open(const struct config *config, const struct node *node, const char *served, PGconn **ret_conn, struct err *err);

/* Runs a statement, as catalog/ask.h does. ERR_CONNECT: no answer in time; ERR_WRONG_STATE: the server refused it, or is gone. */
must_use int node_ask(PGconn *conn, const char *node, const char *sql, const char *param, ExecStatusType wanted, PGresult **ret_result, struct err *err);
