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
	unsigned worker;
	bool asked[PERMIT_COUNT][WAIT_COUNT];   /* the pool waits for this one, and says so */
};

void permits_init(struct permits *permits, struct quotas *quotas, unsigned worker, const char *node, const char *database, const char *user);
void permits_release(struct permits *permits);
void permits_limit(struct permits *permits, const struct policy *policy);

/* PERMIT_COUNT: all from `first` on were taken; else the one that is lacking, and none was. */
enum permit permits_take(struct permits *permits, enum permit first);
uint64_t permits_give(struct permits *permits, enum permit first);      /* the workers that wait for one of them, to be woken */
bool permits_ask(struct permits *permits, enum permit lacking, bool has_none);  /* false: it was asked for already */
void permits_ask_no_more(struct permits *permits);
/* Whether a pool with `have` backends should give up an idle one: for others that wait, or because a limit was lowered. LATER: when it has been idle
 * for a while, as what is needed again at once would only be opened and closed in turns. */
enum sparing { SPARE_NOTHING, SPARE_LATER, SPARE_NOW };
enum sparing permits_spare(const struct permits *permits, size_t have, bool has_waiting);
/* The setting that is lacking, or would be first, and its value: for messages. */
const char *permits_setting(const struct permits *permits, unsigned *ret_limit);
const char *permits_setting_of(const struct permits *permits, enum permit lacking, unsigned *ret_limit);
