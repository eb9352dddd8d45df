/* catalog_load: what the files that read a database's schema over libpq share. Inside of catalog/. */
#pragma once

#include <libpq-fe.h>

#include "base/err.h"

struct catalog;

/* Schemas of sessions' temporary tables and of TOAST are nobody's to name. */
#define NAMEABLE_SCHEMA "n.nspname !~ '^pg_(toast|temp)'"

/* The rows of a query of one parameter (NULL: of none). ERR_INTERNAL with the server's message, and `what` was to be read. */
must_use int catalog_fetch(PGconn *conn, const char *sql, const char *param, const char *what, PGresult **ret_result, struct err *err);

/* Gives the tables that `catalog` has their hooks. */
must_use int catalog_load_hooks(PGconn *conn, struct catalog *catalog, struct err *err);
