/* scram: SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL speaks it, both sides, with the channel binding
 * tls-server-end-point (RFC 5929) where there is TLS.
 *
 * Pure: bytes in, bytes out; nonces come from the caller. Passwords are taken as bytes: SASLprep leaves ASCII unchanged, and other
 * passwords are not normalised.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum { SCRAM_KEY_SIZE = 32, SCRAM_END_POINT_SIZE_MAX = 64, SCRAM_SALT_SIZE_MAX = 64, SCRAM_NONCE_SIZE = 18, SCRAM_TEXT_MAX = 1024 };

/* Of the verifiers that are made here. Fuzzers need not take that long; the name is libFuzzer's own. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
enum { SCRAM_ITERATIONS = 1 };
#else
enum { SCRAM_ITERATIONS = 4096 };
#endif

struct scram_verifier {
	uint32_t iterations;
	uint8_t salt[SCRAM_SALT_SIZE_MAX];
	size_t salt_size;
	uint8_t stored_key[SCRAM_KEY_SIZE];
	uint8_t server_key[SCRAM_KEY_SIZE];
};

/* "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", as in pg_authid.rolpassword. ERR_INVALID_VALUE. */
must_use int scram_verifier_read(struct slice text, struct scram_verifier *ret_verifier, struct err *err);
void scram_verifier_make(struct slice password, const uint8_t *salt, size_t salt_size, uint32_t iterations,
			 struct scram_verifier *ret_verifier);

/* What somebody holds whose own login was watched: enough to log in where the same verifier is, and there only. */
struct scram_keys {
	struct scram_verifier verifier;
	uint8_t client_key[SCRAM_KEY_SIZE];
};

void scram_keys_make(struct slice password, const struct scram_verifier *verifier, struct scram_keys *ret_keys);

/* The hash of the server's certificate (net/tls.h). Both sides of a connection that has one offer SCRAM-SHA-256-PLUS. */
struct scram_binding {
	bool used;                      /* that mechanism was chosen */
	size_t size;                    /* 0: this connection has none */
	uint8_t end_point[SCRAM_END_POINT_SIZE_MAX];
};

/* Verifier and binding are filled by the caller before scram_server_first(). */
struct scram_server {
	struct scram_verifier verifier;
	struct scram_binding binding;
	uint8_t client_key[SCRAM_KEY_SIZE];     /* after scram_server_final() */
	char client_first_bare[SCRAM_TEXT_MAX];
	char server_first[SCRAM_TEXT_MAX];
	char nonce[256];
	char gs2_flag;                  /* 'n', 'y' or 'p' */
};

/* Takes the client's first message, appends the server's first. ERR_PROTOCOL. ERR_AUTH_SPEC for a client that was made believe that this
 * side has no channel binding (RFC 5802, section 6: a downgrade). */
must_use int scram_server_first(struct scram_server *server, struct slice client_first, const uint8_t nonce[SCRAM_NONCE_SIZE],
				struct buf *out, struct err *err);
/* Takes the client's final message, appends the server's final. ERR_AUTH when the proof is wrong, ERR_AUTH_SPEC when it was made for another
 * connection. */
must_use int scram_server_final(struct scram_server *server, struct slice client_final, struct buf *out, struct err *err);

struct scram_client {
	struct scram_binding binding;   /* filled by the caller before scram_client_first() */
	char client_first_bare[128];
	char nonce[64];
	bool answered;                  /* server_signature is there */
	uint8_t server_signature[SCRAM_KEY_SIZE];
};

void scram_client_first(struct scram_client *client, const uint8_t nonce[SCRAM_NONCE_SIZE], struct buf *out);
/* `keys`: used instead of the password unless NULL. ERR_PROTOCOL for a server message that makes no sense, ERR_AUTH_SPEC when the keys belong
 * to another verifier than the server's. */
must_use int scram_client_final(struct scram_client *client, struct slice password, const struct scram_keys *keys,
				struct slice server_first, struct buf *out, struct err *err);
/* ERR_AUTH when the server does not know the password either. */
must_use int scram_client_verify(const struct scram_client *client, struct slice server_final, struct err *err);
