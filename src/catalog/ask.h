/* ask: a query to a node over libpq that does not wait for ever. Blocks: for the control plane's threads only. */
#pragma once

#include <libpq-fe.h>
#include <stdint.h>

#include "base/err.h"

/* Runs `sql` with at most one parameter (NULL: none), and gives its last result, to be cleared by PQclear(); statements without parameter may be
 * several. ERR_CONNECT when the node says nothing for `wait_ms`, and the connection is of no more use; ERR_INTERNAL with the first line of the
 * server's message when an answer is not as `wanted`: it goes on after that. *ret_result is NULL then. */
must_use int ask(PGconn *conn, const char *sql, const char *param, ExecStatusType wanted, unsigned wait_ms, PGresult **ret_result,
		 struct err *err);
/* An LSN as a node says it; 0 for what is none. */
uint64_t ask_lsn(const char *text);
