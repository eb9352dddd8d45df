#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "route/history.h"
#include "route/node_status.h"

enum { SECOND = 1000000, LSN = 1 << 20 };

struct pair { struct node_status *primary, *replica; };

static struct pair make(void)
{
	return (struct pair){ node_status_new(), node_status_new() };
}

static void end(struct pair pair)
{
	node_status_unref(pair.primary);
	node_status_unref(pair.replica);
}

static void primary_at(struct pair pair, uint64_t us, uint64_t lsn, uint32_t timeline)
{
	struct node_sample sample = { .role = SEEN_PRIMARY, .timeline = timeline, .flushed = lsn, .inserted = lsn, .begun_us = us };

	node_status_sampled(pair.primary, pair.primary, &sample);
}

static struct node_seen replica_at(struct pair pair, uint64_t us, uint64_t lsn, uint32_t timeline, uint64_t max_lag_us)
{
	struct node_sample sample = { .role = SEEN_REPLICA, .timeline = timeline, .flushed = lsn, .inserted = lsn, .begun_us = us,
		.max_lag_us = max_lag_us };

	node_status_sampled(pair.replica, pair.primary, &sample);
	return node_status_read(pair.replica);
}

static void a_replica_is_as_of_the_newest_sample_that_it_has_replayed(void **state)
{
	struct pair pair = make();

	assert_int_equal(replica_at(pair, SECOND, 5, 1, 0).as_of_us, 0);        /* nobody has asked the primary yet */
	primary_at(pair, 1 * SECOND, 100, 1);
	primary_at(pair, 2 * SECOND, 200, 1);
	primary_at(pair, 3 * SECOND, 300, 1);
	assert_int_equal(replica_at(pair, 4 * SECOND, 99, 1, 0).as_of_us, 0);
	assert_int_equal(replica_at(pair, 4 * SECOND, 100, 1, 0).as_of_us, 1 * SECOND);
	assert_int_equal(replica_at(pair, 4 * SECOND, 299, 1, 0).as_of_us, 2 * SECOND);
	assert_int_equal(replica_at(pair, 4 * SECOND, 299, 1, 0).lag_bytes, 1);
	assert_int_equal(replica_at(pair, 4 * SECOND, 300, 1, 0).as_of_us, 3 * SECOND);
	assert_int_equal(replica_at(pair, 4 * SECOND, 400, 1, 0).as_of_us, 3 * SECOND);
	assert_int_equal(replica_at(pair, 4 * SECOND, 400, 1, 0).lag_bytes, 0);
	end(pair);
}

static void one_that_hides_commits_is_as_of_no_time(void **state)
{
	struct pair pair = make();
	struct node_sample sample = { .role = SEEN_REPLICA, .timeline = 1, .flushed = 200, .inserted = 200, .begun_us = 3 * SECOND, .max_lag_us = 2 * SECOND,
		.hides = true };
	struct node_serving serving;
	struct node_seen seen;

	primary_at(pair, 1 * SECOND, 100, 1);
	primary_at(pair, 2 * SECOND, 300, 1);
	node_status_sampled(pair.replica, pair.primary, &sample);
	assert_true(node_status_serves(pair.replica, 3 * SECOND, &serving));    /* reads for which any time will do */
	assert_int_equal(serving.as_of_us, 0);
	seen = node_status_read(pair.replica);
	assert_int_equal(seen.lag_bytes, 100);
	assert_int_equal(node_seen_lag_us(&seen, 3 * SECOND), 3 * SECOND - (1 * SECOND + SECOND / 2));
	node_status_compare(pair.replica, pair.primary, 3 * SECOND);
	assert_int_equal(node_status_read(pair.replica).as_of_us, 0);
	sample.hides = false;
	node_status_sampled(pair.replica, pair.primary, &sample);
	assert_int_equal(node_status_read(pair.replica).as_of_us, 1 * SECOND);
	end(pair);
}

static void while_nothing_is_written_it_stays_up_to_date(void **state)
{
	struct pair pair = make();
	struct node_seen seen;

	for (int i = 1; i <= 100; i++)
		primary_at(pair, (uint64_t)i * SECOND, 100, 1);
	seen = replica_at(pair, 100 * SECOND, 100, 1, 0);
	assert_int_equal(seen.as_of_us, 100 * SECOND);
	assert_int_equal(node_seen_lag_us(&seen, 101 * SECOND), 0);
	end(pair);
}

static void another_history_tells_nothing(void **state)
{
	struct pair pair = make();

	primary_at(pair, 1 * SECOND, 100, 1);
	assert_int_equal(replica_at(pair, 2 * SECOND, 100, 2, 0).as_of_us, 0);
	primary_at(pair, 3 * SECOND, 90, 2);    /* promoted: what was remembered is of the old one */
	assert_int_equal(replica_at(pair, 4 * SECOND, 89, 2, 0).as_of_us, 0);
	assert_int_equal(replica_at(pair, 4 * SECOND, 90, 2, 0).as_of_us, 3 * SECOND);
	assert_int_equal(replica_at(pair, 4 * SECOND, 200, 1, 0).as_of_us, 0);
	end(pair);
}

/* Who was the primary until now may go on, and have been asked later than who is it now. */
static void what_is_as_of_one_primary_is_not_as_of_another(void **state)
{
	struct pair pair = make();
	struct node_status *next = node_status_new();
	struct node_sample sample = { .role = SEEN_REPLICA, .timeline = 1, .flushed = 100, .inserted = 100, .begun_us = 4 * SECOND };
	struct node_seen seen;

	primary_at(pair, 3 * SECOND, 100, 1);
	seen = replica_at(pair, 4 * SECOND, 100, 1, 0);
	assert_true(seen.follows == node_status_id(pair.primary) && node_seen_fit(&seen, 4 * SECOND));
	node_status_sampled(next, next, &(struct node_sample){ .role = SEEN_PRIMARY, .timeline = 2, .flushed = 100, .inserted = 100, .begun_us = SECOND });
	node_status_sampled(pair.replica, next, &sample);
	seen = node_status_read(pair.replica);
	assert_true(seen.follows == 0 && seen.as_of_us == 0 && !node_seen_fit(&seen, 4 * SECOND));
	sample.timeline = 2;
	node_status_sampled(pair.replica, next, &sample);
	seen = node_status_read(pair.replica);
	assert_true(seen.follows == node_status_id(next) && seen.as_of_us == SECOND && node_seen_fit(&seen, 4 * SECOND));
	sample.system = 7;
	node_status_sampled(pair.replica, next, &sample);
	assert_int_equal(node_status_read(pair.replica).follows, 0);
	node_status_unref(next);
	end(pair);
}

/* Six hours of samples, of which few are kept: the time that is told is never later than the true one, and never much earlier. */
static void what_is_forgotten_makes_no_time_too_late(void **state)
{
	enum { SAMPLES = 20 * 60 * 60 * 6, STEP_US = SECOND / 20 };
	const uint64_t now_us = SAMPLES * (uint64_t)STEP_US;
	struct pair pair = make();

	for (uint64_t i = 1; i <= SAMPLES; i++)
		primary_at(pair, i * STEP_US, i * LSN, 1);
	for (uint64_t behind = 0; behind < SAMPLES; behind = behind * 2 + 1) {
		uint64_t truth = (SAMPLES - behind) * STEP_US;
		struct node_seen seen = replica_at(pair, now_us, (SAMPLES - behind) * LSN, 1, 0);

		assert_true(seen.as_of_us && seen.as_of_us <= truth);
		if (behind < 511)
			assert_int_equal(seen.as_of_us, truth);
		else
			assert_true(truth - seen.as_of_us <= behind * (uint64_t)STEP_US / 20);
		if (behind >= 511)      /* as much was written in each moment: in between it is known how much */
			assert_in_range(node_seen_lag_us(&seen, now_us) + behind * STEP_US / 30, behind * STEP_US, behind * (STEP_US + 2 * STEP_US / 30));
	}
	end(pair);
}

static void what_is_lacked_was_written_between_two_samples(void **state)
{
	struct pair pair = make();
	struct node_seen seen;

	primary_at(pair, 1 * SECOND, 100, 1);
	primary_at(pair, 2 * SECOND, 100, 1);
	primary_at(pair, 3 * SECOND, 200, 1);
	primary_at(pair, 9 * SECOND, 200, 1);           /* it has rested since */
	seen = replica_at(pair, 10 * SECOND, 200, 1, 0);
	assert_int_equal(node_seen_lag_us(&seen, 20 * SECOND), 0);
	seen = replica_at(pair, 10 * SECOND, 150, 1, 0);
	assert_int_equal(seen.as_of_us, 2 * SECOND);
	assert_int_equal(node_seen_lag_us(&seen, 10 * SECOND), 10 * SECOND - 2 * SECOND - SECOND / 2);
	seen = replica_at(pair, 10 * SECOND, 175, 1, 0);
	assert_int_equal(node_seen_lag_us(&seen, 10 * SECOND), 10 * SECOND - 2 * SECOND - SECOND * 3 / 4);
	seen = replica_at(pair, 10 * SECOND, 100, 1, 0);        /* all of the gap: in the middle of it */
	assert_int_equal(node_seen_lag_us(&seen, 10 * SECOND), 10 * SECOND - 2 * SECOND - SECOND / 2);
	end(pair);
}

static void the_lag_grows_only_while_it_stands(void **state)
{
	struct pair pair = make();
	struct node_seen seen;

	primary_at(pair, 1 * SECOND, 100, 1);
	primary_at(pair, 2 * SECOND, 200, 1);
	seen = replica_at(pair, 2 * SECOND, 150, 1, 0);
	assert_int_equal(node_seen_lag_us(&seen, 3 * SECOND), SECOND / 2);      /* it may have replayed more since */
	seen = replica_at(pair, 3 * SECOND, 150, 1, 0);
	assert_int_equal(node_seen_lag_us(&seen, 4 * SECOND), SECOND * 5 / 2);
	seen = replica_at(pair, 4 * SECOND, 200, 1, 0);
	primary_at(pair, 4 * SECOND + 1, 300, 1);
	node_status_compare(pair.replica, pair.primary, 4 * SECOND + 2);
	seen = node_status_read(pair.replica);
	assert_int_equal(node_seen_lag_us(&seen, 4 * SECOND + 3), 0);           /* it was not asked since that was written */
	seen = replica_at(pair, 5 * SECOND, 200, 1, 0);
	assert_int_equal(node_seen_lag_us(&seen, 5 * SECOND), 2 * SECOND);
	node_status_silent(pair.replica);
	seen = node_status_read(pair.replica);
	assert_true(node_seen_lag_us(&seen, 5 * SECOND) == UINT64_MAX);
	end(pair);
}

static void nothing_was_written_while_the_primary_was_down(void **state)
{
	struct pair pair = make();
	struct node_sample sample = { .role = SEEN_PRIMARY, .timeline = 1, .flushed = 300, .inserted = 300, .begun_us = 9 * SECOND, .started_us = 8 * SECOND,
		.started_lsn = 200 };
	struct node_seen seen;

	primary_at(pair, 1 * SECOND, 100, 1);
	node_status_sampled(pair.primary, pair.primary, &sample);
	seen = replica_at(pair, 10 * SECOND, 150, 1, 0);        /* it lacks what was written before */
	assert_int_equal(node_seen_lag_us(&seen, 10 * SECOND), 9 * SECOND);
	seen = replica_at(pair, 10 * SECOND, 250, 1, 0);
	assert_int_equal(node_seen_lag_us(&seen, 10 * SECOND), SECOND * 3 / 2);
	assert_int_equal(seen.as_of_us, 1 * SECOND);            /* its clock may have been set: nobody relies on it */
	end(pair);
}

static void what_a_crash_took_from_the_primary_leaves_what_was_before(void **state)
{
	struct pair pair = make();

	primary_at(pair, 1 * SECOND, 100, 1);
	primary_at(pair, 2 * SECOND, 200, 1);
	primary_at(pair, 3 * SECOND, 150, 1);
	assert_int_equal(replica_at(pair, 4 * SECOND, 149, 1, 0).as_of_us, 1 * SECOND);
	assert_int_equal(replica_at(pair, 4 * SECOND, 150, 1, 0).as_of_us, 3 * SECOND);
	primary_at(pair, 5 * SECOND, 250, 1);
	assert_int_equal(replica_at(pair, 6 * SECOND, 200, 1, 0).as_of_us, 3 * SECOND);
	end(pair);
}

static void who_is_too_far_behind_is_excluded_until_he_is_half_as_far(void **state)
{
	struct pair pair = make();
	struct node_seen seen;

	for (int i = 1; i <= 10; i++)
		primary_at(pair, (uint64_t)i * SECOND, (uint64_t)i, 1);
	seen = replica_at(pair, 10 * SECOND, 5, 1, 5 * SECOND);         /* what comes after 5 was written between 5 and 6: about 4.5 seconds ago */
	assert_true(!seen.excluded && node_seen_fit(&seen, 10 * SECOND));
	seen = replica_at(pair, 10 * SECOND, 4, 1, 5 * SECOND);
	assert_true(seen.excluded && !node_seen_fit(&seen, 10 * SECOND));
	assert_true(replica_at(pair, 10 * SECOND, 5, 1, 5 * SECOND).excluded);
	assert_true(replica_at(pair, 10 * SECOND, 6, 1, 5 * SECOND).excluded);
	assert_false(replica_at(pair, 10 * SECOND, 7, 1, 5 * SECOND).excluded);
	assert_false(replica_at(pair, 10 * SECOND, 1, 1, 0).excluded);
	end(pair);
}

static void only_who_answers_and_was_not_found_broken_is_fit(void **state)
{
	struct pair pair = make();
	struct node_seen seen = node_status_read(pair.replica);

	assert_false(node_seen_fit(&seen, 1));
	primary_at(pair, SECOND, 1, 1);
	seen = replica_at(pair, 2 * SECOND, 1, 1, 0);
	assert_true(node_seen_fit(&seen, 2 * SECOND));
	assert_false(node_seen_fit(&seen, 5 * SECOND));         /* asked too long ago */
	node_status_failed(pair.replica, 2 * SECOND + 1, 2 * SECOND + 1);
	seen = node_status_read(pair.replica);
	assert_false(node_seen_fit(&seen, 2 * SECOND + 1));
	seen = replica_at(pair, 3 * SECOND, 1, 1, 0);
	assert_true(node_seen_fit(&seen, 3 * SECOND));
	node_status_silent(pair.replica);
	seen = node_status_read(pair.replica);
	assert_true(!node_seen_fit(&seen, 3 * SECOND) && seen.replayed == 1);
	seen = node_status_read(pair.primary);
	assert_false(node_seen_fit(&seen, SECOND));
	end(pair);
}

static void who_was_silent_is_another_one(void **state)
{
	struct pair pair = make();
	uint64_t first = replica_at(pair, SECOND, 1, 1, 0).incarnation;

	assert_true(first);
	assert_int_equal(replica_at(pair, 2 * SECOND, 2, 1, 0).incarnation, first);
	node_status_silent(pair.replica);
	assert_int_not_equal(replica_at(pair, 3 * SECOND, 1, 1, 0).incarnation, first);
	end(pair);
}

static void the_header_of_an_empty_page_is_no_record(void **state)
{
	const uint64_t segment = 16 << 20;

	assert_int_equal(wal_end_of_record(0x3000028, 8192, segment), 0x3000000);
	assert_int_equal(wal_end_of_record(0x3002018, 8192, segment), 0x3002000);
	assert_int_equal(wal_end_of_record(0x3002028, 8192, segment), 0x3002028);
	assert_int_equal(wal_end_of_record(0x3000018, 8192, segment), 0x3000018);
	assert_int_equal(wal_end_of_record(0x3002030, 8192, segment), 0x3002030);
	assert_int_equal(wal_end_of_record(0x1000028, 8192, segment * 4), 0x1000028);
	assert_int_equal(wal_end_of_record(0x1000018, 8192, segment * 4), 0x1000000);
}

static void *write_often(void *argument)
{
	struct pair *pair = argument;

	for (uint64_t i = 1; i <= 200000; i++)
		replica_at(*pair, i, i, (uint32_t)i, 0);
	return NULL;
}

static void who_reads_sees_one_sample_whole(void **state)
{
	struct pair pair = make();
	struct node_seen seen;
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, write_often, &pair), 0);
	do {
		seen = node_status_read(pair.replica);
		assert_int_equal(seen.flushed, seen.replayed);
		assert_int_equal(seen.flushed, seen.sampled_us);
		assert_int_equal(seen.flushed, seen.timeline);
	} while (seen.flushed < 200000);
	pthread_join(writer, NULL);
	end(pair);
}

static void the_samples_of_the_primary_tell_more_of_a_replica(void **state)
{
	struct pair pair = make();

	primary_at(pair, 1 * SECOND, 100, 1);
	replica_at(pair, 1 * SECOND + 1, 100, 1, 0);
	primary_at(pair, 1 * SECOND + 50, 100, 1);      /* nothing was written */
	node_status_compare(pair.replica, pair.primary, 1 * SECOND + 60);
	assert_int_equal(node_status_read(pair.replica).as_of_us, 1 * SECOND + 50);
	primary_at(pair, 1 * SECOND + 100, 101, 1);
	node_status_compare(pair.replica, pair.primary, 1 * SECOND + 110);
	assert_int_equal(node_status_read(pair.replica).as_of_us, 1 * SECOND + 50);
	primary_at(pair, 4 * SECOND, 101, 1);
	replica_at(pair, 4 * SECOND, 101, 1, 0);
	primary_at(pair, 5 * SECOND, 101, 1);
	node_status_compare(pair.replica, pair.primary, 5 * SECOND);    /* asked too long ago: it may have been restarted */
	assert_int_equal(node_status_read(pair.replica).as_of_us, 4 * SECOND);
	end(pair);
}

static void a_position_is_found_among_the_samples(void **state)
{
	static const struct history third = { .timeline = 3, .count = 2, .ancestors = { { 1, 150 }, { 2, 250 } } }, unknown = { .timeline = 3 };
	struct pair pair = make();
	uint64_t us = 0;

	assert_int_equal(node_status_position(pair.primary, 1, 1, &us), POSITION_AHEAD);
	primary_at(pair, 1 * SECOND, 100, 1);
	primary_at(pair, 2 * SECOND, 200, 1);
	assert_int_equal(node_status_position(pair.primary, 1, 100, &us), POSITION_KNOWN);
	assert_int_equal(us, 1 * SECOND);
	assert_int_equal(node_status_position(pair.primary, 1, 101, &us), POSITION_KNOWN);
	assert_int_equal(us, 2 * SECOND);
	assert_int_equal(node_status_position(pair.primary, 1, 201, &us), POSITION_AHEAD);
	assert_int_equal(node_status_position(pair.primary, 2, 100, &us), POSITION_AHEAD);
	node_status_history(pair.primary, &third);
	primary_at(pair, 3 * SECOND, 300, 3);
	assert_int_equal(node_status_position(pair.primary, 1, 150, &us), POSITION_KNOWN);
	assert_int_equal(us, 3 * SECOND);
	assert_int_equal(node_status_position(pair.primary, 1, 151, &us), POSITION_LOST);
	assert_int_equal(node_status_position(pair.primary, 2, 250, &us), POSITION_KNOWN);
	assert_int_equal(node_status_position(pair.primary, 2, 251, &us), POSITION_LOST);
	node_status_history(pair.primary, &unknown);
	assert_int_equal(node_status_position(pair.primary, 1, 1, &us), POSITION_LOST);         /* nobody knows */
	end(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_replica_is_as_of_the_newest_sample_that_it_has_replayed),
		cmocka_unit_test(one_that_hides_commits_is_as_of_no_time),
		cmocka_unit_test(while_nothing_is_written_it_stays_up_to_date),
		cmocka_unit_test(another_history_tells_nothing),
		cmocka_unit_test(what_is_as_of_one_primary_is_not_as_of_another),
		cmocka_unit_test(what_is_forgotten_makes_no_time_too_late),
		cmocka_unit_test(what_is_lacked_was_written_between_two_samples),
		cmocka_unit_test(the_lag_grows_only_while_it_stands),
		cmocka_unit_test(nothing_was_written_while_the_primary_was_down),
		cmocka_unit_test(what_a_crash_took_from_the_primary_leaves_what_was_before),
		cmocka_unit_test(who_is_too_far_behind_is_excluded_until_he_is_half_as_far),
		cmocka_unit_test(only_who_answers_and_was_not_found_broken_is_fit),
		cmocka_unit_test(who_was_silent_is_another_one),
		cmocka_unit_test(the_samples_of_the_primary_tell_more_of_a_replica),
		cmocka_unit_test(a_position_is_found_among_the_samples),
		cmocka_unit_test(the_header_of_an_empty_page_is_no_record),
		cmocka_unit_test(who_reads_sees_one_sample_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
