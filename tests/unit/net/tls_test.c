#include "world.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/tls_context.h"

enum { LARGE = 3 << 20 };

/* One end of a connection, which writes down what it hears. */
struct end {
	struct stream stream;
	char *got;
	size_t got_size;
	unsigned ended_count, closed_count;
	int error;
};

static struct end server, client;
static char folder[] = "/tmp/nanu-tls-XXXXXX", certificate[64], key[64], other_certificate[64], other_key[64];

static void received(struct stream *stream, const char *data, size_t size)
{
	struct end *end = CONTAINER_OF(stream, struct end, stream);

	assert_true(end->got_size + size <= LARGE + 100);
	memcpy(end->got + end->got_size, data, size);
	end->got_size += size;
}

static void ended(struct stream *stream, int error)
{
	struct end *end = CONTAINER_OF(stream, struct end, stream);

	end->ended_count++;
	end->error = error;
}

static void closed(struct stream *stream)
{
	CONTAINER_OF(stream, struct end, stream)->closed_count++;
}

static const struct stream_events events = { .received = received, .ended = ended, .closed = closed };

/* ---- certificates ---- */

static void make_identity(const char *name, char path[64], char key_path[64])
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	X509 *made = X509_new();
	X509_NAME *subject = X509_get_subject_name(made);
	X509V3_CTX context;
	X509_EXTENSION *extension;
	FILE *file;

	snprintf(path, 64, "%s/%s.crt", folder, name);
	snprintf(key_path, 64, "%s/%s.key", folder, name);
	X509_set_version(made, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
	X509_gmtime_adj(X509_getm_notBefore(made), -60);
	X509_gmtime_adj(X509_getm_notAfter(made), 3600);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(made, subject);
	X509_set_pubkey(made, pair);
	X509V3_set_ctx(&context, made, made, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, "DNS:node.example");
	X509_add_ext(made, extension, -1);
	assert_true(X509_sign(made, pair, EVP_sha384()) > 0);
	file = fopen(path, "we");
	PEM_write_X509(file, made);
	fclose(file);
	file = fopen(key_path, "we");
	fchmod(fileno(file), 0600);
	PEM_write_PrivateKey(file, pair, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	X509_EXTENSION_free(extension);
	X509_free(made);
	EVP_PKEY_free(pair);
}

static int make_identities(void **state)
{
	assert_non_null(mkdtemp(folder));
	make_identity("one", certificate, key);
	make_identity("other", other_certificate, other_key);
	return 0;
}

static int drop_identities(void **state)
{
	unlink(certificate);
	unlink(key);
	unlink(other_certificate);
	unlink(other_key);
	rmdir(folder);
	return 0;
}

/* ---- connections ---- */

static struct tls_context *serving, *connecting;

static struct tls_context *context_of(enum tls_role role, const char *shown, const char *shown_key, const char *roots)
{
	struct tls_files files = { .role = role, .certificate = shown, .key = shown_key, .roots = roots };
	struct tls_context *context;
	struct err err;

	if (tls_context_new(&files, &context, &err) < 0)
		fail_msg("%s", err.message);
	return context;
}

static void open_end(struct end *end, int fd)
{
	*end = (struct end){ .got = mem_alloc(LARGE + 100) };
	stream_init(&end->stream, loop, &events);
	stream_open(&end->stream, fd);
	stream_receive(&end->stream, true);
}

static void open_both(const char *roots, const char *host)
{
	int ours, theirs;

	serving = context_of(TLS_SERVER, certificate, key, NULL);
	connecting = context_of(TLS_CLIENT, NULL, NULL, roots);
	make_pair(true, &ours, &theirs);
	make_nonblocking(theirs);
	open_end(&server, ours);
	open_end(&client, theirs);
	assert_int_equal(tls_accept(&server.stream, serving, NULL), 0);
	assert_int_equal(tls_connect(&client.stream, connecting, host, host, NULL), 0);
}

static bool both_closed(void)
{
	return server.closed_count == 1 && client.closed_count == 1;
}

static void close_both(void)
{
	stream_close(&server.stream);
	stream_close(&client.stream);
	run_until(both_closed);
	mem_free(server.got);
	mem_free(client.got);
	tls_context_unref(serving);
	tls_context_unref(connecting);
}

static bool server_heard(void)
{
	return server.got_size >= 5;
}

static bool both_have_all(void)
{
	return server.got_size == LARGE && client.got_size == LARGE;
}

static bool client_ended(void)
{
	return client.ended_count > 0;
}

static void both_ways_whole_and_in_order(void **state)
{
	char *bytes = mem_alloc(LARGE);
	size_t at = 0;

	need_loop();
	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (char)roll(256);
	open_both(certificate, "node.example");
	stream_write(&client.stream, SLICE_LIT("early"));       /* before the handshake is over */
	run_until(server_heard);
	assert_memory_equal(server.got, "early", 5);
	server.got_size = 0;
	stream_write(&server.stream, slice_make(bytes, LARGE));
	while (at < LARGE) {
		size_t part = roll(10) ? roll(200) : roll(40000);

		if (part > LARGE - at)
			part = LARGE - at;
		stream_write(&client.stream, slice_make(bytes + at, part));
		at += part;
	}
	run_until(both_have_all);
	assert_memory_equal(server.got, bytes, LARGE);
	assert_memory_equal(client.got, bytes, LARGE);
	mem_free(bytes);
	close_both();
}

static void both_ends_bind_to_the_same_certificate(void **state)
{
	uint8_t one[TLS_END_POINT_SIZE_MAX], two[TLS_END_POINT_SIZE_MAX];
	char name[TLS_NAME_SIZE];

	need_loop();
	open_both(certificate, NULL);
	assert_int_equal(tls_end_point(&server.stream, one), 0);        /* not before the handshake is over */
	stream_write(&client.stream, SLICE_LIT("hello"));
	run_until(server_heard);
	assert_int_equal(tls_end_point(&server.stream, one), 48);       /* the certificate is signed with SHA-384 */
	assert_int_equal(tls_end_point(&client.stream, two), 48);
	assert_memory_equal(one, two, 48);
	assert_true(tls_peer_certificate(&client.stream, name));
	assert_string_equal(name, "one");
	assert_false(tls_peer_certificate(&server.stream, name));
	assert_string_equal(name, "");
	close_both();
}

static void refused_for(const char *roots, const char *host, const char *problem)
{
	need_loop();
	open_both(roots, host);
	stream_write(&client.stream, SLICE_LIT("secret"));
	run_until(client_ended);
	assert_int_equal(client.error, EPROTO);
	assert_string_equal(tls_problem(&client.stream), problem);
	run_turns(5);
	assert_int_equal(server.got_size, 0);
	assert_int_equal(client.ended_count, 1);
	close_both();
}

static void another_root_is_refused_and_nothing_is_said(void **state)
{
	refused_for(other_certificate, NULL, "self-signed certificate");
}

static void another_name_is_refused_and_nothing_is_said(void **state)
{
	refused_for(certificate, "elsewhere.example", "hostname mismatch");
}

static void last_words_arrive_before_the_end(void **state)
{
	need_loop();
	open_both(certificate, NULL);
	stream_write(&client.stream, SLICE_LIT("hello"));
	run_until(server_heard);
	stream_write(&server.stream, SLICE_LIT("last words"));
	stream_finish(&server.stream);
	run_until(client_ended);
	assert_int_equal(client.error, 0);
	assert_null(tls_problem(&client.stream));
	assert_int_equal(client.got_size, 10);
	close_both();
}

static void too_much_before_the_handshake_is_refused(void **state)
{
	static char bytes[TLS_EARLY_SIZE_MAX + 1];

	need_loop();
	open_both(certificate, NULL);
	stream_write(&client.stream, slice_make(bytes, sizeof(bytes)));
	assert_int_equal(client.ended_count, 0);                /* not from inside the call */
	run_until(client_ended);
	assert_int_equal(client.error, EPROTO);
	close_both();
}

static void a_context_may_go_before_its_connections(void **state)
{
	need_loop();
	open_both(certificate, NULL);
	tls_context_unref(serving);
	tls_context_unref(connecting);
	serving = connecting = NULL;
	stream_write(&client.stream, SLICE_LIT("hello"));
	run_until(server_heard);
	close_both();
}

static void files_that_do_not_fit_are_refused(void **state)
{
	struct tls_files files = { .role = TLS_SERVER, .certificate = certificate, .key = key };
	struct tls_context *context = NULL;

	assert_int_equal(tls_context_new(&(struct tls_files){ .certificate = other_certificate, .key = key }, &context, NULL), ERR_CONFIG);
	assert_int_equal(chmod(key, 0644), 0);
	assert_int_equal(tls_context_new(&files, &context, NULL), ERR_CONFIG);
	assert_int_equal(chmod(key, 0600), 0);
	assert_int_equal(tls_context_new(&files, &context, NULL), 0);
	tls_context_unref(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(both_ways_whole_and_in_order),
		ON_BOTH(both_ends_bind_to_the_same_certificate),
		ON_BOTH(another_root_is_refused_and_nothing_is_said),
		ON_BOTH(another_name_is_refused_and_nothing_is_said),
		ON_BOTH(last_words_arrive_before_the_end),
		ON_BOTH(too_much_before_the_handshake_is_refused),
		ON_BOTH(a_context_may_go_before_its_connections),
		cmocka_unit_test(files_that_do_not_fit_are_refused),
	};

	return cmocka_run_group_tests(tests, make_identities, drop_identities);
}
