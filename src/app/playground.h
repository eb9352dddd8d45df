/* playground: `nanu playground`, a cluster to play with.
 *
 * Brings up what a folder (folder.h) has: servers (cluster.h), the router in front (router.h), a sharded shop (shop.h). In the foreground it
 * stays, and a signal stops everything, the router first; with --detach it leaves everything running.
 */
#pragma once

int playground_main(int argc, char **argv);
extern const char playground_usage[];
