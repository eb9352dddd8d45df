/* deadlines: idle_session_timeout, idle_in_transaction_session_timeout, transaction_timeout, query_timeout of one session.
 *
 * A session has one timer. It is armed for what is due first, and moved only to fire sooner: what was met in time costs nothing, and a timer
 * that fires too early is armed anew. Sessions without any of these settings pay one comparison a segment.
 */
#pragma once

#include "base/slice.h"

struct session;

void deadlines_begin(struct session *session);          /* logged in, or its policy changed: takes over session->timer */
void deadlines_working(struct session *session);        /* a segment begins */
void deadlines_lent(struct session *session);           /* a backend that it waited for is there: the wait does not count */
void deadlines_idle(struct session *session);           /* a segment is over */

/* The body of a server's ErrorResponse, or, when it is the answer to query_timeout's cancel request, of one that says so, in the segment's arena. */
struct slice deadlines_error(struct session *session, struct slice body);
