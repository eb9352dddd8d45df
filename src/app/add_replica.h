/* add_replica: `nanu add-replica`: a new replica of a shard on this machine, while everything runs.
 *
 *     base backup ─▶ slot, server ─▶ it has caught up ─▶ nanu.add_node(): the router knows it
 *
 * Whatever ends it before the replica has caught up leaves no slot on the primary, and no data; only a kill of this very program may leave a
 * replica that follows by itself, which the same command finds again and goes on with. Used by the main thread.
 */
#pragma once

#include <libpq-fe.h>
#include <stdint.h>

#include "base/err.h"

extern const char add_replica_usage[];
int add_replica_main(int argc, char **argv);

/* Tells the router of the node. A node that it knows already, as described, is none to complain of. The router's error. */
must_use int add_replica_register(PGconn *router, const char *name, const char *shard, const char *host, uint16_t port, const char *upstream,
				 struct err *err);
