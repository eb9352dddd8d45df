/* scram: SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL speaks it, both sides, without channel binding.
 *
 * Pure: bytes in, bytes out; nonces come from the caller. Passwords are taken as bytes: SASLprep leaves ASCII unchanged, and other
 * passwords are not normalised.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum { SCRAM_KEY_SIZE = 32, SCRAM_SALT_SIZE_MAX = 64, SCRAM_NONCE_SIZE = 18, SCRAM_TEXT_MAX = 1024, SCRAM_ITERATIONS = 4096 };

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

struct scram_server {
	struct scram_verifier verifier;
	char client_first_bare[SCRAM_TEXT_MAX];
	char server_first[SCRAM_TEXT_MAX];
	char nonce[256];
	char gs2_header;                /* 'n' or 'y' */
};

/* Takes the client's first message, appends the server's first. ERR_PROTOCOL. */
must_use int scram_server_first(struct scram_server *server, struct slice client_first, const uint8_t nonce[SCRAM_NONCE_SIZE],
				struct buf *out, struct err *err);
/* Takes the client's final message, appends the server's final. ERR_AUTH when the proof is wrong. */
must_use int scram_server_final(struct scram_server *server, struct slice client_final, struct buf *out, struct err *err);

struct scram_client {
	char client_first_bare[128];
	char nonce[64];
	bool answered;                  /* server_signature is there */
	uint8_t server_signature[SCRAM_KEY_SIZE];
};

void scram_client_first(struct scram_client *client, const uint8_t nonce[SCRAM_NONCE_SIZE], struct buf *out);
/* ERR_PROTOCOL for a server message that makes no sense. */
must_use int scram_client_final(struct scram_client *client, struct slice password, struct slice server_first, struct buf *out,
				struct err *err);
/* ERR_AUTH when the server does not know the password either. */
must_use int scram_client_verify(const struct scram_client *client, struct slice server_final, struct err *err);
