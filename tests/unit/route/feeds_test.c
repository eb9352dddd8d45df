#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "route/feeds.h"

enum { PRIMARY, FIRST, SECOND, COUNT, GIVEN_MAX = 3 };

/* A primary and two replicas; each test says what they said. */
struct scene {
	struct feeds *feeds[COUNT];
	struct feed_member members[COUNT];
};

static struct scene make(void)
{
	static const struct { const char *name, *host; } nodes[COUNT] = { { "n1", "10.0.0.1" }, { "n1a", "10.0.0.2" }, { "n1b", "10.0.0.3" } };
	struct scene scene;

	for (size_t i = 0; i < COUNT; i++) {
		scene.feeds[i] = feeds_new(GIVEN_MAX);
		scene.feeds[i]->heard = true;
		scene.feeds[i]->given_count = 0;
		scene.members[i] = (struct feed_member){ .name = nodes[i].name, .host = nodes[i].host, .port = 5432, .slot = "", .address = nodes[i].host,
			.upstream = PRIMARY, .feeds = scene.feeds[i] };
	}
	return scene;
}

static void end(struct scene *scene)
{
	for (size_t i = 0; i < COUNT; i++)
		feeds_unref(scene->feeds[i]);
}

/* `host`: "": it does not tell from where; NULL: it does not stream. */
static void takes(struct scene *scene, size_t node, const char *name, const char *slot, const char *host)
{
	struct feed_taken *taken = &scene->feeds[node]->taken;

	scene->feeds[node]->named = true;
	taken->receives = host != NULL;
	snprintf(taken->name, sizeof(taken->name), "%s", name);
	snprintf(taken->slot, sizeof(taken->slot), "%s", slot);
	snprintf(taken->host, sizeof(taken->host), "%s", host ? host : "");
	taken->port = host && *host ? 5432 : 0;
}

static void gives(struct scene *scene, size_t node, const char *name, const char *slot, const char *address)
{
	struct feed_given *given = &scene->feeds[node]->given[scene->feeds[node]->given_count++];

	given->active = *name != '\0';
	snprintf(given->name, sizeof(given->name), "%s", name);
	snprintf(given->slot, sizeof(given->slot), "%s", slot);
	snprintf(given->address, sizeof(given->address), "%s", address);
}

static void silence(struct scene *scene, size_t node)
{
	struct feeds *left = feeds_silent(scene->feeds[node]);

	feeds_unref(scene->feeds[node]);
	scene->members[node].feeds = scene->feeds[node] = left;
}

static void check_found(const struct scene *scene, size_t node, size_t sender, size_t given)
{
	struct feed_found found = feeds_find(scene->members, COUNT, node);

	assert_ptr_equal(found.given, &scene->feeds[sender]->given[given]);
	assert_int_equal(found.sender, sender);
	assert_int_equal(found.gone, !found.given->active);
}

static void check_not_found(const struct scene *scene, size_t node, bool gone)
{
	struct feed_found found = feeds_find(scene->members, COUNT, node);

	assert_null(found.given);
	assert_int_equal(found.gone, gone);
}

static void a_slot_tells_whose_it_is(void **state)
{
	struct scene scene = make();

	takes(&scene, FIRST, "walreceiver", "a", "10.0.0.1");
	takes(&scene, SECOND, "walreceiver", "b", "10.0.0.1");
	gives(&scene, PRIMARY, "walreceiver", "b", "");
	gives(&scene, PRIMARY, "walreceiver", "a", "");
	check_found(&scene, FIRST, PRIMARY, 1);
	check_found(&scene, SECOND, PRIMARY, 0);
	assert_string_equal(feeds_find(scene.members, COUNT, FIRST).slot, "a");
	end(&scene);
}

static void a_slot_that_nobody_uses_is_that_of_one_that_does_not_stream(void **state)
{
	struct scene scene = make();

	takes(&scene, FIRST, "walreceiver", "a", "10.0.0.1");
	gives(&scene, PRIMARY, "", "a", "");
	check_not_found(&scene, FIRST, false);  /* it says that it streams */
	silence(&scene, FIRST);
	check_found(&scene, FIRST, PRIMARY, 0);
	assert_true(feeds_find(scene.members, COUNT, FIRST).gone);
	end(&scene);
}

static void a_slot_of_the_same_name_elsewhere_is_anothers(void **state)
{
	struct scene scene = make();

	takes(&scene, FIRST, "walreceiver", "standby", "10.0.0.1");
	takes(&scene, SECOND, "walreceiver", "standby", "10.0.0.2");
	gives(&scene, PRIMARY, "walreceiver", "standby", "");
	gives(&scene, FIRST, "walreceiver", "standby", "");
	check_found(&scene, FIRST, PRIMARY, 0);
	check_found(&scene, SECOND, FIRST, 0);
	takes(&scene, SECOND, "walreceiver", "standby", "");    /* by another name than nanu's */
	check_found(&scene, SECOND, FIRST, 0);
	takes(&scene, FIRST, "walreceiver", "standby", "");
	check_found(&scene, FIRST, PRIMARY, 0);
	check_not_found(&scene, SECOND, false);
	end(&scene);
}

static void a_slot_that_nobody_uses_may_be_anothers(void **state)
{
	struct scene scene = make();
	struct feeds *before = feeds_new(0);

	takes(&scene, FIRST, "walreceiver", "standby", "10.0.0.1");
	takes(&scene, SECOND, "walreceiver", "standby", NULL);
	gives(&scene, PRIMARY, "", "standby", "");
	silence(&scene, FIRST);
	check_not_found(&scene, SECOND, true);  /* it has not said from whom it streamed */
	check_not_found(&scene, FIRST, false);
	before->named = true;
	before->taken = (struct feed_taken){ .receives = true, .slot = "standby", .host = "10.0.0.2", .port = 5432 };
	feeds_remember(scene.feeds[SECOND], before);
	check_not_found(&scene, SECOND, true);
	check_found(&scene, FIRST, PRIMARY, 0);
	feeds_unref(before);
	end(&scene);
}

static void of_one_that_never_answered_the_topology_knows_the_slot(void **state)
{
	struct scene scene = make();

	scene.members[FIRST].slot = "a";
	scene.members[FIRST].feeds = NULL;
	gives(&scene, PRIMARY, "n1a", "a", "");
	check_found(&scene, FIRST, PRIMARY, 0);
	end(&scene);
}

static void without_a_slot_a_name_tells_that_one_alone_has(void **state)
{
	struct scene scene = make();

	takes(&scene, FIRST, "walreceiver", "", "10.0.0.1");
	takes(&scene, SECOND, "15/main", "", "10.0.0.1");
	gives(&scene, PRIMARY, "15/main", "", "");
	gives(&scene, PRIMARY, "walreceiver", "b", "");         /* it says that it has no slot */
	gives(&scene, PRIMARY, "walreceiver", "", "");
	check_found(&scene, FIRST, PRIMARY, 2);
	check_found(&scene, SECOND, PRIMARY, 0);
	end(&scene);
}

static void of_several_under_one_name_the_address_tells(void **state)
{
	struct scene scene = make();

	takes(&scene, FIRST, "walreceiver", "", "10.0.0.1");
	takes(&scene, SECOND, "walreceiver", "", "10.0.0.1");
	gives(&scene, PRIMARY, "walreceiver", "", "10.0.0.3");
	gives(&scene, PRIMARY, "walreceiver", "", "10.0.0.2");
	check_found(&scene, FIRST, PRIMARY, 1);
	check_found(&scene, SECOND, PRIMARY, 0);
	scene.members[FIRST].address = scene.members[SECOND].address;
	check_not_found(&scene, FIRST, false);
	check_not_found(&scene, SECOND, false);
	end(&scene);
}

static void what_may_be_anothers_is_not_its_own(void **state)
{
	struct scene scene = make();

	takes(&scene, FIRST, "walreceiver", "", "10.0.0.1");
	takes(&scene, SECOND, "walreceiver", "", "10.0.0.1");
	gives(&scene, PRIMARY, "walreceiver", "", "");
	check_not_found(&scene, FIRST, false);  /* one of the two has just begun, or ended */
	silence(&scene, SECOND);
	check_found(&scene, FIRST, PRIMARY, 0);
	check_not_found(&scene, SECOND, true);
	end(&scene);
}

static void who_streams_from_a_replica_is_not_looked_for_on_the_primary(void **state)
{
	struct scene scene = make();

	takes(&scene, FIRST, "n1a", "", "10.0.0.1");
	takes(&scene, SECOND, "walreceiver", "", "10.0.0.2");
	gives(&scene, PRIMARY, "n1a", "", "");
	gives(&scene, PRIMARY, "walreceiver", "", "");          /* who is no node of the shard */
	gives(&scene, FIRST, "walreceiver", "", "");
	check_found(&scene, SECOND, FIRST, 0);
	takes(&scene, SECOND, "walreceiver", "", "");
	check_not_found(&scene, SECOND, false);
	end(&scene);
}

static void of_a_silent_one_only_its_own_name_tells(void **state)
{
	struct scene scene = make();

	takes(&scene, FIRST, "n1a", "", "10.0.0.1");
	takes(&scene, SECOND, "walreceiver", "", "10.0.0.1");
	gives(&scene, PRIMARY, "walreceiver", "", "");
	gives(&scene, PRIMARY, "n1a", "", "");
	silence(&scene, FIRST);
	silence(&scene, SECOND);
	check_found(&scene, FIRST, PRIMARY, 1);
	check_not_found(&scene, SECOND, false);
	scene.feeds[PRIMARY]->given_count = 0;
	check_not_found(&scene, FIRST, true);
	check_not_found(&scene, SECOND, true);
	end(&scene);
}

static void of_a_silent_sender_nobody_knows(void **state)
{
	struct scene scene = make();

	takes(&scene, FIRST, "n1a", "", "10.0.0.1");
	takes(&scene, SECOND, "n1b", "b", "10.0.0.1");
	gives(&scene, PRIMARY, "n1a", "", "");
	gives(&scene, PRIMARY, "n1b", "b", "");
	silence(&scene, PRIMARY);
	check_not_found(&scene, FIRST, false);
	check_not_found(&scene, SECOND, false);
	takes(&scene, FIRST, "n1a", "", NULL);
	takes(&scene, SECOND, "n1b", "b", NULL);
	check_not_found(&scene, FIRST, true);   /* they say so */
	check_not_found(&scene, SECOND, true);
	silence(&scene, FIRST);
	check_not_found(&scene, FIRST, false);
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_tells_whose_it_is),
		cmocka_unit_test(a_slot_that_nobody_uses_is_that_of_one_that_does_not_stream),
		cmocka_unit_test(a_slot_of_the_same_name_elsewhere_is_anothers),
		cmocka_unit_test(a_slot_that_nobody_uses_may_be_anothers),
		cmocka_unit_test(of_one_that_never_answered_the_topology_knows_the_slot),
		cmocka_unit_test(without_a_slot_a_name_tells_that_one_alone_has),
		cmocka_unit_test(of_several_under_one_name_the_address_tells),
		cmocka_unit_test(what_may_be_anothers_is_not_its_own),
		cmocka_unit_test(who_streams_from_a_replica_is_not_looked_for_on_the_primary),
		cmocka_unit_test(of_a_silent_one_only_its_own_name_tells),
		cmocka_unit_test(of_a_silent_sender_nobody_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
