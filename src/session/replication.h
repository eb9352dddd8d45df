/* replication: the session of a client that replicates: replication.c. Its backend, session->relayed, is its own from replication_start() on. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct session;

/* The start-up parameter "replication". ERR_INVALID_VALUE. */
must_use int replication_parameter(struct session *session, const char *value, struct err *err);
/* Who replicates a whole server names no database: where there is only one, it is meant. */
void replication_find_database(struct session *session);
/* Once the client has logged in. ERR_UNSUPPORTED, or as pool_open_apart(). */
must_use int replication_start(struct session *session, struct err *err);
void replication_received(struct session *session, struct slice bytes);         /* of the client's */
void replication_drained(struct session *session);                              /* the client has read */
void replication_end(struct session *session);                                  /* closes the backend, if there is one */
