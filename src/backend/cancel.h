/* cancel: one cancel request to a node: a connection of its own that says which backend to interrupt, and ends.
 *
 * Source: PostgreSQL 15 documentation, 55.2.8 "Canceling Requests in Progress". The server has delivered the signal when it closes the connection; until then
 * backend->cancel keeps the backend from being lent to somebody else, who must not be hit.
 */
#pragma once

struct backend;

struct cancel;

/* Asks the node to interrupt what `backend` runs; harmless while an earlier request is under way. Frees itself. */
void cancel_send(struct backend *backend);
void cancel_forget(struct cancel *cancel);              /* the backend is gone */
