#include "place/hash.h"

#include <endian.h>
#include <string.h>

/* Bob Jenkins' lookup3, public domain (http://burtleburtle.net/bob/c/lookup3.c), with PostgreSQL's start value. PostgreSQL's result on a
 * little-endian machine is the reference; words are read byte-order aware, so that every machine agrees with it. */
enum { HASH_ROUND_SIZE = 12 };
static const uint32_t HASH_START = 0x9e3779b9u + 3923095u;

struct state {
	uint32_t a, b, c;
};

static uint32_t rotate(uint32_t word, int bits)
{
	return (word << bits) | (word >> (32 - bits));
}

static void mix(struct state *s)
{
	s->a -= s->c, s->a ^= rotate(s->c, 4), s->c += s->b;
	s->b -= s->a, s->b ^= rotate(s->a, 6), s->a += s->c;
	s->c -= s->b, s->c ^= rotate(s->b, 8), s->b += s->a;
	s->a -= s->c, s->a ^= rotate(s->c, 16), s->c += s->b;
	s->b -= s->a, s->b ^= rotate(s->a, 19), s->a += s->c;
	s->c -= s->b, s->c ^= rotate(s->b, 4), s->b += s->a;
}

static uint64_t finish(struct state *s)
{
	s->c ^= s->b, s->c -= rotate(s->b, 14);
	s->a ^= s->c, s->a -= rotate(s->c, 11);
	s->b ^= s->a, s->b -= rotate(s->a, 25);
	s->c ^= s->b, s->c -= rotate(s->b, 16);
	s->a ^= s->c, s->a -= rotate(s->c, 4);
	s->b ^= s->a, s->b -= rotate(s->a, 14);
	s->c ^= s->b, s->c -= rotate(s->b, 24);
	return (uint64_t)s->b << 32 | s->c;
}

static struct state start(uint32_t size, uint64_t seed)
{
	struct state s = { HASH_START + size, HASH_START + size, HASH_START + size };

	if (seed != 0) {
		s.a += (uint32_t)(seed >> 32);
		s.b += (uint32_t)seed;
		mix(&s);
	}
	return s;
}

static uint32_t word_at(const unsigned char *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return le32toh(word);
}

uint64_t hash_bytes_extended(const void *bytes, size_t size, uint64_t seed)
{
	struct state s = start((uint32_t)size, seed);
	const unsigned char *at = bytes;
	unsigned char tail[HASH_ROUND_SIZE] = { 0 };

	for (; size >= HASH_ROUND_SIZE; at += HASH_ROUND_SIZE, size -= HASH_ROUND_SIZE) {
		s.a += word_at(at);
		s.b += word_at(at + 4);
		s.c += word_at(at + 8);
		mix(&s);
	}
	if (size)
		memcpy(tail, at, size);
	s.a += word_at(tail);
	s.b += word_at(tail + 4);
	s.c += word_at(tail + 8) << 8;          /* the lowest byte of c is the length's */
	return finish(&s);
}

uint64_t hash_uint32_extended(uint32_t value, uint64_t seed)
{
	struct state s = start(sizeof(value), seed);

	s.a += value;
	return finish(&s);
}

/* The high half is folded in so that values that fit int4 hash as hashint4extended does. */
uint64_t hash_int8_extended(int64_t value, uint64_t seed)
{
	uint32_t low = (uint32_t)value, high = (uint32_t)((uint64_t)value >> 32);

	return hash_uint32_extended(low ^ (value >= 0 ? high : ~high), seed);
}
