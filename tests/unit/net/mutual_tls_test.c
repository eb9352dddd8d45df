#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "net/mutual_tls.h"

enum { FOR_LONG_S = 3600, FOR_NOW_S = 3 };

struct identity {
	char certificate[64], key[64];          /* paths */
	X509 *made;
	EVP_PKEY *pair;
};

static char folder[] = "/tmp/nanu-mutual-XXXXXX";
static struct identity ours, others, member, stranger, elsewhere, brief;

/* ---- certificates ---- */

/* issuer NULL: an authority. */
static void make_identity(struct identity *identity, const char *name, const char *made_out_for, long valid_s, const struct identity *issuer)
{
	static long serial;
	X509V3_CTX context;
	X509_EXTENSION *extension;
	FILE *file;

	identity->pair = EVP_EC_gen("P-256");
	identity->made = X509_new();
	snprintf(identity->certificate, sizeof(identity->certificate), "%s/%s.crt", folder, name);
	snprintf(identity->key, sizeof(identity->key), "%s/%s.key", folder, name);
	X509_set_version(identity->made, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(identity->made), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(identity->made), -60);
	X509_gmtime_adj(X509_getm_notAfter(identity->made), valid_s);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(identity->made), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(identity->made, X509_get_subject_name(issuer ? issuer->made : identity->made));
	X509_set_pubkey(identity->made, identity->pair);
	X509V3_set_ctx(&context, issuer ? issuer->made : identity->made, identity->made, NULL, NULL, 0);
	extension = issuer ? X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, made_out_for) :
		    X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints, "critical,CA:TRUE");
	X509_add_ext(identity->made, extension, -1);
	X509_EXTENSION_free(extension);
	assert_true(X509_sign(identity->made, issuer ? issuer->pair : identity->pair, EVP_sha256()) > 0);
	file = fopen(identity->certificate, "we");
	PEM_write_X509(file, identity->made);
	fclose(file);
	file = fopen(identity->key, "we");
	fchmod(fileno(file), 0600);
	PEM_write_PrivateKey(file, identity->pair, NULL, NULL, 0, NULL, NULL);
	fclose(file);
}

static void drop_identity(struct identity *identity)
{
	unlink(identity->certificate);
	unlink(identity->key);
	X509_free(identity->made);
	EVP_PKEY_free(identity->pair);
}

static int make_identities(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	make_identity(&ours, "ours", NULL, FOR_LONG_S, NULL);
	make_identity(&others, "others", NULL, FOR_LONG_S, NULL);
	make_identity(&member, "member", "IP:127.0.0.1", FOR_LONG_S, &ours);
	make_identity(&elsewhere, "elsewhere", "IP:127.0.0.2", FOR_LONG_S, &ours);
	make_identity(&stranger, "stranger", "IP:127.0.0.1", FOR_LONG_S, &others);
	return 0;
}

static int drop_identities(void **state)
{
	struct identity *all[] = { &ours, &others, &member, &stranger, &elsewhere, &brief };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		drop_identity(all[i]);
	rmdir(folder);
	return 0;
}

static struct mutual_tls *tls_of(const struct identity *identity, const struct identity *authority, enum tls_version version_min)
{
	struct tls_files files = { .version_min = version_min, .certificate = identity->certificate, .key = identity->key, .roots = authority->certificate };
	struct mutual_tls *tls = NULL;
	struct err err;

	if (mutual_tls_new(&files, &tls, &err) < 0)
		fail_msg("%s", err.message);
	return tls;
}

/* ---- who answers ---- */

static unsigned heard;                  /* requests that came as far as the handler; atomic */

static enum MHD_Result handle(void *argument, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *data,
			      size_t *size, void **place)
{
	static char text[] = "well";
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)argument, (void)url, (void)method, (void)version, (void)data, (void)size;
	__atomic_add_fetch(&heard, 1, __ATOMIC_RELAXED);
	if (!mutual_tls_knows(connection))
		return MHD_NO;
	if (!*place) {
		*place = text;
		return MHD_YES;         /* whom an answer has before the whole request is here, libmicrohttpd hangs up on */
	}
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_PERSISTENT);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static struct MHD_Daemon *answer(const struct mutual_tls *tls, char url[64])
{
	struct MHD_OptionItem options[MUTUAL_TLS_OPTIONS];
	struct MHD_Daemon *daemon;

	mutual_tls_answer(tls, options);
	daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_TLS, 0, NULL, NULL, handle, NULL, MHD_OPTION_ARRAY, options,
				  MHD_OPTION_END);
	assert_non_null(daemon);
	snprintf(url, 64, "https://127.0.0.1:%u/", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	__atomic_store_n(&heard, 0, __ATOMIC_RELAXED);
	return daemon;
}

/* ---- who asks ---- */

static size_t forget(char *data, size_t size, size_t count, void *argument)
{
	(void)data, (void)argument;
	return size * count;
}

/* tls NULL: it shows nothing, and believes everybody. */
static CURL *asker(const struct mutual_tls *tls, const char *url)
{
	CURL *curl = curl_easy_init();

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 5000L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, forget);
	if (tls) {
		mutual_tls_ask(tls, curl);
	} else {
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return curl;
}

static CURLcode ask_once(const struct mutual_tls *tls, const char *url)
{
	CURL *curl = asker(tls, url);
	CURLcode code = curl_easy_perform(curl);

	curl_easy_cleanup(curl);
	return code;
}

/* ---- the tests ---- */

static void test_members_hear_each_other(void **state)
{
	struct mutual_tls *tls = tls_of(&member, &ours, TLS_VERSION_1_2), *also = tls_of(&elsewhere, &ours, TLS_VERSION_1_3);
	char url[64];
	struct MHD_Daemon *daemon = answer(tls, url);

	(void)state;
	assert_int_equal(ask_once(tls, url), CURLE_OK);
	assert_int_equal(ask_once(also, url), CURLE_OK);
	MHD_stop_daemon(daemon);
	mutual_tls_free(also);
	mutual_tls_free(tls);
}

static void test_who_is_no_member_does_not_reach_a_handler(void **state)
{
	struct mutual_tls *tls = tls_of(&member, &ours, TLS_VERSION_1_2), *believing = tls_of(&stranger, &ours, TLS_VERSION_1_2);
	char url[64], plain[64];
	struct MHD_Daemon *daemon = answer(tls, url);

	(void)state;
	assert_int_not_equal(ask_once(believing, url), CURLE_OK);
	assert_int_not_equal(ask_once(NULL, url), CURLE_OK);
	snprintf(plain, sizeof(plain), "http%s", url + strlen("https"));
	assert_int_not_equal(ask_once(NULL, plain), CURLE_OK);
	assert_int_equal(heard, 0);
	MHD_stop_daemon(daemon);
	mutual_tls_free(believing);
	mutual_tls_free(tls);
}

static void test_who_answers_is_who_was_asked(void **state)
{
	const struct identity *identities[] = { &stranger, &elsewhere };
	struct mutual_tls *tls = tls_of(&member, &ours, TLS_VERSION_1_2);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct mutual_tls *theirs = tls_of(identities[i], &ours, TLS_VERSION_1_2);
		char url[64];
		struct MHD_Daemon *daemon = answer(theirs, url);

		assert_int_equal(ask_once(tls, url), CURLE_PEER_FAILED_VERIFICATION);
		assert_int_equal(heard, 0);
		MHD_stop_daemon(daemon);
		mutual_tls_free(theirs);
	}
	mutual_tls_free(tls);
}

static void test_nothing_is_said_plainly(void **state)
{
	struct mutual_tls *tls = tls_of(&member, &ours, TLS_VERSION_1_2);

	(void)state;
	assert_int_equal(ask_once(tls, "http://127.0.0.1:1/"), CURLE_UNSUPPORTED_PROTOCOL);
	mutual_tls_free(tls);
}

static void test_the_oldest_version_counts(void **state)
{
	struct mutual_tls *tls = tls_of(&member, &ours, TLS_VERSION_1_3);
	char url[64];
	struct MHD_Daemon *daemon = answer(tls, url);
	CURL *curl = asker(tls, url);

	(void)state;
	assert_int_equal(curl_easy_perform(curl), CURLE_OK);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2 | (long)CURL_SSLVERSION_MAX_TLSv1_2);
	assert_int_equal(curl_easy_perform(curl), CURLE_SSL_CONNECT_ERROR);
	curl_easy_cleanup(curl);
	MHD_stop_daemon(daemon);
	mutual_tls_free(tls);
}

static void test_a_certificate_that_expires_while_it_is_connected_is_of_no_more_use(void **state)
{
	struct mutual_tls *tls = tls_of(&member, &ours, TLS_VERSION_1_2), *theirs;
	char url[64];
	struct MHD_Daemon *daemon = answer(tls, url);
	CURL *curl;
	CURLcode code;
	long connects;

	(void)state;
	make_identity(&brief, "brief", "IP:127.0.0.1", FOR_NOW_S, &ours);
	theirs = tls_of(&brief, &ours, TLS_VERSION_1_2);
	curl = asker(theirs, url);
	assert_int_equal(curl_easy_perform(curl), CURLE_OK);
	assert_int_equal(curl_easy_perform(curl), CURLE_OK);
	curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
	assert_int_equal(connects, 0);          /* it goes on with the same one */
	for (unsigned i = 0; (code = curl_easy_perform(curl)) == CURLE_OK; i++) {
		assert_true(i < 10 * 10 * FOR_NOW_S);
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	}
	assert_int_not_equal(code, CURLE_OPERATION_TIMEDOUT);
	curl_easy_cleanup(curl);
	MHD_stop_daemon(daemon);
	mutual_tls_free(theirs);
	mutual_tls_free(tls);
}

static void test_files_that_are_of_no_use_are_refused(void **state)
{
	const struct { const char *certificate, *key, *roots, *reason; } cases[] = {
		{ "/nonexistent", member.key, ours.certificate, "cannot load certificate file \"/nonexistent\"" },
		{ member.certificate, "/nonexistent", ours.certificate, "cannot read private key file \"/nonexistent\"" },
		{ member.certificate, stranger.key, ours.certificate, "key values mismatch" },
		{ member.certificate, member.key, member.key, "cannot load root certificate file" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_files files = { .certificate = cases[i].certificate, .key = cases[i].key, .roots = cases[i].roots };
		struct mutual_tls *tls = NULL;
		struct err err;

		assert_int_equal(mutual_tls_new(&files, &tls, &err), ERR_CONFIG);
		assert_null(tls);
		if (!strstr(err.message, cases[i].reason))
			fail_msg("%s", err.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_hear_each_other),
		cmocka_unit_test(test_who_is_no_member_does_not_reach_a_handler),
		cmocka_unit_test(test_who_answers_is_who_was_asked),
		cmocka_unit_test(test_nothing_is_said_plainly),
		cmocka_unit_test(test_the_oldest_version_counts),
		cmocka_unit_test(test_a_certificate_that_expires_while_it_is_connected_is_of_no_more_use),
		cmocka_unit_test(test_files_that_are_of_no_use_are_refused),
	};

	return cmocka_run_group_tests(tests, make_identities, drop_identities);
}
