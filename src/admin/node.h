/* node: the functions of the nanu schema that put replicas into the topology and take them out while the router runs.
 *
 * What they add is kept in the store beside what the configuration names, and only that can be taken out again here. Who calls them is an
 * administrator already.
 */
#pragma once

struct admin;
struct call;
struct job;

/* nanu.add_node(name => 'n1c', shard => 's1', host => '10.0.0.3', port => 5432, region => 'eu', zone => 'eu-a', weight => 1): a standby that
 * streams from the shard, or from one of its replicas. 42710: another node has this name or this address; ERR_CONNECT: it, or the shard's primary, does not answer;
 * ERR_WRONG_STATE: it is no standby, or one of another system, or commits of a shard that is sync would begin to wait, as it does not stream under its
 * name. A node that is there already, as it is described, is left as it is. */
int admin_add_node(struct admin *admin, struct job *job, const struct call *call);

/* nanu.remove_node('n1c'), and its replication slot on the primary. Its server is left alone. ERR_WRONG_STATE: the configuration names it; too few would
 * be left for commits to go on; or it is out of the topology, and its slot could not be dropped, which is said. */
int admin_remove_node(struct admin *admin, struct job *job, const struct call *call);
