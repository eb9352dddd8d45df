#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "net/engine.h"
#include "net/tls_context.h"

enum { PLAIN_SIZE = 16 << 10 };         /* a record's */

_Static_assert((int)TLS_EARLY_SIZE_MAX <= (int)OUT_BLOCK_SIZE, "what is written early waits in one block");
_Static_assert(TLS_END_POINT_SIZE_MAX >= EVP_MAX_MD_SIZE, "any hash fits");

struct tls {
	SSL *ssl;
	struct stream *stream;
	struct slice in;                /* what the socket brought and OpenSSL has not taken yet */
	struct out_block *collected;    /* what the owner wrote and is not encrypted yet; NULL: nothing */
	struct later end_of_turn;       /* encrypt what was collected, or tell of a failure */
	bool open;                      /* the handshake is over */
	char *problem;                  /* why it failed */
};

static const struct stream_filter filter;

/* ---- OpenSSL's view of the socket ---- */

static int bio_write(BIO *bio, const char *data, int size)
{
	struct tls *tls = BIO_get_data(bio);

	stream_filter_write(tls->stream, slice_make(data, (size_t)size));
	return size;
}

static int bio_read(BIO *bio, char *out, int size)
{
	struct tls *tls = BIO_get_data(bio);
	size_t part = tls->in.size < (size_t)size ? tls->in.size : (size_t)size;

	BIO_clear_retry_flags(bio);
	if (part == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(out, tls->in.data, part);
	tls->in = slice_make(tls->in.data + part, tls->in.size - part);
	return (int)part;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	if (!bio_method || !BIO_meth_set_write(bio_method, bio_write) || !BIO_meth_set_read(bio_method, bio_read) ||
	    !BIO_meth_set_ctrl(bio_method, bio_ctrl))
		abort();        /* only without memory, at the program's first TLS connection */
}

/* ---- failing ---- */

/* The owner hears of it at the end of the turn, not from inside its own stream_write(). */
static void fail_for(struct tls *tls, const char *problem)
{
	if (!tls->problem)
		tls->problem = mem_strdup(problem);
	loop_later(tls->stream->loop, &tls->end_of_turn);
}

static void fail(struct tls *tls)
{
	bool verifying = !tls->open && SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE;
	long verified = verifying ? SSL_get_verify_result(tls->ssl) : X509_V_OK;
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	fail_for(tls, verified != X509_V_OK ? X509_verify_cert_error_string(verified) : reason ? reason : "protocol error");
	ERR_clear_error();
}

/* ---- to the socket ---- */

static void send_record(struct tls *tls, const char *data, size_t size)
{
	ERR_clear_error();
	if (!tls->problem && SSL_write(tls->ssl, data, (int)size) <= 0)
		fail(tls);      /* the socket takes everything: this is no waiting */
}

static void send_collected(struct tls *tls)
{
	struct out_block *block = tls->collected;

	if (!block || !tls->open)
		return;
	tls->collected = NULL;
	send_record(tls, block->data, block->end);
	loop_block_free(tls->stream->loop, block);
}

static void end_of_turn(struct later *later)
{
	struct tls *tls = CONTAINER_OF(later, struct tls, end_of_turn);

	send_collected(tls);
	if (tls->problem)
		stream_filter_ended(tls->stream, EPROTO);
}

static void write_plain(struct stream *stream, void *state, struct slice bytes)
{
	struct tls *tls = state;

	if (bytes.size == 0 || tls->problem)
		return;
	if (!tls->open && bytes.size > TLS_EARLY_SIZE_MAX - (tls->collected ? tls->collected->end : 0)) {
		fail_for(tls, "too much was written before the handshake was over");
		return;
	}
	if (tls->collected && bytes.size > OUT_BLOCK_SIZE - tls->collected->end)
		send_collected(tls);
	if (bytes.size > OUT_BLOCK_SIZE) {
		while (bytes.size > 0) {
			size_t part = bytes.size < INT32_MAX ? bytes.size : INT32_MAX;

			send_record(tls, bytes.data, part);
			bytes = slice_make(bytes.data + part, bytes.size - part);
		}
		return;
	}
	if (!tls->collected)
		tls->collected = loop_block_new(stream->loop);
	memcpy(tls->collected->data + tls->collected->end, bytes.data, bytes.size);
	tls->collected->end += (uint32_t)bytes.size;
	loop_later(stream->loop, &tls->end_of_turn);
}

/* The last words, and close_notify (RFC 8446, 6.1): the peer knows that nothing was cut off. */
static void finish(struct stream *stream, void *state)
{
	struct tls *tls = state;

	send_collected(tls);
	if (!tls->open || tls->problem)
		return;
	ERR_clear_error();
	if (SSL_shutdown(tls->ssl) < 0)
		ERR_clear_error();
}

/* ---- from the socket ---- */

static bool shake_hands(struct tls *tls)
{
	int rc;

	if (tls->stream->received_bytes > TLS_HANDSHAKE_SIZE_MAX) {
		fail_for(tls, "the handshake is too long");
		return false;
	}
	rc = SSL_do_handshake(tls->ssl);
	if (rc == 1) {
		tls->open = true;
		send_collected(tls);
		return true;
	}
	if (SSL_get_error(tls->ssl, rc) != SSL_ERROR_WANT_READ)
		fail(tls);
	return false;
}

static void receive(struct stream *stream, void *state, const char *data, size_t size)
{
	struct tls *tls = state;
	char plain[PLAIN_SIZE];
	int got = 1;

	if (tls->problem)
		return;
	tls->in = slice_make(data, size);
	ERR_clear_error();
	if (!tls->open && !shake_hands(tls))
		return;
	while (!stream->closing && !stream->finishing && !tls->problem) {
		got = SSL_read(tls->ssl, plain, sizeof(plain));
		if (got <= 0)
			break;
		stream_filter_received(stream, plain, (size_t)got);
		ERR_clear_error();
	}
	tls->in = (struct slice){ 0 };
	if (got > 0)
		return;
	switch (SSL_get_error(tls->ssl, got)) {
	case SSL_ERROR_WANT_READ:
		return;
	case SSL_ERROR_ZERO_RETURN:
		stream_filter_ended(stream, 0);
		return;
	default:
		fail(tls);
	}
}

static void release(void *state)
{
	struct tls *tls = state;

	loop_forget(tls->stream->loop, &tls->end_of_turn);
	if (tls->collected)
		loop_block_free(tls->stream->loop, tls->collected);
	SSL_free(tls->ssl);
	mem_free(tls->problem);
	mem_free(tls);
}

static const struct stream_filter filter = { write_plain, receive, finish, release };

/* ---- beginning ---- */

static struct tls *begin(struct stream *stream, struct tls_context *context)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct tls *tls;
	SSL *ssl;
	BIO *bio;

	pthread_once(&once, make_bio_method);
	ERR_clear_error();
	ssl = tls_context_connection(context);
	bio = BIO_new(bio_method);
	if (!ssl || !bio) {
		SSL_free(ssl);
		BIO_free(bio);
		return NULL;
	}
	tls = mem_calloc(1, sizeof(*tls));
	tls->ssl = ssl;
	tls->stream = stream;
	tls->end_of_turn.run = end_of_turn;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	stream_set_filter(stream, &filter, tls);
	return tls;
}

int tls_accept(struct stream *stream, struct tls_context *context, struct err *err)
{
	struct tls *tls = begin(stream, context);

	if (!tls)
		return err_set(err, ERR_NOMEM, "cannot begin TLS");
	SSL_set_accept_state(tls->ssl);
	return 0;
}

static bool is_address(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

int tls_connect(struct stream *stream, struct tls_context *context, const char *server_name, const char *host, struct err *err)
{
	struct tls *tls = begin(stream, context);
	X509_VERIFY_PARAM *param;
	bool set = true;

	if (!tls)
		return err_set(err, ERR_NOMEM, "cannot begin TLS");
	SSL_set_connect_state(tls->ssl);
	param = SSL_get0_param(tls->ssl);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (host)
		set = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(param, host) : X509_VERIFY_PARAM_set1_host(param, host, 0);
	if (set && server_name && !is_address(server_name))
		set = SSL_set_tlsext_host_name(tls->ssl, server_name);
	if (!set)
		return err_set(err, ERR_NOMEM, "cannot begin TLS");
	shake_hands(tls);
	return 0;
}

/* ---- what is known of it ---- */

static struct tls *tls_of(const struct stream *stream)
{
	return stream->filter == &filter ? stream->filter_state : NULL;
}

bool tls_is_on(const struct stream *stream)
{
	return tls_of(stream) != NULL;
}

const char *tls_problem(const struct stream *stream)
{
	const struct tls *tls = tls_of(stream);

	return tls ? tls->problem : NULL;
}

bool tls_peer_certificate(const struct stream *stream, char ret_name[TLS_NAME_SIZE])
{
	const struct tls *tls = tls_of(stream);
	X509 *certificate = tls && tls->open ? SSL_get1_peer_certificate(tls->ssl) : NULL;
	bool vouched_for = certificate && SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE && SSL_get_verify_result(tls->ssl) == X509_V_OK;
	int size;

	ret_name[0] = '\0';
	if (vouched_for) {
		size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, ret_name, TLS_NAME_SIZE);
		/* A zero within a name, or one that was cut off, would be taken for another name. */
		if (size < 0 || size >= TLS_NAME_SIZE - 1 || strlen(ret_name) != (size_t)size)
			ret_name[0] = '\0';
	}
	X509_free(certificate);
	return vouched_for;
}

size_t tls_end_point(const struct stream *stream, uint8_t ret_hash[TLS_END_POINT_SIZE_MAX])
{
	const struct tls *tls = tls_of(stream);
	X509 *peer = NULL, *certificate = NULL;
	const EVP_MD *digest = NULL;
	unsigned size = 0;
	int hash;

	if (!tls || !tls->open)
		return 0;
	if (SSL_is_server(tls->ssl))
		certificate = SSL_get_certificate(tls->ssl);
	else
		certificate = peer = SSL_get1_peer_certificate(tls->ssl);
	if (certificate && X509_get_signature_info(certificate, &hash, NULL, NULL, NULL) && hash != NID_undef)
		digest = hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
	if (!digest || !X509_digest(certificate, digest, ret_hash, &size))
		size = 0;
	X509_free(peer);
	ERR_clear_error();
	return size;
}
