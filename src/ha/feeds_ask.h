/* feeds_ask: the question who streams WAL from whom (route/feeds.h), asked on the sampler's connection to a node. Blocks. */
#pragma once

#include <libpq-fe.h>

#include "base/err.h"

struct feeds;

/* Once on each connection. ERR_CONNECT: it is of no more use; other errors: this node cannot be asked. */
must_use int feeds_prepare(PGconn *conn, unsigned wait_ms, struct err *err);
/* A new reference. Errors as above, after which the connection takes other questions. */
must_use int feeds_ask(PGconn *conn, unsigned wait_ms, struct feeds **ret_feeds, struct err *err);
