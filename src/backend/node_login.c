#include "backend/node_login.h"

#include <arpa/inet.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/pool.h"
#include "backend/users.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/env.h"
#include "net/tls.h"
#include "proto/message.h"
#include "topo/config.h"

struct node_login {
	char *node, *host;              /* its name, for people; what its certificate must be made out for */
	struct tls_context *context;    /* a reference: a reload may change the pool's; NULL: no TLS */
	enum node_tls mode;
	bool tls;                       /* tried on this connection */
	bool again;                     /* the other way may still be tried */
	struct scram_client scram;
	bool scram_begun, scram_verified;
};

struct node_login *node_login_new(const struct pool *pool)
{
	struct node_login *login = mem_calloc(1, sizeof(*login));

	login->node = mem_strdup(pool->node);
	login->host = mem_strdup(pool->host);
	/* As for libpq, TLS is for networks. */
	login->mode = pool->address.address.ss_family == AF_UNIX ? NODE_TLS_DISABLE : pool->pools->config->node_tls;
	login->context = login->mode == NODE_TLS_DISABLE ? NULL : tls_context_ref(pool->pools->config->node_tls_context);
	login->tls = login->mode >= NODE_TLS_PREFER;
	login->again = login->mode == NODE_TLS_ALLOW || login->mode == NODE_TLS_PREFER;
	return login;
}

void node_login_free(struct node_login *login)
{
	if (!login)
		return;
	tls_context_unref(login->context);
	mem_free(login->node);
	mem_free(login->host);
	explicit_bzero(login, sizeof(*login));
	mem_free(login);
}

bool node_login_asks_tls(const struct node_login *login)
{
	return login->tls;
}

bool node_login_knows_tls(const struct node_login *login)
{
	return login->context != NULL;
}

bool node_login_needs_tls(const struct node_login *login)
{
	return login->mode >= NODE_TLS_REQUIRE;
}

bool node_login_again(struct node_login *login, const char *sqlstate, bool tls_failed)
{
	if (!login->again || !(tls_failed || strcmp(sqlstate, "28000") == 0))
		return false;
	login->tls = !login->tls;
	login->again = false;
	login->scram_begun = login->scram_verified = false;
	return true;
}

int node_login_tls_answered(const struct node_login *login, struct stream *stream, bool must, struct slice answer, struct err *err)
{
	if (answer.size != 1)
		return err_set(err, ERR_PROTOCOL, "node \"%s\": received unencrypted data after SSL response", login->node);
	if (answer.data[0] == 'S')
		return tls_connect(stream, login->context, login->host, login->mode == NODE_TLS_VERIFY_FULL ? login->host : NULL, err);
	if (answer.data[0] != 'N')
		return err_set(err, ERR_CONNECT, "node \"%s\" answered the SSL request with neither yes nor no", login->node);
	if (!must)
		return 0;
	err_set(err, ERR_CONNECT, "node \"%s\" has no TLS, which node_tls requires", login->node);
	err_hint(err, "Set ssl = on at the node, or node_tls to prefer.");
	return err->code;
}

/* ---- authentication ---- */

static bool offers(struct slice mechanisms, const char *name)
{
	struct cursor cursor = cursor_of(mechanisms);

	for (;;) {
		struct slice found = cursor_cstr(&cursor);

		if (cursor.failed || found.size == 0)
			return false;
		if (slice_is(found, name))
			return true;
	}
}

/* SCRAM-SHA-256-PLUS where both sides can; libpq's rules, and its channel_binding. */
static int begin_scram(struct backend *backend, struct slice mechanisms, struct buf *text, struct err *err)
{
	enum channel_binding wanted = backend->pool->pools->config->node_channel_binding;
	const struct env *env = loop_env(backend->stream.loop);
	struct scram_client *scram = &backend->login->scram;
	bool plus = offers(mechanisms, "SCRAM-SHA-256-PLUS");
	uint8_t nonce[SCRAM_NONCE_SIZE];
	size_t begin;

	if (plus && !tls_is_on(&backend->stream))
		return err_set(err, ERR_PROTOCOL, "node \"%s\" offered SCRAM-SHA-256-PLUS on a connection without TLS", backend->pool->node);
	if (!plus && !offers(mechanisms, "SCRAM-SHA-256"))
		return err_set(err, ERR_UNSUPPORTED, "node \"%s\" offers no SASL mechanism that the router has (SCRAM-SHA-256)",
			       backend->pool->node);
	*scram = (struct scram_client){ 0 };
	if (wanted != CHANNEL_BINDING_DISABLE)
		scram->binding.size = tls_end_point(&backend->stream, scram->binding.end_point);
	scram->binding.used = plus && scram->binding.size;
	env->random(env->world, nonce, sizeof(nonce));
	buf_add_cstr(text, scram->binding.used ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256");
	buf_add_u32(text, 0);
	begin = text->size;
	scram_client_first(scram, nonce, text);
	if (!text->failed) {
		uint32_t size = htonl((uint32_t)(text->size - begin));

		memcpy(text->data + begin - 4, &size, sizeof(size));
	}
	backend->login->scram_begun = true;
	return 0;
}

static int go_on_scram(struct backend *backend, const struct user_secret *secret, struct slice server_first, struct buf *text, struct err *err)
{
	struct scram_keys keys = { .verifier = secret->verifier };
	int rc;

	memcpy(keys.client_key, secret->client_key, SCRAM_KEY_SIZE);
	rc = scram_client_final(&backend->login->scram, slice_of(secret->password), secret->has_password ? NULL : &keys, server_first, text, err);
	explicit_bzero(&keys, sizeof(keys));
	if (rc == ERR_AUTH_SPEC) {
		err_set(err, ERR_AUTH_SPEC, "node \"%s\" has another SCRAM verifier for user \"%s\" than the one that the user logged in with",
			backend->pool->node, backend->pool->user);
		err_hint(err, "Give the user the same verifier on every node (ALTER ROLE … PASSWORD 'SCRAM-SHA-256$…'), or put the password itself "
			      "into the users file.");
	}
	return rc;
}

static int answer_md5(struct backend *backend, const struct user_secret *secret, struct slice salt, struct buf *text, struct err *err)
{
	char hash[MD5_TEXT_SIZE], answer[MD5_TEXT_SIZE];
	int rc = 0;

	if (salt.size != MD5_SALT_SIZE)
		return err_set(err, ERR_PROTOCOL, "node \"%s\" sent a malformed authentication request", backend->pool->node);
	memcpy(hash, secret->md5, sizeof(hash));
	if (!secret->has_md5)
		rc = md5_hash(slice_of(secret->password), slice_of(backend->pool->user), hash, err);
	if (rc == 0)
		rc = md5_answer(hash, (const uint8_t *)salt.data, answer, err);
	if (rc == 0)
		buf_add_cstr(text, answer);
	explicit_bzero(hash, sizeof(hash));
	return rc;
}

static int lacks(const struct backend *backend, const char *what, struct err *err)
{
	err_set(err, ERR_AUTH_SPEC, "node \"%s\" asks for the password of user \"%s\", which the router does not have", backend->pool->node,
		backend->pool->user);
	err_hint(err, "%s", what);
	return err->code;
}

static int answer(struct backend *backend, uint32_t code, struct slice rest, const struct user_secret *secret, struct buf *text,
		  struct err *err)
{
	switch (code) {
	case AUTH_CODE_CLEARTEXT:
		if (!secret->has_password)
			return lacks(backend, "Put the password itself, not a verifier or a hash, into the users file.", err);
		buf_add_cstr(text, secret->password);
		return 0;
	case AUTH_CODE_MD5:
		if (!secret->has_password && !secret->has_md5)
			return lacks(backend, "Put the password itself, or its md5 hash, into the users file.", err);
		return answer_md5(backend, secret, rest, text, err);
	case AUTH_CODE_SASL:
		if (!secret->has_password && !secret->has_client_key)
			return lacks(backend, "Put the password itself, not a verifier, into the users file, or let the user log in with "
					      "scram-sha-256: that yields the keys.", err);
		return begin_scram(backend, rest, text, err);
	case AUTH_CODE_SASL_CONTINUE:
		if (!backend->login->scram_begun)
			return err_set(err, ERR_PROTOCOL, "node \"%s\" continued a SCRAM exchange that had not begun", backend->pool->node);
		return go_on_scram(backend, secret, rest, text, err);
	default:
		return err_set(err, ERR_UNSUPPORTED,
			       "node \"%s\" asks for authentication method %u; SCRAM-SHA-256, md5, password, cert and trust are supported",
			       backend->pool->node, code);
	}
}

static int authenticated(const struct backend *backend, struct err *err)
{
	const struct node_login *login = backend->login;

	if (login->scram_begun && !login->scram_verified)
		return err_set(err, ERR_AUTH, "node \"%s\" ended the SCRAM exchange before it had proven that it knows the password",
			       backend->pool->node);
	if (backend->pool->pools->config->node_channel_binding != CHANNEL_BINDING_REQUIRE || (login->scram_verified && login->scram.binding.used))
		return 0;
	err_set(err, ERR_AUTH_SPEC, "node \"%s\" let the router in without channel binding, which node_channel_binding requires",
		backend->pool->node);
	err_hint(err, "The node must ask for scram-sha-256, over TLS.");
	return err->code;
}

int node_login_authenticate(struct backend *backend, struct slice body, struct err *err)
{
	struct cursor cursor = cursor_of(body);
	uint32_t code = cursor_u32(&cursor);
	struct slice rest = slice_make(cursor.at, cursor_left(&cursor));
	struct user_secret secret;
	struct buf text, out;
	int rc;

	if (code == AUTH_CODE_OK)
		return authenticated(backend, err);
	if (code == AUTH_CODE_SASL_FINAL) {
		rc = scram_client_verify(&backend->login->scram, rest, err);
		backend->login->scram_verified = rc == 0;
		return rc;
	}
	if (backend->pool->pools->config->node_channel_binding == CHANNEL_BINDING_REQUIRE && code != AUTH_CODE_SASL && code != AUTH_CODE_SASL_CONTINUE)
		return authenticated(backend, err);     /* before the password is told */
	users_get(backend->pool->pools->users, backend->pool->user, &secret);
	buf_init(&text, AUTH_MESSAGE_SIZE_MAX);
	buf_init(&out, AUTH_MESSAGE_SIZE_MAX);
	rc = answer(backend, code, rest, &secret, &text, err);
	if (rc == 0 && code == AUTH_CODE_SASL && !backend->login->scram.binding.used &&
	    backend->pool->pools->config->node_channel_binding == CHANNEL_BINDING_REQUIRE)
		rc = authenticated(backend, err);
	user_secret_wipe(&secret);
	if (rc == 0) {
		message_password(&out, buf_slice(&text));
		backend_send(backend, buf_slice(&out));
	}
	if (text.size)
		explicit_bzero(text.data, text.size);
	if (out.size)
		explicit_bzero(out.data, out.size);
	buf_release(&text);
	buf_release(&out);
	return rc;
}
