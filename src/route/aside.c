#include "route/aside.h"

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static bool change(uint64_t *word, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool aside_ask(struct aside *aside, uint64_t now_us, bool *ret_trial)
{
	uint64_t trial_us = get(&aside->trial_us);

	*ret_trial = get(&aside->until_us) != 0;
	return !*ret_trial || (now_us >= trial_us && change(&aside->trial_us, trial_us, now_us + ASIDE_TRIAL_US));
}

static uint64_t pause_us(uint64_t failures)
{
	uint64_t us = ASIDE_FIRST_US;

	while (failures-- && us < ASIDE_US_MAX)
		us *= 2;
	return us < ASIDE_US_MAX ? us : ASIDE_US_MAX;
}

bool aside_failed(struct aside *aside, uint64_t asked_us, uint64_t now_us)
{
	uint64_t until_us = get(&aside->until_us), failures = get(&aside->failures);

	if ((until_us && asked_us < until_us) || !change(&aside->until_us, until_us, now_us + pause_us(failures)))
		return false;
	set(&aside->failures, failures + 1);
	set(&aside->failed_us, now_us);
	set(&aside->trial_us, 0);
	return true;
}

void aside_worked(struct aside *aside)
{
	set(&aside->failures, 0);
	set(&aside->trial_us, 0);
	set(&aside->until_us, 0);
}
