/* routers: the routers that serve by one store's topology, and what each of them has confirmed.
 *
 * Every process has two entries there:
 *
 *     members/NAME/INSTANCE    from before it reads the topology until its last session has ended: whoever stands here may serve statements
 *     routers/NAME/INSTANCE    under a lease: its address, and the epoch that all of its workers have
 *
 * A member without the second one is not heard from: cut off from the store, or killed. It must not be taken for dead, as it goes on serving by what
 * it knows; so changes are refused until it comes back, starts anew, or an operator says that it is gone (nanu.forget_router).
 * NAME is router_name; INSTANCE tells the processes of a take-over apart, and one that was killed from the one that comes after it.
 * Used by the control plane's threads; what routers_seen() gives is kept here, and costs no call of the store.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct config;
struct router_row;
struct routers;
struct store;

enum { ROUTER_WHO_SIZE = 256 };         /* a router in words: name, address, pid */

/* Enters among the members. `place`: what is the same for the processes of this router on this machine alone; `alone`: there is no other of them, so
 * that entries of this place are of the dead. ERR_CONFLICT: another router has the name. ERR_IO, … of the store. */
must_use int routers_join(struct store *store, const struct config *config, const char *place, bool alone, struct routers **ret_routers,
			  struct err *err);
/* Takes it out again, when it serves nobody any more; what cannot be taken out is logged. */
void routers_leave(struct routers *routers);

const char *routers_me(const struct routers *routers);          /* NAME/INSTANCE */

/* Tells the others: all workers of this process have this epoch of the topology, and schemas as they were defined when the store's counter stood at
 * `schemas`. `disputed`: it is not the store's, which went back; it confirms no change then. */
must_use int routers_confirm(struct routers *routers, uint64_t epoch, uint64_t schemas, bool disputed, struct err *err);
/* Renews the lease; when it has ended, or the entry has gone, enters again. */
must_use int routers_keep(struct routers *routers, struct err *err);

/* Whether the other members have confirmed as much. 1: yes. 0: `ret_who` has not yet. ERR_WRONG_STATE: `ret_who` is not heard from; `err` says so. */
must_use int routers_agree(struct routers *routers, uint64_t epoch, uint64_t schemas, char ret_who[ROUTER_WHO_SIZE], struct err *err);
/* The same of those alone who are heard from. */
must_use int routers_heard_agree(struct routers *routers, uint64_t epoch, uint64_t schemas, char ret_who[ROUTER_WHO_SIZE], struct err *err);

/* The greatest epoch that another one has confirmed, and who; 0: there is none. */
must_use int routers_greatest(struct routers *routers, uint64_t *ret_epoch, char ret_who[ROUTER_WHO_SIZE], struct err *err);
/* Whether a member is called that: NAME/INSTANCE. 1, 0. */
must_use int routers_has(struct routers *routers, const char *who, struct err *err);
/* The router of this name is gone for good. ERR_UNDEFINED_OBJECT; ERR_WRONG_STATE while it is heard from. */
must_use int routers_forget(struct routers *routers, const char *name, struct err *err);

/* Looks again who is there, for routers_seen(). */
must_use int routers_refresh(struct routers *routers, struct err *err);
/* A copy of what was seen last; mem_free() it. */
struct router_row *routers_seen(struct routers *routers, size_t *ret_count);
