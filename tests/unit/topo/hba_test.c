#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "topo/hba.h"

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage storage = { .ss_family = AF_UNIX };
	struct sockaddr_in *in = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		storage.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		storage.ss_family = AF_INET6;
	return storage;
}

static bool matches(const struct hba_rule *rule, const char *address, bool tls, const char *database, const char *user)
{
	struct sockaddr_storage storage = address_of(address);

	return hba_match(rule, 1, &(struct hba_client){ (struct sockaddr *)&storage, tls, false, database, user }) == rule;
}

static char *all[] = { (char *)"all" };
static struct hba_network everywhere = { .family = AF_UNSPEC };

static struct hba_rule rule_of(enum hba_type type)
{
	return (struct hba_rule){ .type = type, .databases = all, .users = all, .databases_count = 1, .users_count = 1, .networks = &everywhere,
		.networks_count = 1 };
}

static bool in(const char *network, const char *address)
{
	struct hba_rule rule = rule_of(HBA_HOST);
	struct hba_network read;

	assert_int_equal(hba_network_read(network, &read, NULL), 0);
	rule.networks = &read;
	return matches(&rule, address, false, "d", "u");
}

static void a_network_is_its_first_bits(void **state)
{
	assert_true(in("all", "1.2.3.4"));
	assert_true(in("all", "::1"));
	assert_true(in("10.0.0.0/8", "10.255.0.1"));
	assert_false(in("10.0.0.0/8", "11.0.0.1"));
	assert_true(in("10.32.0.0/11", "10.63.255.255"));
	assert_false(in("10.32.0.0/11", "10.64.0.0"));
	assert_true(in("127.0.0.1", "127.0.0.1"));
	assert_false(in("127.0.0.1", "127.0.0.2"));
	assert_true(in("0.0.0.0/0", "9.9.9.9"));
	assert_false(in("0.0.0.0/0", "2001:db8::1"));
	assert_true(in("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(in("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(in("::/0", "fe80::1"));
	assert_false(in("::/0", "1.2.3.4"));
	assert_true(in("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_false(in("::/0", "::ffff:10.1.2.3"));
}

static void what_is_no_network_is_refused(void **state)
{
	static const char *const texts[] = { "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/0008", "10.0.0.1/8", "10.0.0",
		"::/129", "2001:db8::1/64", "host", "10.0.0.0 /8",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/1" };
	struct hba_network read;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (hba_network_read(texts[i], &read, NULL) != ERR_CONFIG)
			fail_msg("\"%s\" is taken", texts[i]);
}

static void a_type_is_how_the_client_came(void **state)
{
	static const struct { enum hba_type type; bool local, plain, tls; } cases[] = {
		{ HBA_LOCAL, true, false, false }, { HBA_HOST, false, true, true }, { HBA_HOSTSSL, false, false, true },
		{ HBA_HOSTNOSSL, false, true, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hba_rule rule = rule_of(cases[i].type);

		assert_int_equal(matches(&rule, "local", false, "d", "u"), cases[i].local);
		assert_int_equal(matches(&rule, "1.2.3.4", false, "d", "u"), cases[i].plain);
		assert_int_equal(matches(&rule, "1.2.3.4", true, "d", "u"), cases[i].tls);
	}
}

static void names_are_whole_names(void **state)
{
	char *names[] = { (char *)"shop", (char *)"sameuser" }, *users[] = { (char *)"ann", (char *)"bob" };
	struct hba_rule rule = rule_of(HBA_HOST);

	rule.databases = names;
	rule.databases_count = 2;
	rule.users = users;
	rule.users_count = 2;
	assert_true(matches(&rule, "1.2.3.4", false, "shop", "ann"));
	assert_true(matches(&rule, "1.2.3.4", false, "bob", "bob"));
	assert_false(matches(&rule, "1.2.3.4", false, "bob", "ann"));
	assert_false(matches(&rule, "1.2.3.4", false, "sho", "ann"));
	assert_false(matches(&rule, "1.2.3.4", false, "shop", "Ann"));
	assert_false(matches(&rule, "1.2.3.4", false, "shop", "sameuser"));
}

static void who_replicates_a_server_is_let_in_by_name_only(void **state)
{
	char *names[] = { (char *)"replication", (char *)"all" };
	struct sockaddr_storage storage = address_of("1.2.3.4");
	struct hba_rule rule = rule_of(HBA_HOST);
	struct hba_client client = { (struct sockaddr *)&storage, false, true, "d", "u" }, other = client;

	other.replication = false;
	other.database = "replication";
	assert_null(hba_match(&rule, 1, &client));
	rule.databases = names;
	rule.databases_count = 1;
	assert_non_null(hba_match(&rule, 1, &client));
	assert_null(hba_match(&rule, 1, &other));
	rule.databases_count = 2;
	assert_non_null(hba_match(&rule, 1, &other));
}

static void the_first_rule_that_matches_counts(void **state)
{
	struct sockaddr_storage storage = address_of("1.2.3.4");
	struct hba_rule rules[] = { rule_of(HBA_HOSTSSL), rule_of(HBA_HOST), rule_of(HBA_HOSTNOSSL) };
	struct hba_client client = { (struct sockaddr *)&storage, false, false, "d", "u" };

	assert_ptr_equal(hba_match(rules, 3, &client), &rules[1]);
	client.tls = true;
	assert_ptr_equal(hba_match(rules, 3, &client), &rules[0]);
	assert_null(hba_match(rules + 2, 1, &client));
	assert_null(hba_match(rules, 0, &client));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_is_its_first_bits),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(a_type_is_how_the_client_came),
		cmocka_unit_test(names_are_whole_names),
		cmocka_unit_test(who_replicates_a_server_is_let_in_by_name_only),
		cmocka_unit_test(the_first_rule_that_matches_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
