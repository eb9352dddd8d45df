#include "ha/feeds_ask.h"

#include <stdio.h>
#include <stdlib.h>

#include "catalog/ask.h"
#include "route/feeds.h"

/* First a row of a replica's own, where there is one, and then those who take WAL from the node. The view has the connection's text as libpq says it,
 * without quotes, or, after a change of timeline, as it is configured; one without a name gets that of libpqwalreceiver. Of all that only the name
 * leaves the server, as there may be a password in it. What may be seen by few is NULL for others. Who follows logically has a slot that is not physical. */
static const char PREPARE[] =
	"PREPARE feeds AS SELECT true, w.pid IS NOT NULL,"
	" CASE WHEN w.conninfo IS NOT NULL THEN coalesce(pg_catalog.substring(w.conninfo,"
	"  '^(?:.*[ ?&])?application_name *= *''?(.*?)''?(?:[ &]+[a-z_]+ *=.*)?$'),"
	"  nullif(pg_catalog.current_setting('cluster_name'), ''), 'walreceiver') END,"
	" coalesce(w.slot_name, pg_catalog.current_setting('primary_slot_name')), w.sender_host, w.sender_port::text,"
	" NULL, NULL::pg_catalog.pg_lsn, NULL::pg_catalog.pg_lsn, NULL"
	" FROM (SELECT WHERE pg_catalog.pg_is_in_recovery()) r LEFT JOIN pg_catalog.pg_stat_wal_receiver w ON true"
	" UNION ALL SELECT false, s.pid IS NOT NULL, s.application_name, l.slot_name, pg_catalog.host(s.client_addr), s.state,"
	" s.sync_state, s.sent_lsn, s.write_lsn, l.wal_status"
	" FROM pg_catalog.pg_stat_replication s FULL JOIN pg_catalog.pg_replication_slots l ON l.active_pid = s.pid"
	" WHERE l.slot_type IS DISTINCT FROM 'logical'";

enum { IS_TAKEN, IS_ACTIVE, NAME, SLOT, HOST, PORT, STATE = PORT, SYNC_STATE, SENT, WRITTEN, SLOT_WAL };

int feeds_prepare(PGconn *conn, unsigned wait_ms, struct err *err)
{
	PGresult *result;
	int rc = ask(conn, PREPARE, NULL, PGRES_COMMAND_OK, wait_ms, &result, err);

	PQclear(result);
	return rc;
}

static bool is_true(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

static void read_taken(const PGresult *result, int row, struct feed_taken *taken)
{
	taken->receives = is_true(result, row, IS_ACTIVE);
	snprintf(taken->name, sizeof(taken->name), "%s", PQgetvalue(result, row, NAME));
	snprintf(taken->slot, sizeof(taken->slot), "%s", PQgetvalue(result, row, SLOT));
	snprintf(taken->host, sizeof(taken->host), "%s", PQgetvalue(result, row, HOST));
	taken->port = (uint16_t)strtoul(PQgetvalue(result, row, PORT), NULL, 10);
}

static void read_given(const PGresult *result, int row, struct feed_given *given)
{
	given->active = is_true(result, row, IS_ACTIVE);
	snprintf(given->name, sizeof(given->name), "%s", PQgetvalue(result, row, NAME));
	snprintf(given->slot, sizeof(given->slot), "%s", PQgetvalue(result, row, SLOT));
	snprintf(given->address, sizeof(given->address), "%s", PQgetvalue(result, row, HOST));
	snprintf(given->state, sizeof(given->state), "%s", PQgetvalue(result, row, STATE));
	snprintf(given->sync_state, sizeof(given->sync_state), "%s", PQgetvalue(result, row, SYNC_STATE));
	snprintf(given->slot_wal, sizeof(given->slot_wal), "%s", PQgetvalue(result, row, SLOT_WAL));
	given->sent = ask_lsn(PQgetvalue(result, row, SENT));
	given->written = ask_lsn(PQgetvalue(result, row, WRITTEN));
}

int feeds_ask(PGconn *conn, unsigned wait_ms, struct feeds **ret_feeds, struct err *err)
{
	PGresult *result;
	int rc = ask(conn, "EXECUTE feeds", NULL, PGRES_TUPLES_OK, wait_ms, &result, err), rows;
	struct feeds *feeds;

	if (rc < 0)
		return rc;
	rows = PQntuples(result);
	if (rows > FEEDS_MAX) {
		PQclear(result);
		return err_set(err, ERR_INTERNAL, "it has more than %d walsenders and slots", FEEDS_MAX);
	}
	feeds = feeds_new((size_t)rows);
	feeds->heard = true;
	feeds->given_count = 0;
	for (int row = 0; row < rows; row++) {
		if (is_true(result, row, IS_TAKEN)) {
			feeds->named = true;
			read_taken(result, row, &feeds->taken);
		} else {
			read_given(result, row, &feeds->given[feeds->given_count++]);
		}
	}
	PQclear(result);
	*ret_feeds = feeds;
	return 0;
}
