/* snapshot: everything that routing depends on, at one moment: topology, catalogs, addresses.
 *
 * Immutable; shared between threads by reference count. The control plane makes one and hands it to every worker through its mailbox; a
 * transaction keeps the one that it began under.
 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "catalog/catalog.h"
#include "net/address.h"
#include "route/node_status.h"
#include "topo/topology.h"

struct turns { int *nodes; size_t count; };     /* of those with a weight, whose turn it is: balance.h */

struct shard_replicas {                 /* indexes into the topology's nodes */
	int *nodes;                     /* and behind them the primary, if there are any */
	size_t count;
	int primary;
	uint64_t followed;              /* node_status_id() of the primary */
	struct turns turns, turns_shared;       /* of the replicas; of these and the primary */
};

struct snapshot {
	unsigned refs;
	uint64_t version;               /* grows with every snapshot: what a plan was made for */
	struct topology *topology;
	struct catalog **catalogs;      /* one for each database of the topology, of its home shard; NULL while no node could be read */
	struct node_address *addresses; /* one for each node */
	struct node_status **statuses;  /* one for each node; references */
	struct shard_replicas *replicas;        /* one for each shard */
};

/* Takes over the references given; resolves the addresses (blocks). `catalogs` is copied, its references taken. A node that `before` (or NULL) has
 * under the same name and address keeps its status. */
struct snapshot *snapshot_new(uint64_t version, struct topology *topology, struct catalog *const *catalogs, const struct snapshot *before);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot);
