/* token: a place in the histories of shards, as a text that a client carries to other connections, routers and devices. Pure.
 *
 * Positions of the shards' WAL, each with the system identifier of its servers and the timeline that it is on; signed (HMAC-SHA256, 128 bits), so that
 * nobody is sent to wait for what never was. Opaque to clients, and of this form: base64url (RFC 4648) of version (1), count (1), count × (system (8),
 * timeline (4), LSN (8)), signature (16), most significant byte first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/limits.h"

enum { TOKEN_KEY_SIZE = 32 };

struct token_position { uint64_t system; uint32_t timeline; uint64_t lsn; };

struct token {
	size_t count;                   /* at most SHARDS_MAX */
	struct token_position positions[SHARDS_MAX];
};

const char *token_write(struct arena *arena, const uint8_t key[TOKEN_KEY_SIZE], const struct token *token);
/* ERR_INVALID_VALUE: it is none, or was not signed with this key. */
must_use int token_read(const uint8_t key[TOKEN_KEY_SIZE], const char *text, struct token *ret_token, struct err *err);
/* Of a shard whose servers have this identifier; NULL: the token does not speak of it. */
const struct token_position *token_find(const struct token *token, uint64_t system);
