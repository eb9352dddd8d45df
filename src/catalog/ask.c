#include "catalog/ask.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static int failed(PGconn *conn, struct err *err)
{
	const char *message = PQerrorMessage(conn);

	return err_set(err, ERR_INTERNAL, "%.*s", (int)strcspn(message, "\n"), message);
}

/* libpq may have taken a part of a TLS record: the socket does not tell of the rest. */
static bool holds_more(PGconn *conn)
{
	SSL *ssl = PQsslStruct(conn, "OpenSSL");

	return ssl && SSL_pending(ssl) > 0;
}

/* 0: the answer, or the end of the connection, can be read without waiting. A node that is frozen keeps its connections. */
static int await(PGconn *conn, unsigned wait_ms, struct err *err)
{
	struct pollfd ready = { .fd = PQsocket(conn), .events = POLLIN };

	while (PQisBusy(conn)) {
		int rc = holds_more(conn) ? 1 : poll(&ready, 1, (int)wait_ms);

		if (rc == 0)
			return err_set(err, ERR_CONNECT, "the node has not answered for %u ms", wait_ms);
		if ((rc < 0 && errno != EINTR) || (rc > 0 && !PQconsumeInput(conn)))
			return failed(conn, err);
	}
	return 0;
}

int ask(PGconn *conn, const char *sql, const char *param, ExecStatusType wanted, unsigned wait_ms, PGresult **ret_result, struct err *err)
{
	int sent = param ? PQsendQueryParams(conn, sql, 1, NULL, &param, NULL, NULL, 0) : PQsendQuery(conn, sql);
	PGresult *last = NULL, *result;
	int code = 0, waited;

	*ret_result = NULL;
	if (!sent)
		return failed(conn, err);
	while ((waited = await(conn, wait_ms, err)) == 0 && (result = PQgetResult(conn))) {
		PQclear(last);
		last = result;
		if (PQresultStatus(result) != wanted && code == 0)
			code = failed(conn, err);
	}
	if (waited < 0 || code < 0) {
		PQclear(last);
		return waited < 0 ? waited : code;
	}
	*ret_result = last;
	return 0;
}

uint64_t ask_lsn(const char *text)
{
	char *low;
	uint64_t high = strtoull(text, &low, 16);

	return *low == '/' ? high << 32 | strtoull(low + 1, NULL, 16) : 0;
}
