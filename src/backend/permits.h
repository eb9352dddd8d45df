/* permits: what a pool needs before it opens a backend: one permit of each of its three quotas.
 *
 * Embedded in the pool; one worker's. The quotas themselves are shared by all workers (quota.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/quota.h"

struct policy;

enum permit { PERMIT_POOL, PERMIT_DATABASE, PERMIT_USER, PERMIT_COUNT };        /* pool_size, max_db_connections, max_user_connections */

struct permits {
	struct quota *quotas[PERMIT_COUNT];
	struct quota_wait wait;
	enum permit lacking;            /* in whose queue it stands; PERMIT_COUNT: in none */
};

void permits_init(struct permits *permits, struct quotas *quotas, unsigned worker, const char *node, const char *database, const char *user);
void permits_limit(struct permits *permits, const struct policy *policy);

/* The workers in each of these masks are to be woken: it may be their turn. */

/* PERMIT_COUNT: all were taken. Else the one that is lacking, and none was. */
enum permit permits_take(struct permits *permits, uint64_t *ret_waiting);
/* The same without the pool's own, for a backend of its own, behind all that wait. */
enum permit permits_take_apart(struct permits *permits, uint64_t *ret_waiting);
uint64_t permits_give(struct permits *permits, enum permit first);      /* those from `first` on */
/* Queues for what is lacking. True: others should hear of it, as they may have one to spare. */
bool permits_ask(struct permits *permits, enum permit lacking, size_t have, uint64_t *ret_waiting);
uint64_t permits_ask_no_more(struct permits *permits);

/* Whether a pool with `have` backends should give one up that it has back: for others that wait, or because a limit was lowered. Who has none takes
 * it from who has had it for a turn, or has none waiting; else from who has at least two more. SOON, LATER: when it has been idle for a moment, or
 * for a while, as what is needed again at once would only be opened and closed in turns. */
enum sparing { SPARE_NOTHING, SPARE_LATER, SPARE_SOON, SPARE_NOW };
enum sparing permits_spare(const struct permits *permits, size_t have, bool has_waiting, bool had_turn);
/* The setting that is lacking, or would be first, and its value: for messages. */
const char *permits_setting(const struct permits *permits, unsigned *ret_limit);
const char *permits_setting_of(const struct permits *permits, enum permit lacking, unsigned *ret_limit);
