#include "proto/scram.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "base/mem.h"

enum { SCRAM_ITERATIONS_MAX = 1000000 };

/* OpenSSL takes longer to find an algorithm by its name than to sign a text: it is asked once, and what it answered is copied. */
static EVP_MAC_CTX *hmac_new(void)
{
	static EVP_MAC_CTX *made;
	EVP_MAC_CTX *found = __atomic_load_n(&made, __ATOMIC_ACQUIRE), *none = NULL;
	OSSL_PARAM with_sha256[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0), OSSL_PARAM_construct_end() };
	EVP_MAC *mac;

	if (!found) {
		mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
		found = EVP_MAC_CTX_new(mac);
		EVP_MAC_free(mac);
		if (!found || !EVP_MAC_CTX_set_params(found, with_sha256)) {
			EVP_MAC_CTX_free(found);
			return NULL;
		}
		if (!__atomic_compare_exchange_n(&made, &none, found, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			EVP_MAC_CTX_free(found);        /* another thread was faster */
			found = none;
		}
	}
	return EVP_MAC_CTX_dup(found);
}

/* Of the parts one behind the other. */
static void hmac(const uint8_t key[SCRAM_KEY_SIZE], const struct slice *parts, size_t count, uint8_t out[SCRAM_KEY_SIZE])
{
	EVP_MAC_CTX *context = hmac_new();
	bool done = context && EVP_MAC_init(context, key, SCRAM_KEY_SIZE, NULL);
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		done = done && EVP_MAC_update(context, (const unsigned char *)parts[i].data, parts[i].size);
	if (!done || !EVP_MAC_final(context, out, &size, SCRAM_KEY_SIZE))
		mem_die(SCRAM_KEY_SIZE);
	EVP_MAC_CTX_free(context);
}

static void salted_password(struct slice password, const uint8_t *salt, size_t salt_size, uint32_t iterations,
			    uint8_t out[SCRAM_KEY_SIZE])
{
	PKCS5_PBKDF2_HMAC(password.data, (int)password.size, salt, (int)salt_size, (int)iterations, EVP_sha256(), SCRAM_KEY_SIZE, out);
}

static void add_base64(struct buf *out, const uint8_t *bytes, size_t size)
{
	char *room = buf_reserve(out, (size + 2) / 3 * 4 + 1);

	if (room)
		out->size += (size_t)EVP_EncodeBlock((unsigned char *)room, bytes, (int)size);
}

static bool is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* Decodes strict base64 into at most `out_max` bytes; -1 when it is not. */
static int read_base64(struct slice text, uint8_t *out, size_t out_max)
{
	uint8_t decoded[SCRAM_TEXT_MAX];
	int size;

	if (text.size == 0 || text.size % 4 || text.size / 4 * 3 > sizeof(decoded))
		return -1;
	/* EVP_DecodeBlock() also takes whitespace around it, and '=' anywhere. */
	for (size_t i = 0; i < text.size; i++)
		if (!is_base64(text.data[i]) && !(text.data[i] == '=' && (i + 1 == text.size || (i + 2 == text.size && text.data[i + 1] == '='))))
			return -1;
	size = EVP_DecodeBlock(decoded, (const unsigned char *)text.data, (int)text.size);
	if (size < 0)
		return -1;
	for (size_t i = text.size; i > text.size - 2 && text.data[i - 1] == '='; i--)
		size--;
	if ((size_t)size > out_max)
		return -1;
	memcpy(out, decoded, (size_t)size);
	return size;
}

/* The next part up to `stop` (or the end); moves `text` behind it. */
static struct slice part(struct slice *text, char stop)
{
	const char *data = text->size ? text->data : "", *end = memchr(data, stop, text->size);
	struct slice found = { data, end ? (size_t)(end - data) : text->size };
	size_t skip = end ? found.size + 1 : found.size;

	*text = slice_make(data + skip, text->size - skip);
	return found;
}

/* The value of the next attribute, which must be `name`; false otherwise. */
static bool attribute(struct slice *text, char name, struct slice *ret_value)
{
	struct slice found = part(text, ',');

	if (found.size < 2 || found.data[0] != name || found.data[1] != '=')
		return false;
	*ret_value = slice_make(found.data + 2, found.size - 2);
	return true;
}

/* Digits alone, from 1 to SCRAM_ITERATIONS_MAX; 0 when it is something else. */
static uint32_t read_iterations(struct slice text)
{
	uint32_t number = 0;

	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return 0;
		number = number * 10 + (uint32_t)(text.data[i] - '0');
		if (number > SCRAM_ITERATIONS_MAX)
			return 0;
	}
	return number;
}

/* ---- verifiers ---- */

int scram_verifier_read(struct slice text, struct scram_verifier *ret_verifier, struct err *err)
{
	struct slice scheme = part(&text, '$'), iterations = part(&text, ':'), salt = part(&text, '$'), stored = part(&text, ':');
	int salt_size;

	ret_verifier->iterations = read_iterations(iterations);
	salt_size = read_base64(salt, ret_verifier->salt, sizeof(ret_verifier->salt));
	ret_verifier->salt_size = (size_t)salt_size;
	if (!slice_is(scheme, "SCRAM-SHA-256") || ret_verifier->iterations == 0 || salt_size <= 0 ||
	    read_base64(stored, ret_verifier->stored_key, SCRAM_KEY_SIZE) != SCRAM_KEY_SIZE ||
	    read_base64(text, ret_verifier->server_key, SCRAM_KEY_SIZE) != SCRAM_KEY_SIZE)
		return err_set(err, ERR_INVALID_VALUE, "not a SCRAM-SHA-256 verifier");
	return 0;
}

static void keys(const uint8_t salted[SCRAM_KEY_SIZE], uint8_t client_key[SCRAM_KEY_SIZE], uint8_t stored_key[SCRAM_KEY_SIZE],
		 uint8_t server_key[SCRAM_KEY_SIZE])
{
	hmac(salted, &SLICE_LIT("Client Key"), 1, client_key);
	SHA256(client_key, SCRAM_KEY_SIZE, stored_key);
	hmac(salted, &SLICE_LIT("Server Key"), 1, server_key);
}

void scram_verifier_make(struct slice password, const uint8_t *salt, size_t salt_size, uint32_t iterations,
			 struct scram_verifier *ret_verifier)
{
	uint8_t salted[SCRAM_KEY_SIZE], client_key[SCRAM_KEY_SIZE];

	if (salt != ret_verifier->salt)
		memcpy(ret_verifier->salt, salt, salt_size);
	ret_verifier->salt_size = salt_size;
	ret_verifier->iterations = iterations;
	salted_password(password, salt, salt_size, iterations, salted);
	keys(salted, client_key, ret_verifier->stored_key, ret_verifier->server_key);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client_key, sizeof(client_key));
}

void scram_keys_make(struct slice password, const struct scram_verifier *verifier, struct scram_keys *ret_keys)
{
	uint8_t salted[SCRAM_KEY_SIZE];

	ret_keys->verifier = *verifier;
	salted_password(password, verifier->salt, verifier->salt_size, verifier->iterations, salted);
	keys(salted, ret_keys->client_key, ret_keys->verifier.stored_key, ret_keys->verifier.server_key);
	explicit_bzero(salted, sizeof(salted));
}

/* ---- channel binding ---- */

static const char end_point_flag[] = "p=tls-server-end-point";

/* The value of `c=`: the header of the client's first message, and what binds the channel when it is bound. */
static void add_channel(struct buf *out, char flag, const struct scram_binding *binding)
{
	uint8_t bytes[sizeof(end_point_flag) + 2 + SCRAM_END_POINT_SIZE_MAX];
	size_t size = 0;

	if (flag == 'p') {
		memcpy(bytes, end_point_flag, sizeof(end_point_flag) - 1);
		size = sizeof(end_point_flag) - 1;
	} else {
		bytes[size++] = (uint8_t)flag;
	}
	bytes[size++] = ',';
	bytes[size++] = ',';
	if (flag == 'p') {
		memcpy(bytes + size, binding->end_point, binding->size);
		size += binding->size;
	}
	add_base64(out, bytes, size);
}

static int check_flag(const struct scram_binding *binding, struct slice flag, struct err *err)
{
	if (slice_is(flag, "n") || slice_is(flag, "y")) {
		if (binding->used)
			return err_set(err, ERR_PROTOCOL, "malformed SCRAM message: it lacks the channel binding of SCRAM-SHA-256-PLUS");
		if (flag.data[0] == 'y' && binding->size) {
			err_set(err, ERR_AUTH_SPEC, "SCRAM channel binding negotiation error");
			err_detail(err, "The client supports SCRAM channel binding but thinks the server does not. However, this server does "
					"support channel binding.");
			return ERR_AUTH_SPEC;
		}
		return 0;
	}
	if (flag.size < 2 || flag.data[0] != 'p' || flag.data[1] != '=')
		return err_set(err, ERR_PROTOCOL, "malformed SCRAM message");
	if (!binding->used)
		return err_set(err, ERR_PROTOCOL, "malformed SCRAM message: SCRAM-SHA-256 has no channel binding");
	if (!slice_is(flag, end_point_flag))
		return err_set(err, ERR_PROTOCOL, "unsupported SCRAM channel-binding type; tls-server-end-point is supported");
	return 0;
}

/* ---- server ---- */

int scram_server_first(struct scram_server *server, struct slice client_first, const uint8_t nonce[SCRAM_NONCE_SIZE], struct buf *out,
		       struct err *err)
{
	struct slice rest = client_first, flag = part(&rest, ','), authzid = part(&rest, ','), bare = rest, user, client_nonce;
	struct buf text;
	int rc = check_flag(&server->binding, flag, err);

	if (rc < 0)
		return rc;
	if (authzid.size != 0)
		return err_set(err, ERR_PROTOCOL, "malformed SCRAM message: an authorization identity is not supported");
	if (!attribute(&rest, 'n', &user) || !attribute(&rest, 'r', &client_nonce) || client_nonce.size == 0 || client_nonce.size > 200 ||
	    bare.size >= sizeof(server->client_first_bare) || memchr(client_first.data, '\0', client_first.size))
		return err_set(err, ERR_PROTOCOL, "malformed SCRAM message");
	server->gs2_flag = flag.data[0];
	memcpy(server->client_first_bare, bare.data, bare.size);
	server->client_first_bare[bare.size] = '\0';

	buf_init(&text, SCRAM_TEXT_MAX - 1);
	buf_add_slice(&text, client_nonce);
	add_base64(&text, nonce, SCRAM_NONCE_SIZE);
	memcpy(server->nonce, text.data, text.size);
	server->nonce[text.size] = '\0';
	buf_clear(&text);
	buf_printf(&text, "r=%s,s=", server->nonce);
	add_base64(&text, server->verifier.salt, server->verifier.salt_size);
	buf_printf(&text, ",i=%u", server->verifier.iterations);
	memcpy(server->server_first, text.data, text.size);
	server->server_first[text.size] = '\0';
	buf_add_slice(out, buf_slice(&text));
	buf_release(&text);
	return 0;
}

static void sign(const uint8_t key[SCRAM_KEY_SIZE], const char *first_bare, struct slice server_first, struct slice final_without_proof,
		 uint8_t out[SCRAM_KEY_SIZE])
{
	const struct slice comma = SLICE_LIT(","), parts[] = { slice_of(first_bare), comma, server_first, comma, final_without_proof };

	hmac(key, parts, sizeof(parts) / sizeof(parts[0]), out);
}

int scram_server_final(struct scram_server *server, struct slice client_final, struct buf *out, struct err *err)
{
	struct slice rest = client_final, binding, nonce, proof_text, without_proof;
	uint8_t signature[SCRAM_KEY_SIZE], proof[SCRAM_KEY_SIZE], stored[SCRAM_KEY_SIZE];
	struct buf channel;
	bool same_channel;

	if (client_final.size >= SCRAM_TEXT_MAX || !attribute(&rest, 'c', &binding) || !attribute(&rest, 'r', &nonce))
		return err_set(err, ERR_PROTOCOL, "malformed SCRAM message");
	without_proof = slice_make(client_final.data, (size_t)(nonce.data + nonce.size - client_final.data));
	buf_init(&channel, SCRAM_TEXT_MAX);
	add_channel(&channel, server->gs2_flag, &server->binding);
	same_channel = slice_eq(binding, buf_slice(&channel));
	buf_release(&channel);
	if (!same_channel && server->gs2_flag == 'p')
		return err_set(err, ERR_AUTH_SPEC, "SCRAM channel binding check failed");
	if (!same_channel || !slice_is(nonce, server->nonce) || !attribute(&rest, 'p', &proof_text) ||
	    read_base64(proof_text, proof, SCRAM_KEY_SIZE) != SCRAM_KEY_SIZE || rest.size)
		return err_set(err, ERR_PROTOCOL, "malformed SCRAM message");
	sign(server->verifier.stored_key, server->client_first_bare, slice_of(server->server_first), without_proof, signature);
	for (int i = 0; i < SCRAM_KEY_SIZE; i++)
		server->client_key[i] = proof[i] ^ signature[i];
	SHA256(server->client_key, SCRAM_KEY_SIZE, stored);
	if (CRYPTO_memcmp(stored, server->verifier.stored_key, SCRAM_KEY_SIZE) != 0)
		return err_set(err, ERR_AUTH, "password authentication failed");
	sign(server->verifier.server_key, server->client_first_bare, slice_of(server->server_first), without_proof, signature);
	buf_add_text(out, "v=");
	add_base64(out, signature, SCRAM_KEY_SIZE);
	return 0;
}

/* ---- client ---- */

void scram_client_first(struct scram_client *client, const uint8_t nonce[SCRAM_NONCE_SIZE], struct buf *out)
{
	struct buf text;

	client->answered = false;
	buf_init(&text, sizeof(client->nonce) - 1);
	add_base64(&text, nonce, SCRAM_NONCE_SIZE);
	snprintf(client->nonce, sizeof(client->nonce), "%.*s", SLICE_FMT(buf_slice(&text)));
	snprintf(client->client_first_bare, sizeof(client->client_first_bare), "n=,r=%s", client->nonce);
	buf_printf(out, "%s,,%s", client->binding.used ? end_point_flag : client->binding.size ? "y" : "n", client->client_first_bare);
	buf_release(&text);
}

int scram_client_final(struct scram_client *client, struct slice password, const struct scram_keys *known, struct slice server_first,
		       struct buf *out, struct err *err)
{
	struct slice rest = server_first, nonce, salt_text, count;
	struct scram_verifier asked = { 0 };
	struct scram_keys made;
	uint8_t signature[SCRAM_KEY_SIZE];
	struct buf text;
	int salt_size;
	uint32_t iterations;

	if (server_first.size >= SCRAM_TEXT_MAX || !attribute(&rest, 'r', &nonce) || !attribute(&rest, 's', &salt_text) ||
	    !attribute(&rest, 'i', &count))
		return err_set(err, ERR_PROTOCOL, "malformed SCRAM message from the node");
	iterations = read_iterations(count);
	salt_size = read_base64(salt_text, asked.salt, sizeof(asked.salt));
	if (nonce.size <= strlen(client->nonce) || memcmp(nonce.data, client->nonce, strlen(client->nonce)) != 0 || salt_size <= 0 ||
	    iterations == 0)
		return err_set(err, ERR_PROTOCOL, "malformed SCRAM message from the node");
	asked.iterations = iterations;
	asked.salt_size = (size_t)salt_size;
	if (known && (known->verifier.iterations != iterations || known->verifier.salt_size != asked.salt_size ||
		      memcmp(known->verifier.salt, asked.salt, asked.salt_size) != 0))
		return err_set(err, ERR_AUTH_SPEC, "the node has another SCRAM verifier than the one that the user logged in with");
	if (known)
		made = *known;
	else
		scram_keys_make(password, &asked, &made);
	buf_init(&text, SCRAM_TEXT_MAX);
	buf_add_text(&text, "c=");
	add_channel(&text, client->binding.used ? 'p' : client->binding.size ? 'y' : 'n', &client->binding);
	buf_printf(&text, ",r=%.*s", SLICE_FMT(nonce));
	sign(made.verifier.stored_key, client->client_first_bare, server_first, buf_slice(&text), signature);
	for (int i = 0; i < SCRAM_KEY_SIZE; i++)
		signature[i] ^= made.client_key[i];
	sign(made.verifier.server_key, client->client_first_bare, server_first, buf_slice(&text), client->server_signature);
	client->answered = true;
	buf_add_slice(out, buf_slice(&text));
	buf_add_text(out, ",p=");
	add_base64(out, signature, SCRAM_KEY_SIZE);
	buf_release(&text);
	explicit_bzero(&made, sizeof(made));
	return 0;
}

int scram_client_verify(const struct scram_client *client, struct slice server_final, struct err *err)
{
	struct slice rest = server_final, text;
	uint8_t signature[SCRAM_KEY_SIZE];

	if (!client->answered || !attribute(&rest, 'v', &text) || read_base64(text, signature, SCRAM_KEY_SIZE) != SCRAM_KEY_SIZE ||
	    CRYPTO_memcmp(signature, client->server_signature, SCRAM_KEY_SIZE) != 0)
		return err_set(err, ERR_AUTH, "the node could not prove that it knows the password");
	return 0;
}
