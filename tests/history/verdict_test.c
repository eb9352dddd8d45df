#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "verdict.h"

enum { PLACES = 4, REGISTERS = 2, COUNTERS = 2, COUNTER = REGISTERS, STALE_NS = 100, PRIMARY = 5001, REPLICA = 5002 };

static struct history made(void)
{
	struct history history;

	history_init(&history, REGISTERS, COUNTERS, PLACES, STALE_NS);
	return history;
}

static void add(struct history *history, uint32_t session, enum event_kind kind, uint16_t key, uint32_t value, uint64_t begun_ns, uint64_t ended_ns)
{
	history_add(history, &(struct event){ .begun_ns = begun_ns, .ended_ns = ended_ns, .session = session, .value = value, .key = key,
		.port = kind == EVENT_READ ? REPLICA : PRIMARY, .kind = (uint8_t)kind, .first = true });
}

/* Of the whole history, which ends with this. */
static struct verdict judged(struct history *history)
{
	const uint16_t primaries[] = { PRIMARY };
	struct verdict verdict;

	verdict_find(history, primaries, 1, &verdict);
	history_release(history);
	return verdict;
}

static void expect(struct history *history, enum level level, uint64_t violations, const char *words)
{
	struct verdict verdict = judged(history);

	for (int i = 0; i < LEVEL_COUNT; i++)
		assert_int_equal(verdict.levels[i].violations, i == (int)level ? violations : 0);
	if (words)
		assert_non_null(strstr(verdict.levels[level].shown[0], words));
}

static void what_is_allowed_is_no_violation(void **state)
{
	for (int level = 0; level < LEVEL_COUNT; level++) {
		struct history history = made();
		uint32_t writer = history_session(&history, LEVEL_EVENTUAL, 0, 0), reader = history_session(&history, (enum level)level, 1, 0);

		add(&history, reader, EVENT_READ, 0, 0, 1, 2);
		add(&history, writer, EVENT_WRITE, 0, 1, 10, 20);
		add(&history, reader, EVENT_READ, 0, 1, 12, 21);        /* both at once, either is right */
		add(&history, reader, EVENT_WRITE, 1, 1, 30, 40);
		add(&history, reader, EVENT_READ, 1, 1, 41, 50);
		add(&history, writer, EVENT_ADD, COUNTER, 1, 60, 70);
		add(&history, reader, EVENT_READ, COUNTER, 1, 71, 80);
		expect(&history, LEVEL_EVENTUAL, 0, NULL);
	}
}

static void it_counts_statements_and_who_told(void **state)
{
	struct history history = made();
	uint32_t session = history_session(&history, LEVEL_STRONG, 0, 0);
	struct verdict verdict;

	add(&history, session, EVENT_WRITE, 0, 1, 10, 20);
	add(&history, session, EVENT_READ, 0, 1, 30, 40);
	add(&history, session, EVENT_ADD, COUNTER, 1, 50, 60);
	history_add(&history, &(struct event){ .begun_ns = 30, .ended_ns = 70, .session = session, .key = 1, .kind = EVENT_READ, .port = PRIMARY });
	verdict = judged(&history);
	assert_int_equal(verdict.levels[LEVEL_STRONG].statements, 3);
	assert_int_equal(verdict.levels[LEVEL_STRONG].reads, 2);
	assert_int_equal(verdict.levels[LEVEL_STRONG].replica_reads, 1);
	assert_int_equal(verdict.levels[LEVEL_STRONG].writes, 2);
	assert_int_equal(verdict.levels[LEVEL_STRONG].violations, 0);
}

static void eventual_may_not_read_what_nobody_writes(void **state)
{
	for (int level = 0; level < LEVEL_COUNT; level++) {
		struct history history = made();
		uint32_t writer = history_session(&history, LEVEL_EVENTUAL, 0, 0), reader = history_session(&history, (enum level)level, 1, 0);

		add(&history, writer, EVENT_WRITE, 0, 1, 10, 20);
		add(&history, reader, EVENT_READ, 0, 2, 30, 40);        /* it will be, but only later */
		add(&history, writer, EVENT_WRITE, 0, 2, 50, 60);
		expect(&history, (enum level)level, 1, "nobody was writing it: register 0 of whole");
	}
}

static void a_counter_cannot_be_ahead_of_those_who_add(void **state)
{
	struct history history = made();
	uint32_t one = history_session(&history, LEVEL_EVENTUAL, 0, 0), other = history_session(&history, LEVEL_EVENTUAL, 1, 0);

	add(&history, one, EVENT_ADD, COUNTER, 1, 10, 20);
	add(&history, other, EVENT_READ, COUNTER, 2, 15, 30);   /* one has begun by then, and another is under way that will never be answered */
	add(&history, other, EVENT_READ, COUNTER, 3, 25, 40);
	add(&history, one, EVENT_ADD, COUNTER, 0, 25, NEVER_NS);
	expect(&history, LEVEL_EVENTUAL, 1, "read 3");
}

static void two_cannot_count_to_the_same(void **state)
{
	struct history history = made();
	uint32_t one = history_session(&history, LEVEL_EVENTUAL, 0, 0), other = history_session(&history, LEVEL_EVENTUAL, 1, 0);

	add(&history, one, EVENT_ADD, COUNTER, 1, 10, 20);
	add(&history, other, EVENT_ADD, COUNTER, 1, 10, 30);
	expect(&history, LEVEL_EVENTUAL, 1, "written twice");
}

static void bounded_reads_nothing_older_than_allowed(void **state)
{
	struct history history = made();
	uint32_t writer = history_session(&history, LEVEL_EVENTUAL, 0, 0), reader = history_session(&history, LEVEL_BOUNDED, 1, 0);

	add(&history, writer, EVENT_WRITE, 0, 1, 1000, 1010);
	add(&history, reader, EVENT_READ, 0, 0, 1010 + STALE_NS, 1200);
	add(&history, reader, EVENT_READ, 0, 0, 1011 + STALE_NS, 1200);
	expect(&history, LEVEL_BOUNDED, 1, "older than max_staleness");
}

static void a_session_that_was_told_more(enum level level, enum event_kind how)
{
	struct history history = made();
	uint32_t writer = history_session(&history, LEVEL_EVENTUAL, 0, 0), reader = history_session(&history, level, 1, 0);
	uint16_t key = how == EVENT_ADD ? COUNTER : 0;

	if (how == EVENT_READ)
		add(&history, writer, EVENT_WRITE, key, 1, 10, NEVER_NS);       /* so that none but the reader knows */
	add(&history, reader, how, key, 1, 20, 30);
	add(&history, history_session(&history, level, 2, 0), EVENT_READ, key, level == LEVEL_STRONG, 31, 40);    /* another session was not */
	add(&history, reader, EVENT_READ, key, 0, 20, 50);       /* it asked before it knew, but behind what told it */
	expect(&history, level, 1, "went back");
}

static void sessions_do_not_go_back(void **state)
{
	static const enum level levels[] = { LEVEL_MONOTONIC, LEVEL_READ_YOUR_WRITES, LEVEL_CAUSAL, LEVEL_STRONG };

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		a_session_that_was_told_more(levels[i], EVENT_READ);
		a_session_that_was_told_more(levels[i], EVENT_ADD);
	}
}

static void sessions_read_what_they_wrote(void **state)
{
	static const enum level levels[] = { LEVEL_READ_YOUR_WRITES, LEVEL_CAUSAL, LEVEL_STRONG };

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		a_session_that_was_told_more(levels[i], EVENT_WRITE);
}

static void monotonic_need_not_read_what_it_wrote(void **state)
{
	struct history history = made();
	uint32_t session = history_session(&history, LEVEL_MONOTONIC, 0, 0);

	add(&history, session, EVENT_WRITE, 0, 1, 10, 20);
	add(&history, session, EVENT_READ, 0, 0, 30, 40);
	expect(&history, LEVEL_MONOTONIC, 0, NULL);
}

static void the_next_session_of_a_place_knows_nothing(void **state)
{
	struct history history = made();
	uint32_t before = history_session(&history, LEVEL_READ_YOUR_WRITES, 0, 0), after = history_session(&history, LEVEL_READ_YOUR_WRITES, 0, 0);

	add(&history, before, EVENT_WRITE, 0, 1, 10, 20);
	add(&history, after, EVENT_READ, 0, 0, 30, 40);
	expect(&history, LEVEL_READ_YOUR_WRITES, 0, NULL);
}

static void strong_reads_what_anybody_had_acknowledged(void **state)
{
	struct history history = made();
	uint32_t writer = history_session(&history, LEVEL_EVENTUAL, 0, 0), reader = history_session(&history, LEVEL_STRONG, 1, 0);

	add(&history, writer, EVENT_WRITE, 0, 1, 10, 20);
	add(&history, reader, EVENT_READ, 0, 0, 20, 30);        /* not before */
	add(&history, reader, EVENT_READ, 0, 0, 21, 40);
	expect(&history, LEVEL_STRONG, 1, "wrote 1");
}

static void strong_reads_what_a_strong_one_was_told(void **state)
{
	struct history history = made();
	uint32_t writer = history_session(&history, LEVEL_EVENTUAL, 0, 0), other = history_session(&history, LEVEL_EVENTUAL, 1, 0);
	uint32_t one = history_session(&history, LEVEL_STRONG, 2, 0), reader = history_session(&history, LEVEL_STRONG, 3, 0);

	add(&history, writer, EVENT_WRITE, 0, 2, 10, NEVER_NS);
	add(&history, writer, EVENT_WRITE, 0, 1, 5, NEVER_NS);
	add(&history, other, EVENT_READ, 0, 2, 11, 12);         /* of a replica, perhaps: binds nobody */
	add(&history, one, EVENT_READ, 0, 1, 13, 20);
	add(&history, reader, EVENT_READ, 0, 0, 21, 40);
	expect(&history, LEVEL_STRONG, 1, "read 1");
}

/* One wrote what another was told, who then wrote; a third one was told of that only: all must have been before it. */
static void causal_reads_what_led_to_what_it_was_told(void **state)
{
	struct history history = made();
	uint32_t one = history_session(&history, LEVEL_EVENTUAL, 0, 0), other = history_session(&history, LEVEL_EVENTUAL, 1, 0);
	uint32_t causal = history_session(&history, LEVEL_CAUSAL, 2, 0), session = history_session(&history, LEVEL_READ_YOUR_WRITES, 3, 0);

	add(&history, one, EVENT_WRITE, 0, 1, 10, 20);
	add(&history, other, EVENT_READ, 0, 1, 21, 30);
	add(&history, causal, EVENT_READ, 0, 0, 31, 35);        /* it knows of nothing yet */
	add(&history, causal, EVENT_READ, COUNTER, 1, 40, 45);  /* before who made it was told that he has */
	add(&history, session, EVENT_READ, COUNTER, 1, 40, 46);
	add(&history, other, EVENT_ADD, COUNTER, 1, 40, 50);
	add(&history, session, EVENT_READ, 0, 0, 60, 70);
	add(&history, causal, EVENT_READ, 0, 0, 60, 70);
	expect(&history, LEVEL_CAUSAL, 1, "lost what others knew");
}

static void one_statement_is_no_snapshot_of_several_shards(void **state)
{
	struct history history = made();
	uint32_t writer = history_session(&history, LEVEL_EVENTUAL, 0, 0), reader = history_session(&history, LEVEL_CAUSAL, 1, 0);

	add(&history, writer, EVENT_WRITE, 0, 1, 10, 20);
	add(&history, writer, EVENT_WRITE, 1, 1, 21, 30);
	add(&history, reader, EVENT_READ, 1, 1, 15, 40);
	history_add(&history, &(struct event){ .begun_ns = 15, .ended_ns = 40, .session = reader, .kind = EVENT_READ, .port = REPLICA });
	expect(&history, LEVEL_CAUSAL, 0, NULL);
}

static void a_token_shows_what_who_took_it_knew(void **state)
{
	static const enum level levels[] = { LEVEL_MONOTONIC, LEVEL_READ_YOUR_WRITES, LEVEL_CAUSAL, LEVEL_STRONG };

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct history history = made();
		uint32_t writer = history_session(&history, LEVEL_EVENTUAL, 0, 0), reader = history_session(&history, levels[i], 1, 0);

		add(&history, writer, EVENT_WRITE, 0, 1, 20, NEVER_NS); /* so that none but the token binds strong ones */
		add(&history, writer, EVENT_READ, 0, 1, 25, 30);
		add(&history, writer, EVENT_TAKE, 0, 0, 31, 40);
		add(&history, reader, EVENT_READ, 0, 0, 31, 50);
		add(&history, reader, EVENT_GIVE, 0, 0, 51, 60);
		add(&history, reader, EVENT_READ, 0, 0, 61, 70);
		expect(&history, levels[i], 1, "older than its token");
	}
}

static void who_has_a_user_reads_his_writes_everywhere(void **state)
{
	struct history history = made();
	uint32_t writer = history_session(&history, LEVEL_EVENTUAL, 0, 1), same = history_session(&history, LEVEL_READ_YOUR_WRITES, 1, 1);
	uint32_t other = history_session(&history, LEVEL_READ_YOUR_WRITES, 2, 2);

	add(&history, writer, EVENT_WRITE, 0, 1, 10, 20);
	add(&history, same, EVENT_READ, 0, 0, 20, 30);          /* not before */
	add(&history, other, EVENT_READ, 0, 0, 21, 40);
	add(&history, same, EVENT_READ, 0, 0, 21, 50);
	expect(&history, LEVEL_READ_YOUR_WRITES, 1, "lost its user's write");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_allowed_is_no_violation),
		cmocka_unit_test(it_counts_statements_and_who_told),
		cmocka_unit_test(eventual_may_not_read_what_nobody_writes),
		cmocka_unit_test(a_counter_cannot_be_ahead_of_those_who_add),
		cmocka_unit_test(two_cannot_count_to_the_same),
		cmocka_unit_test(bounded_reads_nothing_older_than_allowed),
		cmocka_unit_test(sessions_do_not_go_back),
		cmocka_unit_test(sessions_read_what_they_wrote),
		cmocka_unit_test(monotonic_need_not_read_what_it_wrote),
		cmocka_unit_test(the_next_session_of_a_place_knows_nothing),
		cmocka_unit_test(causal_reads_what_led_to_what_it_was_told),
		cmocka_unit_test(one_statement_is_no_snapshot_of_several_shards),
		cmocka_unit_test(a_token_shows_what_who_took_it_knew),
		cmocka_unit_test(who_has_a_user_reads_his_writes_everywhere),
		cmocka_unit_test(strong_reads_what_anybody_had_acknowledged),
		cmocka_unit_test(strong_reads_what_a_strong_one_was_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
