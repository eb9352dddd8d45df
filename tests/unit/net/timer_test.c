#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdbool.h>

#include "net/timer.h"

enum { TIMERS = 300, STEPS = 50000 };

static uint64_t seed = 1;

static uint32_t roll(uint32_t sides)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % sides;
}

struct item {
	struct timer timer;
	bool armed;
	uint64_t deadline_us;
};

static struct timers timers;
static struct item items[TIMERS];
static uint64_t last_fired_us;
static size_t fired_count;

static void note(struct timer *timer)
{
	struct item *item = (struct item *)timer;

	assert_true(item->armed);
	assert_true(item->deadline_us >= last_fired_us);
	last_fired_us = item->deadline_us;
	item->armed = false;
	fired_count++;
}

static uint64_t earliest(size_t *ret_due, uint64_t now_us)
{
	uint64_t least = UINT64_MAX;

	*ret_due = 0;
	for (int i = 0; i < TIMERS; i++) {
		if (!items[i].armed)
			continue;
		least = items[i].deadline_us < least ? items[i].deadline_us : least;
		*ret_due += items[i].deadline_us <= now_us;
	}
	return least;
}

static void they_fire_in_order_however_they_were_moved(void **state)
{
	uint64_t now_us = 0;
	size_t due;

	for (int i = 0; i < TIMERS; i++)
		items[i].timer.fire = note;
	for (int step = 0; step < STEPS; step++) {
		struct item *item = &items[roll(TIMERS)];

		if (roll(3)) {
			item->armed = true;
			item->deadline_us = now_us + roll(roll(2) ? 10 : 10000);
			timer_arm(&timers, &item->timer, item->deadline_us);
		} else {
			item->armed = false;
			timer_stop(&timers, &item->timer);
		}
		if (step % 16)
			continue;
		now_us += roll(50);
		assert_int_equal(timers_next_us(&timers), earliest(&due, now_us));
		fired_count = 0;
		last_fired_us = 0;
		timers_fire(&timers, now_us);
		assert_int_equal(fired_count, due);
	}
	timers_release(&timers);
	assert_int_equal(timers_next_us(&timers), UINT64_MAX);
}

static int again_count;

static void arm_again(struct timer *timer)
{
	again_count++;
	timer_arm(&timers, timer, 5);
}

static void one_that_is_due_again_at_once_does_not_hold_the_loop(void **state)
{
	struct timer timer = { .fire = arm_again };

	timer_arm(&timers, &timer, 1);
	timers_fire(&timers, 10);
	assert_int_equal(again_count, 1);
	timers_fire(&timers, 10);
	assert_int_equal(again_count, 2);
	timer_stop(&timers, &timer);
	timer_stop(&timers, &timer);
	timers_release(&timers);
}

static struct timer victim;

static void stop_victim(struct timer *timer)
{
	timer_stop(&timers, &victim);
}

static void never(struct timer *timer)
{
	fail_msg("a stopped timer fired");
}

static void one_stopped_by_another_in_the_same_turn_does_not_fire(void **state)
{
	struct timer first = { .fire = stop_victim };

	victim.fire = never;
	timer_arm(&timers, &victim, 2);
	timer_arm(&timers, &first, 1);
	timers_fire(&timers, 10);
	timers_release(&timers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_fire_in_order_however_they_were_moved),
		cmocka_unit_test(one_that_is_due_again_at_once_does_not_hold_the_loop),
		cmocka_unit_test(one_stopped_by_another_in_the_same_turn_does_not_fire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
