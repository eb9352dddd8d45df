/* authenticate: a client proves who he is, by the rule that is meant for him.
 *
 * Source: PostgreSQL 15 documentation, 55.2.1 "Start-up", 55.3 "SASL Authentication", 21 "Client Authentication".
 */
#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/env.h"
#include "net/tls.h"
#include "session/job.h"
#include "session/login.h"
#include "session/session.h"
#include "topo/config.h"

_Static_assert((int)SCRAM_END_POINT_SIZE_MAX == (int)TLS_END_POINT_SIZE_MAX, "the hash of a certificate binds the channel");

/* ---- the rule ---- */

static int refuse(const struct session *session, const struct sockaddr *address, bool rejected, struct err *err)
{
	char host[INET6_ADDRSTRLEN] = "[local]";

	if (address->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, host, sizeof(host));
	else if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, host, sizeof(host));
	err_set(err, ERR_AUTH_SPEC, "%s host \"%s\", user \"%s\", database \"%s\", %s", rejected ? "a rule of hba rejects connections from" :
		"no rule of hba for", host, session->user, session->database_name, tls_is_on(&session->stream) ? "SSL encryption" : "no encryption");
	if (!rejected)
		err_hint(err, "Rules stand in \"hba\" of the router's configuration; the first that matches counts, and none does.%s",
			 tls_is_on(&session->stream) ? "" : " Some may take TLS only: try sslmode=require.");
	return err->code;
}

/* Whom note_peer() could not name is asked for again: he came by a Unix-domain socket, or has gone. */
static int peer_address(const struct session *session, struct sockaddr_storage *ret_address, struct err *err)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)ret_address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ret_address;
	socklen_t size = sizeof(*ret_address);

	*ret_address = (struct sockaddr_storage){ .ss_family = session->peer_family };
	if (session->peer_family == AF_INET)
		memcpy(&in->sin_addr, session->peer_address, sizeof(in->sin_addr));
	else if (session->peer_family == AF_INET6)
		memcpy(&in6->sin6_addr, session->peer_address, sizeof(in6->sin6_addr));
	else if (getpeername(session->stream.fd, (struct sockaddr *)ret_address, &size) < 0)
		return err_set(err, ERR_AUTH_SPEC, "the client went away");
	return 0;
}

static int find_rule(struct session *session, const struct hba_rule **ret_rule, struct err *err)
{
	const struct config *config = session->worker->config;
	struct sockaddr_storage address;
	const struct hba_client client = {
		.address = (const struct sockaddr *)&address, .tls = tls_is_on(&session->stream), .database = session->database_name,
		.user = session->user, .replication = session->replication == REPLICATION_PHYSICAL,
	};
	int rc = peer_address(session, &address, err);

	if (rc < 0)
		return rc;
	*ret_rule = hba_match(config->hba, config->hba_count, &client);
	if (!*ret_rule)
		return refuse(session, client.address, false, err);
	return (*ret_rule)->method == AUTH_REJECT ? refuse(session, client.address, true, err) : 0;
}

static int check_certificate(const struct session *session, enum client_certificate wanted, struct err *err)
{
	char name[TLS_NAME_SIZE];

	if (wanted == CLIENT_CERTIFICATE_NO)
		return 0;
	if (!tls_peer_certificate(&session->stream, name))
		return err_set(err, ERR_AUTH_SPEC, "connection requires a valid client certificate");
	if (wanted == CLIENT_CERTIFICATE_FULL && strcmp(name, session->user) != 0)
		return err_set(err, ERR_AUTH_SPEC, "certificate authentication failed for user \"%s\"", session->user);
	return 0;
}

/* ---- asking ---- */

static void ask(struct session *session, enum auth_code code, struct slice rest)
{
	struct buf out;

	buf_init(&out, AUTH_MESSAGE_SIZE_MAX);
	message_auth(&out, code, rest);
	session_write_buf(session, &out);
	buf_release(&out);
}

static void ask_scram(struct session *session)
{
	struct login *login = session->login;
	struct scram_server *scram = &login->scram;

	/* A user who is unknown, or has no verifier, goes through the same exchange, against one that nobody can satisfy. */
	if (login->secret.has_verifier)
		scram->verifier = login->secret.verifier;
	else
		users_mock(session->worker->services->users, session->user, &scram->verifier);
	scram->binding.size = tls_end_point(&session->stream, scram->binding.end_point);
	login->step = LOGIN_SASL_FIRST;
	if (scram->binding.size)
		ask(session, AUTH_CODE_SASL, slice_make("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0", 34));
	else
		ask(session, AUTH_CODE_SASL, slice_make("SCRAM-SHA-256\0", 15));
}

static int challenge(struct session *session, struct err *err)
{
	const struct env *env = loop_env(session->worker->loop);
	struct login *login = session->login;

	switch (login->method) {
	case AUTH_PASSWORD:
		login->step = LOGIN_PASSWORD;
		ask(session, AUTH_CODE_CLEARTEXT, (struct slice){ 0 });
		return 0;
	case AUTH_MD5:
		/* As in PostgreSQL: users who have a verifier, and unknown ones, are asked with SCRAM. */
		if (!login->secret.has_md5 && !login->secret.has_password) {
			ask_scram(session);
			return 0;
		}
		login->step = LOGIN_PASSWORD;
		login->md5 = true;
		env->random(env->world, login->md5_salt, sizeof(login->md5_salt));
		ask(session, AUTH_CODE_MD5, slice_make(login->md5_salt, sizeof(login->md5_salt)));
		return 0;
	case AUTH_SCRAM:
		ask_scram(session);
		return 0;
	case AUTH_TRUST:
	case AUTH_CERT:
	case AUTH_REJECT:
		break;
	}
	return err_set(err, ERR_INTERNAL, "no secret belongs to this method of authentication");
}

/* What a node said before a reload took auth_from_nodes away lets nobody in. */
static void find_secret(struct session *session)
{
	struct user_secret *secret = &session->login->secret;

	users_get(session->worker->services->users, session->user, secret);
	if (secret->fetched && !session->worker->config->auth_from_nodes)
		user_secret_wipe(secret);
}

/* Whether a node must be asked for the user's secret. */
static bool must_fetch(const struct session *session)
{
	const struct user_secret *secret = &session->login->secret;

	return session->worker->config->auth_from_nodes && (secret->fetched ? secret->stale : !secret->known);
}

int authenticate_start(struct session *session, struct err *err)
{
	struct login *login = session->login;
	const struct hba_rule *rule = NULL;
	int rc = find_rule(session, &rule, err);

	if (rc == 0)
		rc = check_certificate(session, rule->client_certificate, err);
	if (rc < 0)
		return rc;
	login->method = rule->method;
	if (login->method == AUTH_TRUST || login->method == AUTH_CERT) {
		login_authenticated(session);
		return 0;
	}
	find_secret(session);
	if (must_fetch(session)) {
		struct job *job = job_new(JOB_SECRET, session->worker->loop, session->number);

		login->step = LOGIN_SECRET;
		job->user = arena_strdup(&job->arena, session->user);
		job->database = arena_strdup(&job->arena, session->database_name);
		session->worker->services->submit(session->worker->services, job);
		return 0;
	}
	return challenge(session, err);
}

int authenticate_fetched(struct session *session, struct err *err)
{
	find_secret(session);
	return challenge(session, err);
}

/* ---- answers ---- */

static bool same(const void *a, const void *b, size_t size)
{
	return CRYPTO_memcmp(a, b, size) == 0;
}

/* The password itself. Takes the same time for users who are unknown. */
static int check_password(const struct session *session, struct slice given, struct err *err)
{
	struct login *login = session->login;
	struct users *users = session->worker->services->users;
	struct scram_verifier expected;
	struct scram_keys made;
	char hash[MD5_TEXT_SIZE];
	bool right;
	int rc;

	if (login->secret.has_md5) {
		rc = md5_hash(given, slice_of(session->user), hash, err);
		right = rc == 0 && same(hash, login->secret.md5, sizeof(hash));
		return rc < 0 ? rc : right ? 0 : ERR_AUTH;
	}
	if (login->secret.has_verifier)
		expected = login->secret.verifier;
	else
		users_mock(users, session->user, &expected);
	scram_keys_make(given, &expected, &made);
	right = same(made.verifier.stored_key, expected.stored_key, SCRAM_KEY_SIZE) && login->secret.has_verifier;
	if (right)
		users_learn(users, session->user, &made);
	explicit_bzero(&made, sizeof(made));
	explicit_bzero(&expected, sizeof(expected));
	return right ? 0 : ERR_AUTH;
}

static int check_md5(const struct session *session, struct slice given, struct err *err)
{
	const struct login *login = session->login;
	char hash[MD5_TEXT_SIZE], expected[MD5_TEXT_SIZE];
	int rc = 0;

	memcpy(hash, login->secret.md5, sizeof(hash));
	if (!login->secret.has_md5)
		rc = md5_hash(slice_of(login->secret.password), slice_of(session->user), hash, err);
	if (rc == 0)
		rc = md5_answer(hash, login->md5_salt, expected, err);
	if (rc == 0 && (given.size != sizeof(expected) - 1 || !same(given.data, expected, given.size)))
		rc = ERR_AUTH;
	explicit_bzero(hash, sizeof(hash));
	return rc;
}

static int password(struct session *session, struct slice body, struct err *err)
{
	struct cursor cursor = cursor_of(body);
	struct slice given = cursor_cstr(&cursor);

	if (cursor.failed || cursor_left(&cursor))
		return err_set(err, ERR_PROTOCOL, "invalid password packet size");
	if (given.size == 0)
		return err_set(err, ERR_AUTH, "empty password returned by client");
	return session->login->md5 ? check_md5(session, given, err) : check_password(session, given, err);
}

static int sasl_first(struct session *session, struct slice body, struct err *err)
{
	const struct env *env = loop_env(session->worker->loop);
	struct scram_server *scram = &session->login->scram;
	struct cursor cursor = cursor_of(body);
	struct slice mechanism = cursor_cstr(&cursor);
	uint32_t size = cursor_u32(&cursor);
	struct slice first = cursor_bytes(&cursor, size);
	uint8_t nonce[SCRAM_NONCE_SIZE];
	struct buf text;
	int rc;

	scram->binding.used = scram->binding.size && slice_is(mechanism, "SCRAM-SHA-256-PLUS");
	if (cursor.failed || !(scram->binding.used || slice_is(mechanism, "SCRAM-SHA-256")))
		return err_set(err, ERR_PROTOCOL, "client selected an invalid SASL authentication mechanism");
	env->random(env->world, nonce, sizeof(nonce));
	buf_init(&text, AUTH_MESSAGE_SIZE_MAX);
	rc = scram_server_first(scram, first, nonce, &text, err);
	if (rc == 0) {
		ask(session, AUTH_CODE_SASL_CONTINUE, buf_slice(&text));
		session->login->step = LOGIN_SASL_FINAL;
	}
	buf_release(&text);
	return rc;
}

static int sasl_final(struct session *session, struct slice body, struct err *err)
{
	struct login *login = session->login;
	struct scram_keys keys;
	struct buf text;
	int rc;

	buf_init(&text, AUTH_MESSAGE_SIZE_MAX);
	rc = scram_server_final(&login->scram, body, &text, err);
	if (rc == 0 && !login->secret.has_verifier)
		rc = ERR_AUTH;
	if (rc == 0) {
		keys.verifier = login->scram.verifier;
		memcpy(keys.client_key, login->scram.client_key, SCRAM_KEY_SIZE);
		users_learn(session->worker->services->users, session->user, &keys);
		explicit_bzero(&keys, sizeof(keys));
		ask(session, AUTH_CODE_SASL_FINAL, buf_slice(&text));
	}
	buf_release(&text);
	return rc;
}

int authenticate_message(struct session *session, const struct message *message, struct err *err)
{
	enum login_step step = session->login->step;
	int rc;

	if (message->type != 'p')
		return err_set(err, ERR_PROTOCOL, "expected password response, got message type %d", message->type);
	if (step == LOGIN_SASL_FIRST)
		return sasl_first(session, message->body, err);
	rc = step == LOGIN_SASL_FINAL ? sasl_final(session, message->body, err) : password(session, message->body, err);
	if (rc == 0)
		login_authenticated(session);
	if (rc != ERR_AUTH)
		return rc;
	users_doubt(session->worker->services->users, session->user);
	return err_set(err, ERR_AUTH, "password authentication failed for user \"%s\"", session->user);
}
