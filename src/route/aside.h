/* aside: what was found broken, and how carefully it is tried again.
 *
 * Each failure in a row doubles the pause in which nobody asks it; what was asked for before a pause and fails within it is the same failure. After the
 * pause one asks first, and others only when that one has been answered, or is not within ASIDE_TRIAL_US. Words are atomic: any thread may call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { ASIDE_FIRST_US = 250000, ASIDE_US_MAX = 30000000, ASIDE_TRIAL_US = 5000000 };

struct aside {
	uint64_t until_us;              /* nobody asks before; 0: nothing has failed since it worked last */
	uint64_t failed_us;             /* when it failed last; 0: never */
	uint64_t failures;              /* in a row */
	uint64_t trial_us;              /* until when others wait for who tries */
};

/* Whether it may be asked for at `now_us`: by anybody, or by who tries. */
static inline bool aside_open(const struct aside *aside, uint64_t now_us)
{
	uint64_t until_us = __atomic_load_n(&aside->until_us, __ATOMIC_RELAXED);

	return !until_us || (now_us >= until_us && now_us >= __atomic_load_n(&aside->trial_us, __ATOMIC_RELAXED));
}

/* Before it is asked, as it is open: false when somebody else tries meanwhile; *ret_trial: who asks is to say whether it worked. */
must_use bool aside_ask(struct aside *aside, uint64_t now_us, bool *ret_trial);
/* What was asked for at `asked_us` has failed. True: it was put aside for that. */
bool aside_failed(struct aside *aside, uint64_t asked_us, uint64_t now_us);
void aside_worked(struct aside *aside);         /* as who tried knows */
