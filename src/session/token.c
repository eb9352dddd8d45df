#include "session/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "place/hash.h"
#include "proto/frame.h"

enum {
	VERSION = 1, HEAD_SIZE = 2, POSITION_SIZE = 28, SIGNATURE_SIZE = 16,
	BYTES_MAX = HEAD_SIZE + SHARDS_MAX * POSITION_SIZE + SIGNATURE_SIZE,
	TEXT_MAX = (BYTES_MAX + 2) / 3 * 4,
};

static void sign(const uint8_t key[TOKEN_KEY_SIZE], const char *bytes, size_t size, uint8_t ret_signature[EVP_MAX_MD_SIZE])
{
	unsigned signature_size;

	if (!HMAC(EVP_sha256(), key, TOKEN_KEY_SIZE, (const unsigned char *)bytes, size, ret_signature, &signature_size))
		mem_die(size);
}

/* Between base64 and base64url, which has no padding. */
static void swap_letters(char *text, char plus, char slash, char to_plus, char to_slash)
{
	for (; *text; text++)
		*text = *text == plus ? to_plus : *text == slash ? to_slash : *text;
}

const char *token_write(struct arena *arena, const uint8_t key[TOKEN_KEY_SIZE], const struct token *token)
{
	uint8_t signature[EVP_MAX_MD_SIZE];
	char storage[BYTES_MAX], *text = arena_alloc(arena, TEXT_MAX + 1);
	struct buf out;

	buf_init_on(&out, storage, sizeof(storage));
	buf_add_u8(&out, VERSION);
	buf_add_u8(&out, (uint8_t)token->count);
	for (size_t i = 0; i < token->count; i++) {
		buf_add_u64(&out, token->positions[i].shard);
		buf_add_u64(&out, token->positions[i].system);
		buf_add_u32(&out, token->positions[i].timeline);
		buf_add_u64(&out, token->positions[i].lsn);
	}
	sign(key, out.data, out.size, signature);
	buf_add(&out, signature, SIGNATURE_SIZE);
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)out.data, (int)out.size);
	buf_release(&out);
	text[strcspn(text, "=")] = 0;
	swap_letters(text, '+', '/', '-', '_');
	return text;
}

/* How many bytes they are; 0: it is no base64url. */
static size_t decode(const char *text, char ret_bytes[TEXT_MAX])
{
	size_t size = strlen(text), padding = (4 - size % 4) % 4;
	char padded[TEXT_MAX + 1];
	int decoded;

	if (!size || size + padding > TEXT_MAX || padding == 3 ||
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != size)
		return 0;
	memcpy(padded, text, size);
	memcpy(padded + size, "===", padding);
	padded[size + padding] = 0;
	swap_letters(padded, '-', '_', '+', '/');
	decoded = EVP_DecodeBlock((unsigned char *)ret_bytes, (const unsigned char *)padded, (int)(size + padding));
	return decoded < 0 ? 0 : (size_t)decoded - padding;
}

static uint64_t read_u64(struct cursor *cursor)
{
	uint64_t high = cursor_u32(cursor);

	return high << 32 | cursor_u32(cursor);
}

int token_read(const uint8_t key[TOKEN_KEY_SIZE], const char *text, struct token *ret_token, struct err *err)
{
	uint8_t signature[EVP_MAX_MD_SIZE];
	char bytes[TEXT_MAX];
	size_t size = decode(text, bytes), signed_size = size - SIGNATURE_SIZE;
	struct cursor cursor;

	if (size < HEAD_SIZE + SIGNATURE_SIZE)
		return err_set(err, ERR_INVALID_VALUE, "this is no token");
	sign(key, bytes, signed_size, signature);
	if (CRYPTO_memcmp(signature, bytes + signed_size, SIGNATURE_SIZE) != 0)
		return err_set(err, ERR_INVALID_VALUE, "the token is damaged, or of another database or store");
	cursor = cursor_of(slice_make(bytes, signed_size));
	if (cursor_u8(&cursor) != VERSION)
		return err_set(err, ERR_INVALID_VALUE, "the token is of another version of nanu");
	ret_token->count = cursor_u8(&cursor);
	if (ret_token->count > SHARDS_MAX || cursor_left(&cursor) != ret_token->count * POSITION_SIZE)
		return err_set(err, ERR_INVALID_VALUE, "this is no token");
	for (size_t i = 0; i < ret_token->count; i++) {
		struct token_position *position = &ret_token->positions[i];

		position->shard = read_u64(&cursor);
		position->system = read_u64(&cursor);
		position->timeline = cursor_u32(&cursor);
		position->lsn = read_u64(&cursor);
	}
	return 0;
}

uint64_t token_shard(const char *name)
{
	return hash_bytes_extended(name, strlen(name), 0);
}

const struct token_position *token_find(const struct token *token, uint64_t shard, uint64_t system)
{
	for (size_t i = 0; i < token->count; i++)
		if (token->positions[i].shard == shard && token->positions[i].system == system)
			return &token->positions[i];
	return NULL;
}
