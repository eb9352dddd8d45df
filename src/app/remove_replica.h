/* remove_replica: `nanu remove-replica`: takes away a replica that was added while the router ran: nanu.remove_node(), and its server. Used by the
 * main thread. */
#pragma once

extern const char remove_replica_usage[];
int remove_replica_main(int argc, char **argv);
