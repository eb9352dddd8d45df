/* standby: what a server says of itself to who would make it a node, or take it away: whether it is a standby, of which system, and from which node it streams by
 * which slot. Blocks; for the control plane's threads.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct arena;
struct config;
struct node;
struct topology;

enum { SENDER_UNKNOWN = -1 };

struct standby {
	bool in_recovery;
	const char *system;             /* its system identifier */
	const char *slot;               /* that it streams with; "": none */
	const char *process;            /* what no other server has: when it was started, and its port */
	int sender;                     /* the node of its shard that it streams from; SENDER_UNKNOWN: it does not stream, or from none whose address is known so */
};

/* `node` need not be in the topology. Errors as of node_open() and node_ask(). */
must_use int standby_ask(const struct config *config, const struct topology *topology, const struct node *node, struct arena *arena,
			 struct standby *ret_standby, struct err *err);
