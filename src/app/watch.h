/* watch: the thread that keeps this router's place in a store that several routers share, and hears when it has changed.
 *
 * Renews the lease, and calls changed() after each change; when the store goes away and when it comes back is logged once. Runs from watch_start() to
 * watch_stop().
 */
#pragma once

#include <stdbool.h>

struct routers;
struct store;
struct watch;

/* NULL: there is no thread to be had. changed() is called from the watch's thread, first when it begins. `lease_ms`: the life of what is renewed. */
struct watch *watch_start(struct store *store, struct routers *routers, unsigned lease_ms, void (*changed)(void *argument), void *argument);
void watch_stop(struct watch *watch);                   /* NULL is allowed. The store's waits end at once from now on */
bool watch_is_away(const struct watch *watch);          /* from any thread: the store does not answer. NULL: no */
