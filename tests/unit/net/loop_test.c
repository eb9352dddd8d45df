#include "world.h"

#include <pthread.h>

#include "base/mem.h"

/* ---- letters ---- */

enum { SENDERS = 4, LETTERS = 20000 };

struct numbered {
	struct letter letter;
	int sender, number;
};

static int next_number[SENDERS];
static size_t delivered;

static void deliver(struct letter *letter, void *worker)
{
	struct numbered *numbered = CONTAINER_OF(letter, struct numbered, letter);

	assert_int_equal(numbered->number, next_number[numbered->sender]++);
	delivered++;
	mem_free(numbered);
}

static void *send_letters(void *argument)
{
	int sender = *(int *)argument;

	for (int i = 0; i < LETTERS; i++) {
		struct numbered *numbered = mem_calloc(1, sizeof(*numbered));

		*numbered = (struct numbered){ .letter.deliver = deliver, .sender = sender, .number = i };
		loop_post(loop, &numbered->letter);
		if (i % 1000 == 0)
			sched_yield();
	}
	return NULL;
}

static bool all_delivered(void)
{
	return delivered == (size_t)SENDERS * LETTERS;
}

static void letters_of_each_sender_arrive_in_order_and_none_is_lost(void **state)
{
	pthread_t threads[SENDERS];
	int numbers[SENDERS];

	need_loop();
	delivered = 0;
	memset(next_number, 0, sizeof(next_number));
	for (int i = 0; i < SENDERS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &numbers[i]), 0);
	}
	run_until(all_delivered);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
}

/* One letter at a time, each answered: a wake-up that got lost would leave both waiting. */
static bool answered;

static void answer(struct letter *letter, void *worker)
{
	__atomic_store_n(&answered, true, __ATOMIC_SEQ_CST);
	delivered++;
}

static void *ping(void *argument)
{
	struct letter *letter = argument;

	letter->deliver = answer;
	for (int i = 0; i < 5000; i++) {
		__atomic_store_n(&answered, false, __ATOMIC_SEQ_CST);
		loop_post(loop, letter);
		while (!__atomic_load_n(&answered, __ATOMIC_SEQ_CST))
			sched_yield();
	}
	return NULL;
}

static bool all_answered(void)
{
	return delivered == 5000;
}

static void a_waiting_loop_wakes_for_each_letter(void **state)
{
	struct letter letter = { 0 };
	pthread_t thread;

	need_loop();
	delivered = 0;
	assert_int_equal(pthread_create(&thread, NULL, ping, &letter), 0);
	run_until(all_answered);
	pthread_join(thread, NULL);
}

/* ---- later ---- */

static char said[64];

static void say(const char *what)
{
	strncat(said, what, sizeof(said) - strlen(said) - 1);
}

static struct later first, second, forgotten;

static void say_second(struct later *later)
{
	say("2");
}

static void say_first(struct later *later)
{
	say("1");
	loop_later(loop, &second);
	loop_forget(loop, &forgotten);
}

static void say_forgotten(struct later *later)
{
	say("forgotten");
}

static void fire_and_ask(struct timer *timer)
{
	say("t");
	loop_later(loop, &first);
	loop_later(loop, &first);
	loop_later(loop, &forgotten);
	say("T");
}

static void later_runs_once_in_the_same_turn_and_may_ask_for_more(void **state)
{
	struct timer timer = { .fire = fire_and_ask };

	need_loop();
	said[0] = '\0';
	first = (struct later){ .run = say_first };
	second = (struct later){ .run = say_second };
	forgotten = (struct later){ .run = say_forgotten };
	loop_arm(loop, &timer, 0);
	turns_left = 2;
	run();
	assert_string_equal(said, "tT12");
	loop_forget(loop, &first);
}

/* ---- timers ---- */

struct due {
	struct timer timer;
	uint64_t deadline_us;
};

static uint64_t last_us;
static size_t fired;

static void note(struct timer *timer)
{
	struct due *due = CONTAINER_OF(timer, struct due, timer);

	assert_true(due->deadline_us >= last_us);
	assert_true(loop_now_us(loop) >= due->deadline_us);
	last_us = due->deadline_us;
	fired++;
}

static bool all_fired(void)
{
	return fired == 100;
}

static void timers_fire_in_order_and_not_before_their_time(void **state)
{
	struct due dues[100] = { 0 };

	need_loop();
	last_us = fired = 0;
	for (int i = 0; i < 100; i++) {
		uint64_t delay_us = roll(30000);

		dues[i].timer.fire = note;
		dues[i].deadline_us = loop_now_us(loop) + delay_us;
		loop_arm(loop, &dues[i].timer, delay_us);
	}
	run_until(all_fired);
}

static void a_wanted_engine_is_the_one_that_runs(void **state)
{
	struct loop *other;

	need_loop();
	assert_true(strcmp(loop_engine_name(loop), "epoll") == 0 || strcmp(loop_engine_name(loop), "io_uring") == 0);
	assert_ptr_equal(loop_env(loop), &world);
	assert_int_equal(loop_new(LOOP_AUTO, env_system(), NULL, &other, NULL), 0);
	loop_stop(other);
	loop_run(other);
	loop_free(other);
	loop_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(letters_of_each_sender_arrive_in_order_and_none_is_lost),
		ON_BOTH(a_waiting_loop_wakes_for_each_letter),
		ON_BOTH(later_runs_once_in_the_same_turn_and_may_ask_for_more),
		ON_BOTH(timers_fire_in_order_and_not_before_their_time),
		ON_BOTH(a_wanted_engine_is_the_one_that_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
