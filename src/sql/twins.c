#include "sql/twins.h"

#include <endian.h>
#include <string.h>

#include <xxhash.h>

#include "base/mem.h"

enum { BUCKETS = 64, WAYS = 4, TEXT_SIZE_MAX = 512, LITERALS_MAX = 24, DIGITS_MAX = 18 };

struct twin {
	uint64_t key;
	struct fingerprint fingerprint;                 /* of the text that was asked for last */
	struct literal literals[LITERALS_MAX];
	struct literal first[LITERALS_MAX];             /* as they are in `text` */
	bool varies[LITERALS_MAX];
	uint32_t size;
	char text[TEXT_SIZE_MAX], normal[TEXT_SIZE_MAX];
};

struct twins {
	struct twin *twins[BUCKETS][WAYS];
	unsigned char next[BUCKETS];                    /* the way that goes for a new one */
};

struct twins *twins_new(void)
{
	return mem_calloc(1, sizeof(struct twins));
}

void twins_free(struct twins *twins)
{
	for (size_t i = 0; twins && i < BUCKETS; i++)
		for (size_t j = 0; j < WAYS; j++)
			mem_free(twins->twins[i][j]);
	mem_free(twins);
}

static bool in_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* The top bit of each byte of `eight` that is a digit or a quote. */
static uint64_t marks(uint64_t eight)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t digit = eight ^ ones * '0', quote = eight ^ ones * '\'';

	digit = ~(((digit & ~tops) + ones * (0x80 - 10)) | digit);
	quote = ~(((quote & ~tops) + ones * 0x7f) | quote);
	return (digit | quote) & tops;
}

/* Where the first literal that may vary could be. */
static size_t stem_size(struct slice sql)
{
	for (size_t i = 0; i < sql.size; i += 8) {
		uint64_t eight = 0, found;

		if (sql.size - i >= 8)
			memcpy(&eight, sql.data + i, 8);
		else
			memcpy(&eight, sql.data + i, sql.size - i);
		for (found = marks(le64toh(eight)); found; found &= found - 1) {
			size_t at = i + (size_t)__builtin_ctzll(found) / 8;

			if (at == 0 || !in_word(sql.data[at - 1]))
				return at;
		}
	}
	return sql.size;
}

static uint64_t key_of(struct slice sql)
{
	return XXH3_64bits(sql.data, stem_size(sql));
}

/* The size of the literal at `at` that could stand for `literal`; 0: none. */
static size_t other_size(const struct literal *literal, const char *at, const char *end)
{
	const char *close;
	size_t size = 0;

	if (literal->class == LITERAL_INTEGER) {
		while (at + size < end && at[size] >= '0' && at[size] <= '9')
			size++;
		return size <= DIGITS_MAX ? size : 0;
	}
	if (at == end || *at != '\'')
		return 0;
	close = memchr(at + 1, '\'', (size_t)(end - at - 1));
	if (!close || memchr(at + 1, '\\', (size_t)(close - at - 1)))
		return 0;
	return (size_t)(close + 1 - at);
}

static bool is_twin(struct twin *twin, struct slice sql)
{
	const char *at = sql.data, *end = sql.data + sql.size;
	uint32_t own = 0, sizes[LITERALS_MAX], shift = 0;
	size_t count = twin->fingerprint.literal_count;

	for (size_t i = 0; i < count; i++) {
		const struct literal *first = &twin->first[i];
		uint32_t gap = first->offset - own;

		if (!twin->varies[i])
			continue;
		if ((size_t)(end - at) < gap || memcmp(at, twin->text + own, gap) != 0)
			return false;
		at += gap;
		sizes[i] = (uint32_t)other_size(first, at, end);
		if (!sizes[i])
			return false;
		at += sizes[i];
		own = first->offset + first->size;
	}
	if ((size_t)(end - at) != twin->size - own || memcmp(at, twin->text + own, twin->size - own) != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		twin->literals[i].offset = twin->first[i].offset + shift;
		if (!twin->varies[i])
			continue;
		twin->literals[i].size = sizes[i];
		shift += sizes[i] - twin->first[i].size;        /* may be negative, and wrap */
	}
	return true;
}

const struct fingerprint *twins_find(struct twins *twins, struct slice sql, bool standard_strings)
{
	uint64_t key = key_of(sql);

	for (size_t i = 0; i < WAYS; i++) {
		struct twin *twin = twins->twins[key % BUCKETS][i];

		if (twin && twin->key == key && twin->fingerprint.standard_strings == standard_strings && is_twin(twin, sql))
			return &twin->fingerprint;
	}
	return NULL;
}

/* Whether the text may have another literal there, without the tokens around it becoming others. */
static bool may_vary(struct slice sql, const struct literal *literal)
{
	const char *at = sql.data + literal->offset, *end = sql.data + sql.size;
	size_t next = literal->offset + literal->size;

	if (literal->kept || (literal->class != LITERAL_INTEGER && literal->class != LITERAL_STRING) ||
	    other_size(literal, at, end) != literal->size)
		return false;
	return next == sql.size || (!in_word(sql.data[next]) && sql.data[next] != '.' && sql.data[next] != '\'');
}

void twins_add(struct twins *twins, struct slice sql, const struct fingerprint *fingerprint)
{
	uint64_t key = key_of(sql);
	struct twin **place = &twins->twins[key % BUCKETS][twins->next[key % BUCKETS]], *twin;

	if (sql.size > TEXT_SIZE_MAX || fingerprint->normal.size > TEXT_SIZE_MAX || fingerprint->literal_count > LITERALS_MAX)
		return;
	twins->next[key % BUCKETS] = (unsigned char)((twins->next[key % BUCKETS] + 1) % WAYS);
	if (!*place)
		*place = mem_alloc(sizeof(*twin));
	twin = *place;
	twin->key = key;
	twin->size = (uint32_t)sql.size;
	twin->fingerprint = *fingerprint;
	twin->fingerprint.literals = twin->literals;
	twin->fingerprint.normal.data = twin->normal;
	memcpy(twin->text, sql.data, sql.size);
	memcpy(twin->normal, fingerprint->normal.data, fingerprint->normal.size);
	for (size_t i = 0; i < fingerprint->literal_count; i++) {
		twin->literals[i] = twin->first[i] = fingerprint->literals[i];
		twin->varies[i] = may_vary(sql, &fingerprint->literals[i]);
	}
}
