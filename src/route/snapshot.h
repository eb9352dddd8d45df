/* snapshot: everything that routing depends on, at one moment: topology, catalogs, addresses.
 *
 * Immutable; shared between threads by reference count. The control plane makes one and hands it to every worker through its mailbox; a
 * transaction keeps the one that it began under.
 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "net/address.h"
#include "catalog/catalog.h"
#include "topo/topology.h"

struct snapshot {
	unsigned refs;
	uint64_t version;               /* grows with every snapshot: what a plan was made for */
	struct topology *topology;
	struct catalog **catalogs;      /* one for each database of the topology, of its home shard; NULL while no node could be read */
	struct node_address *addresses; /* one for each node */
};

/* Takes over the references given; resolves the addresses (blocks). `catalogs` is copied, its references taken. */
struct snapshot *snapshot_new(uint64_t version, struct topology *topology, struct catalog *const *catalogs);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot);
