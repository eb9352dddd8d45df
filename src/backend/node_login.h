/* node_login: from a connected socket to a node's AuthenticationOk: TLS or not, the start-up message, who nanu logs in as.
 *
 * The inside of backend/. One for each backend that is OPENING or LOGIN; gone afterwards. It keeps the settings of TLS, and the host, that it began with: a
 * reload may change them meanwhile, and take the pool away. Cancel requests have one for these alone. What TLS is tried, and what is tried when that
 * fails, follows libpq's sslmode:
 *
 *   disable   plain                        require, verify-ca, verify-full   TLS
 *   allow     plain; refused (28000): TLS  prefer   TLS, plain where the node has none; failed, or refused (28000): plain
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct backend;
struct buf;
struct node_login;
struct pool;
struct stream;

struct node_login *node_login_new(const struct pool *pool);
void node_login_free(struct node_login *login);         /* wipes it */

/* Whether this connection begins with an SSLRequest. */
bool node_login_asks_tls(const struct node_login *login);
/* After a connection that failed: whether another is to be tried, the other way. `sqlstate`: what the node said, "" nothing; `tls_failed`: it
 * was TLS itself. */
bool node_login_again(struct node_login *login, const char *sqlstate, bool tls_failed);

/* Reads the answer to SSLRequest: begins TLS on `stream` for 'S', goes on plain after 'N' where that is allowed. ERR_CONNECT; ERR_PROTOCOL for
 * bytes behind the answer, which came in the clear (CVE-2021-23222). */
must_use int node_login_tls_answered(const struct node_login *login, struct stream *stream, bool must, struct slice answer, struct err *err);
bool node_login_knows_tls(const struct node_login *login);      /* whether it may begin with one at all */
/* Whether TLS is a must on this connection. */
bool node_login_needs_tls(const struct node_login *login);

/* An Authentication message ('R'); sends what answers it. ERR_AUTH_SPEC, ERR_UNSUPPORTED, ERR_PROTOCOL, ERR_AUTH. */
must_use int node_login_authenticate(struct backend *backend, struct slice body, struct err *err);
