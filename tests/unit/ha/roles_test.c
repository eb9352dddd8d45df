#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ha/roles.h"

enum { SYSTEM = 7, OTHER_SYSTEM = 8, FORK = 0x100 };

static struct history second, third, other_third;       /* 1 -> 2, 1 -> 2 -> 3, 1 -> 3 */

static struct role_claim primary_on(const char *name, uint32_t timeline, const struct history *history)
{
	return (struct role_claim){ .name = name, .heard = true, .role = SEEN_PRIMARY, .timeline = timeline, .system = SYSTEM, .history = history,
		.flushed = FORK };
}

static struct role_claim replica_on(const char *name, uint32_t timeline)
{
	return (struct role_claim){ .name = name, .heard = true, .role = SEEN_REPLICA, .timeline = timeline, .system = SYSTEM };
}

static struct role_claim silent(struct role_claim claim)
{
	claim.heard = false;
	return claim;
}

/* The primary of the topology is the first; it was seen on this timeline. */
static struct role_judgement judge(const struct role_claim *claims, size_t count, uint32_t noted, const struct history *ancestors)
{
	struct role_note note = { .system = SYSTEM };
	struct role_judgement judged;

	if (ancestors)
		note.history = *ancestors;
	note.has_ancestors = ancestors != NULL;
	note.history.timeline = noted;
	snprintf(note.node, sizeof(note.node), "%s", noted ? "n1" : "");
	roles_judge(claims, count, 0, &note, &judged);
	return judged;
}

#define JUDGE(noted, ancestors, ...) \
	judge((struct role_claim[]){ __VA_ARGS__ }, sizeof((struct role_claim[]){ __VA_ARGS__ }) / sizeof(struct role_claim), noted, ancestors)

static void replicas_change_nothing(void **state)
{
	assert_int_equal(JUDGE(1, NULL, primary_on("n1", 1, NULL), replica_on("n2", 1)).verdict, ROLES_AS_THEY_ARE);
	assert_int_equal(JUDGE(1, NULL, silent(primary_on("n1", 1, NULL)), replica_on("n2", 1)).verdict, ROLES_AS_THEY_ARE);
}

static void who_was_promoted_is_the_primary_whether_the_one_before_lives_or_not(void **state)
{
	struct role_judgement judged = JUDGE(1, NULL, primary_on("n1", 1, NULL), replica_on("n2", 1), primary_on("n3", 2, &second));

	assert_int_equal(judged.verdict, ROLES_PROMOTED);
	assert_int_equal(judged.node, 2);
	assert_true(judged.fork_known && judged.fork == FORK && judged.left_behind == 0);
	assert_int_equal(JUDGE(1, NULL, silent(primary_on("n1", 1, NULL)), primary_on("n2", 2, &second)).verdict, ROLES_PROMOTED);
	assert_int_equal(JUDGE(1, NULL, replica_on("n1", 2), primary_on("n2", 2, &second)).verdict, ROLES_PROMOTED);
}

static void what_the_one_before_had_more_is_counted(void **state)
{
	struct role_claim before = silent(primary_on("n1", 1, NULL));

	before.flushed = FORK + 42;
	assert_int_equal(JUDGE(1, NULL, before, primary_on("n2", 2, &second)).left_behind, 42);
}

static void an_older_or_equal_timeline_is_no_claim(void **state)
{
	assert_int_equal(JUDGE(2, &second, primary_on("n1", 2, &second), primary_on("n2", 1, NULL)).verdict, ROLES_AS_THEY_ARE);
	assert_int_equal(JUDGE(2, &second, primary_on("n1", 2, &second), primary_on("n2", 2, &second)).verdict, ROLES_AS_THEY_ARE);
	/* The primary is down, and an older one is found: it lacks what was acknowledged since. */
	assert_int_equal(JUDGE(2, &second, silent(replica_on("n1", 0)), primary_on("n2", 1, NULL)).verdict, ROLES_LEADERLESS);
	assert_int_equal(JUDGE(2, &second, replica_on("n1", 2), primary_on("n2", 1, NULL)).verdict, ROLES_LEADERLESS);
}

static void a_timeline_that_does_not_go_on_from_the_primarys_is_disputed(void **state)
{
	struct role_judgement judged = JUDGE(2, &second, silent(primary_on("n1", 2, NULL)), primary_on("n2", 3, &other_third));

	assert_int_equal(judged.verdict, ROLES_DISPUTED);
	assert_non_null(strstr(judged.reason, "does not go on from timeline 2"));
	assert_int_equal(JUDGE(2, &second, silent(primary_on("n1", 2, NULL)), primary_on("n2", 3, &third)).verdict, ROLES_PROMOTED);
}

static void without_its_history_it_is_believed_only_when_nobody_contradicts(void **state)
{
	assert_int_equal(JUDGE(1, NULL, silent(primary_on("n1", 1, NULL)), primary_on("n2", 2, NULL)).verdict, ROLES_PROMOTED);
	assert_int_equal(JUDGE(1, NULL, replica_on("n1", 1), primary_on("n2", 2, NULL)).verdict, ROLES_PROMOTED);
	assert_int_equal(JUDGE(1, NULL, primary_on("n1", 1, NULL), primary_on("n2", 2, NULL)).verdict, ROLES_DISPUTED);
}

static void of_two_the_one_that_goes_on_from_the_other_is_the_primary(void **state)
{
	struct role_judgement judged = JUDGE(1, NULL, silent(primary_on("n1", 1, NULL)), primary_on("n2", 2, &second), primary_on("n3", 3, &third));

	assert_int_equal(judged.verdict, ROLES_PROMOTED);
	assert_int_equal(judged.node, 2);
	assert_int_equal(JUDGE(1, NULL, silent(primary_on("n1", 1, NULL)), primary_on("n2", 2, &second), primary_on("n3", 2, &second)).verdict,
			 ROLES_DISPUTED);
	assert_int_equal(JUDGE(1, NULL, silent(primary_on("n1", 1, NULL)), primary_on("n2", 2, &second), primary_on("n3", 3, &other_third)).verdict,
			 ROLES_DISPUTED);
}

static void another_system_is_no_claim(void **state)
{
	struct role_claim stranger = primary_on("n2", 9, NULL);

	stranger.system = OTHER_SYSTEM;
	assert_int_equal(JUDGE(1, NULL, silent(primary_on("n1", 1, NULL)), stranger).verdict, ROLES_LEADERLESS);
	assert_int_equal(JUDGE(1, NULL, replica_on("n1", 1), stranger).verdict, ROLES_LEADERLESS);
	stranger.system = 0;
	assert_int_equal(JUDGE(1, NULL, silent(primary_on("n1", 1, NULL)), stranger).verdict, ROLES_LEADERLESS);
}

static void of_a_primary_that_nobody_has_seen_nothing_is_concluded_unless_it_is_a_standby(void **state)
{
	assert_int_equal(JUDGE(0, NULL, silent((struct role_claim){ .name = "n1" }), primary_on("n2", 2, &second)).verdict, ROLES_LEADERLESS);
	assert_int_equal(JUDGE(0, NULL, replica_on("n1", 1), primary_on("n2", 1, NULL)).verdict, ROLES_PROMOTED);
}

static void a_primary_in_recovery_without_another_is_said_to_be_none(void **state)
{
	struct role_judgement judged = JUDGE(1, NULL, replica_on("n1", 1), replica_on("n2", 1));

	assert_int_equal(judged.verdict, ROLES_LEADERLESS);
	assert_non_null(strstr(judged.reason, "n1 is in recovery"));
}

static int make_histories(void **state)
{
	struct err err;

	return history_read(2, "1\t0/100\n", &second, &err) | history_read(3, "1\t0/100\n2\t0/200\n", &third, &err) |
	       history_read(3, "1\t0/100\n", &other_third, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replicas_change_nothing),
		cmocka_unit_test(who_was_promoted_is_the_primary_whether_the_one_before_lives_or_not),
		cmocka_unit_test(what_the_one_before_had_more_is_counted),
		cmocka_unit_test(an_older_or_equal_timeline_is_no_claim),
		cmocka_unit_test(a_timeline_that_does_not_go_on_from_the_primarys_is_disputed),
		cmocka_unit_test(without_its_history_it_is_believed_only_when_nobody_contradicts),
		cmocka_unit_test(of_two_the_one_that_goes_on_from_the_other_is_the_primary),
		cmocka_unit_test(another_system_is_no_claim),
		cmocka_unit_test(of_a_primary_that_nobody_has_seen_nothing_is_concluded_unless_it_is_a_standby),
		cmocka_unit_test(a_primary_in_recovery_without_another_is_said_to_be_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_histories, NULL);
}
