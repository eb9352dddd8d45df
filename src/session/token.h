/* token: a place in the histories of shards, as a text that a client carries to other connections, routers and devices. Pure.
 *
 * Positions of the shards' WAL, each with the shard's name, the system identifier of its servers and the timeline that it is on; signed (HMAC-SHA256, 128 bits), so that
 * nobody is sent to wait for what never was. Opaque to clients, and of this form: base64url (RFC 4648) of version (1), count (1), count × (hash of the
 * name (8), system (8), timeline (4), LSN (8)), signature (16), most significant byte first. (Servers that are copies of each other have one system
 * identifier, and are different shards all the same.)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/limits.h"

enum { TOKEN_KEY_SIZE = 32 };

struct token_position { uint64_t shard, system; uint32_t timeline; uint64_t lsn; };

struct token {
	size_t count;                   /* at most SHARDS_MAX */
	struct token_position positions[SHARDS_MAX];
};

const char *token_write(struct arena *arena, const uint8_t key[TOKEN_KEY_SIZE], const struct token *token);
/* ERR_INVALID_VALUE: it is none, or was not signed with this key. */
must_use int token_read(const uint8_t key[TOKEN_KEY_SIZE], const char *text, struct token *ret_token, struct err *err);
/* What stands for the shard's name in a position. */
uint64_t token_shard(const char *name);
/* Of the shard on the servers with this identifier; NULL: the token does not speak of it. */
const struct token_position *token_find(const struct token *token, uint64_t shard, uint64_t system);
