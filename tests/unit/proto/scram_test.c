#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "proto/scram.h"

static const uint8_t server_nonce[SCRAM_NONCE_SIZE] = "server nonce 12345", client_nonce[SCRAM_NONCE_SIZE] = "client nonce 67890";
static const uint8_t salt[16] = "sixteen of salt.";

/* What PostgreSQL keeps for the password "pencil" under the salt of RFC 7677. */
static const char pencil[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
			     "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

#define RFC_NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_SERVER_FIRST "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define RFC_CLIENT_FINAL "c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static struct buf out;

static int make_out(void **state)
{
	buf_init(&out, 1 << 16);
	return 0;
}

static int drop_out(void **state)
{
	buf_release(&out);
	return 0;
}

static void the_client_answers_as_rfc_7677_does(void **state)
{
	struct scram_client client = { .client_first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO", .nonce = "rOprNGfwEbeRWgbNEkqO" };

	assert_int_equal(scram_client_final(&client, SLICE_LIT("pencil"), NULL, SLICE_LIT(RFC_SERVER_FIRST), &out, NULL), 0);
	assert_true(slice_is(buf_slice(&out), RFC_CLIENT_FINAL));
	assert_int_equal(scram_client_verify(&client, SLICE_LIT(RFC_SERVER_FINAL), NULL), 0);
}

static void the_server_answers_as_rfc_7677_does(void **state)
{
	struct scram_server server = { .client_first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO", .server_first = RFC_SERVER_FIRST,
		.nonce = RFC_NONCE, .gs2_flag = 'n' };

	assert_int_equal(scram_verifier_read(slice_of(pencil), &server.verifier, NULL), 0);
	assert_int_equal(scram_server_final(&server, SLICE_LIT(RFC_CLIENT_FINAL), &out, NULL), 0);
	assert_true(slice_is(buf_slice(&out), RFC_SERVER_FINAL));
}

/* A whole exchange. What each side says may be changed on its way: `place` counts from the end of the message `which` (0 to 3). */
static int bound_exchange(const char *client_password, const struct scram_keys *keys, const char *server_password, int which, size_t place,
			  struct scram_binding client_side, struct scram_binding server_side)
{
	struct scram_server server = { .binding = server_side };
	struct scram_client client = { .binding = client_side };
	struct buf said, answer;
	int rc;

	buf_init(&said, 1 << 16);
	buf_init(&answer, 1 << 16);
	scram_verifier_make(slice_of(server_password), salt, sizeof(salt), 16, &server.verifier);
	scram_client_first(&client, client_nonce, &said);
	if (which == 0)
		said.data[said.size - 1 - place] ^= 1;
	rc = scram_server_first(&server, buf_slice(&said), server_nonce, &answer, NULL);
	if (rc == 0 && which == 1)
		answer.data[answer.size - 1 - place] ^= 1;
	buf_clear(&said);
	if (rc == 0)
		rc = scram_client_final(&client, slice_of(client_password), keys, buf_slice(&answer), &said, NULL);
	if (rc == 0 && which == 2)
		said.data[said.size - 1 - place] ^= 1;
	buf_clear(&answer);
	if (rc == 0)
		rc = scram_server_final(&server, buf_slice(&said), &answer, NULL);
	if (rc == 0 && which == 3)
		answer.data[answer.size - 1 - place] ^= 1;
	if (rc == 0)
		rc = scram_client_verify(&client, buf_slice(&answer), NULL);
	buf_release(&said);
	buf_release(&answer);
	return rc;
}

static int exchange(const char *client_password, const char *server_password, int which, size_t place)
{
	return bound_exchange(client_password, NULL, server_password, which, place, (struct scram_binding){ 0 }, (struct scram_binding){ 0 });
}

static int bound(struct scram_binding client_side, struct scram_binding server_side)
{
	return bound_exchange("secret", NULL, "secret", -1, 0, client_side, server_side);
}

static void a_bound_channel_must_be_the_same_on_both_sides(void **state)
{
	struct scram_binding used = { .used = true, .size = 32, .end_point = "one certificate" }, other = used, unused = used;
	struct scram_binding longest = { .used = true, .size = SCRAM_END_POINT_SIZE_MAX };

	other.end_point[31] ^= 1;
	unused.used = false;
	assert_int_equal(bound(used, used), 0);
	assert_int_equal(bound(longest, longest), 0);
	assert_int_equal(bound(used, other), ERR_AUTH_SPEC);
	assert_int_equal(bound((struct scram_binding){ 0 }, unused), 0);        /* a client that has none: 'n' */
	assert_int_equal(bound(unused, (struct scram_binding){ 0 }), 0);        /* 'y', and it is true */
	assert_int_equal(bound(unused, unused), ERR_AUTH_SPEC);                 /* 'y', because somebody between them took the offer away */
	assert_int_equal(bound(used, unused), ERR_PROTOCOL);                    /* the other mechanism was chosen */
	assert_int_equal(bound(unused, used), ERR_PROTOCOL);
}

static void the_keys_of_a_login_are_as_good_as_the_password_where_the_verifier_is_the_same(void **state)
{
	struct scram_verifier verifier, other;
	struct scram_keys keys, made;
	struct scram_binding none = { 0 };

	scram_verifier_make(SLICE_LIT("secret"), salt, sizeof(salt), 16, &verifier);
	scram_keys_make(SLICE_LIT("secret"), &verifier, &keys);
	assert_memory_equal(keys.verifier.stored_key, verifier.stored_key, SCRAM_KEY_SIZE);
	assert_int_equal(bound_exchange("", &keys, "secret", -1, 0, none, none), 0);
	assert_int_equal(bound_exchange("", &keys, "Secret", -1, 0, none, none), ERR_AUTH);
	scram_verifier_make(SLICE_LIT("secret"), salt, sizeof(salt), 17, &other);
	scram_keys_make(SLICE_LIT("secret"), &other, &made);
	assert_int_equal(bound_exchange("", &made, "secret", -1, 0, none, none), ERR_AUTH_SPEC);
	scram_verifier_make(SLICE_LIT("secret"), salt, sizeof(salt) - 1, 16, &other);
	scram_keys_make(SLICE_LIT("secret"), &other, &made);
	assert_int_equal(bound_exchange("", &made, "secret", -1, 0, none, none), ERR_AUTH_SPEC);
}

static void client_and_server_with_one_password_agree(void **state)
{
	assert_int_equal(exchange("secret", "secret", -1, 0), 0);
	assert_int_equal(exchange("p\xc3\xa4ssword, with = and %s", "p\xc3\xa4ssword, with = and %s", -1, 0), 0);
}

static void another_password_is_refused(void **state)
{
	assert_int_equal(exchange("Secret", "secret", -1, 0), ERR_AUTH);
	assert_int_equal(exchange("", "secret", -1, 0), ERR_AUTH);
}

/* One bit of any message changed: never an agreement. (The last places of base64 may hold bits that mean nothing.) */
static void a_changed_message_is_refused(void **state)
{
	static const size_t sizes[] = { 30, 80, 104, 46 };

	for (int which = 0; which < 4; which++)
		for (size_t place = which >= 2 ? 2 : 0; place < sizes[which]; place++)
			if (exchange("secret", "secret", which, place) == 0)
				fail_msg("message %d, changed %zu bytes before its end, is taken", which, place);
}

static void server_first_is_refused(const char *text)
{
	struct scram_server server = { .verifier = { .iterations = 4096, .salt_size = 16 } };

	if (scram_server_first(&server, slice_of(text), server_nonce, &out, NULL) != ERR_PROTOCOL)
		fail_msg("\"%s\" is taken as a client's first message", text);
}

static void malformed_first_messages_are_refused(void **state)
{
	char long_nonce[400];
	struct scram_server server = { 0 };

	server_first_is_refused("");
	server_first_is_refused("n");
	server_first_is_refused("n,,");
	server_first_is_refused("n,,n=user");
	server_first_is_refused("n,,n=user,r=");
	server_first_is_refused("n,,r=abc,n=user");
	server_first_is_refused("n,,m=ext,n=user,r=abc");
	server_first_is_refused("p=tls-server-end-point,,n=,r=abc");
	server_first_is_refused("n,a=other,n=,r=abc");
	server_first_is_refused("x,,n=,r=abc");
	snprintf(long_nonce, sizeof(long_nonce), "n,,n=,r=%0300d", 1);
	server_first_is_refused(long_nonce);
	assert_int_equal(scram_server_first(&server, (struct slice){ NULL, 0 }, server_nonce, &out, NULL), ERR_PROTOCOL);
	assert_int_equal(scram_server_first(&server, slice_make("n,,n=,r=a\0b", 11), server_nonce, &out, NULL), ERR_PROTOCOL);
	assert_int_equal(out.size, 0);
	assert_int_equal(scram_server_first(&server, SLICE_LIT("y,,n=,r=abc"), server_nonce, &out, NULL), 0);
}

static void malformed_final_messages_are_refused(void **state)
{
	static const char *const texts[] = {
		"", "c=biws", "r=" RFC_NONCE, "c=biws,r=" RFC_NONCE, "c=biws,r=" RFC_NONCE ",p=", "c=biws,r=" RFC_NONCE ",p=====",
		"c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndV==",        /* 31 bytes */
		"c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ",         /* no base64 */
		"c=biws,r=" RFC_NONCE ",p= HzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		"c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=\n\n\n\n",
		"c=eSws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",        /* another binding */
		"c=biws,r=x" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",       /* another nonce */
		"c=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", /* the client's alone */
		"c=biws,r=" RFC_NONCE ",x=1,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		RFC_CLIENT_FINAL ",x=1",
	};
	struct scram_server server = { .client_first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO", .server_first = RFC_SERVER_FIRST,
		.nonce = RFC_NONCE, .gs2_flag = 'n' };

	assert_int_equal(scram_verifier_read(slice_of(pencil), &server.verifier, NULL), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (scram_server_final(&server, slice_of(texts[i]), &out, NULL) != ERR_PROTOCOL)
			fail_msg("\"%s\" is taken", texts[i]);
	assert_int_equal(scram_server_final(&server, (struct slice){ NULL, 0 }, &out, NULL), ERR_PROTOCOL);
	assert_int_equal(out.size, 0);
}

static void a_node_that_makes_no_sense_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "r=" RFC_NONCE, "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==", "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
		"r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1", "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x",
		"r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i= 4096", "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967297",
		"r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999", "r=" RFC_NONCE ",s=,i=4096",
		"r=" RFC_NONCE ",s=*,i=4096", "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",      /* adds no nonce */
		"r=other%hvYDpWUa2RaTCAfuxFIlj,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	};
	struct scram_client client = { .client_first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO", .nonce = "rOprNGfwEbeRWgbNEkqO" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (scram_client_final(&client, SLICE_LIT("pencil"), NULL, slice_of(texts[i]), &out, NULL) != ERR_PROTOCOL)
			fail_msg("\"%s\" is taken", texts[i]);
	assert_int_equal(out.size, 0);
}

/* Zeros are what a client holds that has not answered yet: a node must not win by "proving" them. */
static void a_node_cannot_end_an_exchange_before_its_time(void **state)
{
	struct scram_client client = { 0 };

	assert_int_equal(scram_client_verify(&client, SLICE_LIT("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), NULL), ERR_AUTH);
	scram_client_first(&client, client_nonce, &out);
	assert_int_equal(scram_client_verify(&client, SLICE_LIT("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), NULL), ERR_AUTH);
	assert_int_equal(scram_client_verify(&client, SLICE_LIT("e=other-error"), NULL), ERR_AUTH);
}

static void a_servers_verifier_is_read(void **state)
{
	struct scram_verifier read, made;
	uint8_t rfc_salt[18];

	EVP_DecodeBlock(rfc_salt, (const unsigned char *)"W22ZaJ0SNY7soEsUEjb6gQ==", 24);
	scram_verifier_make(SLICE_LIT("pencil"), rfc_salt, 16, 4096, &made);
	assert_int_equal(scram_verifier_read(slice_of(pencil), &read, NULL), 0);
	assert_int_equal(read.iterations, 4096);
	assert_int_equal(read.salt_size, 16);
	assert_memory_equal(read.salt, rfc_salt, 16);
	assert_memory_equal(read.stored_key, made.stored_key, SCRAM_KEY_SIZE);
	assert_memory_equal(read.server_key, made.server_key, SCRAM_KEY_SIZE);
}

static void what_is_no_verifier_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "pencil", "SCRAM-SHA-256", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:", "md5d41d8cd98f00b204e9800998ecf8427e",
		"SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$-4294967295:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$4096x:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$4096:$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$4096:====$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:AAAA",
	};
	struct scram_verifier verifier;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (scram_verifier_read(slice_of(texts[i]), &verifier, NULL) != ERR_INVALID_VALUE)
			fail_msg("\"%s\" is taken", texts[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_out, drop_out)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_client_answers_as_rfc_7677_does),
		TEST(the_server_answers_as_rfc_7677_does),
		TEST(client_and_server_with_one_password_agree),
		TEST(another_password_is_refused),
		TEST(a_bound_channel_must_be_the_same_on_both_sides),
		TEST(the_keys_of_a_login_are_as_good_as_the_password_where_the_verifier_is_the_same),
		TEST(a_changed_message_is_refused),
		TEST(malformed_first_messages_are_refused),
		TEST(malformed_final_messages_are_refused),
		TEST(a_node_that_makes_no_sense_is_refused),
		TEST(a_node_cannot_end_an_exchange_before_its_time),
		TEST(a_servers_verifier_is_read),
		TEST(what_is_no_verifier_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
