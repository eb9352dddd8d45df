#include "sql/words.h"

#include <string.h>

enum { WORD_SIZE_MAX = 23 };

struct entry {
	char text[WORD_SIZE_MAX + 1];
	uint8_t size, category, uses;
};

#define NAME CATEGORY_NAME
#define UNRESERVED CATEGORY_UNRESERVED
#define COLUMN CATEGORY_COLUMN
#define TYPE_FUNC CATEGORY_TYPE_FUNC
#define RESERVED CATEGORY_RESERVED
#define OPERAND USE_OPERAND
#define MODIFIER USE_MODIFIER
#define BASE_TYPE USE_BASE_TYPE
#define KEEPS USE_KEEPS

static const struct entry entries[W_COUNT_] = {
#define X(name, text, category, uses) [W_##name] = { text, sizeof(text) - 1, category, uses },
	WORD_TABLE(X)
#undef X
};

/* Mixes the first eight bytes, folded as far as hashing needs, and the size. */
static inline uint32_t hash(const char *data, size_t size, size_t readable)
{
	uint64_t head = 0;

	if (readable >= sizeof(head)) {
		memcpy(&head, data, sizeof(head));
		if (size < sizeof(head))
			head &= (UINT64_C(1) << (size * 8)) - 1;
	} else {
		memcpy(&head, data, size);
	}
	head |= UINT64_C(0x2020202020202020);
	head = (head + size * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(head >> 40) % WORD_INDEX_SIZE;
}

void words_init(struct words *words)
{
	memset(words, 0, sizeof(*words));
	for (uint16_t i = 1; i < W_COUNT_; i++) {
		uint32_t place = hash(entries[i].text, entries[i].size, sizeof(entries[i].text));

		while (words->index[place])
			place = (place + 1) % WORD_INDEX_SIZE;
		words->index[place] = i;
	}
}

static bool same(const struct entry *entry, const char *data, size_t size, bool exact)
{
	if (entry->size != size)
		return false;
	if (exact)
		return memcmp(entry->text, data, size) == 0;
	for (size_t i = 0; i < size; i++) {
		char c = data[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + 0x20);
		if (c != entry->text[i])
			return false;
	}
	return true;
}

enum word words_find(const struct words *words, const char *data, size_t size, size_t readable, bool exact)
{
	if (size == 0 || size > WORD_SIZE_MAX)
		return W_UNKNOWN_;
	for (uint32_t place = hash(data, size, readable); words->index[place]; place = (place + 1) % WORD_INDEX_SIZE)
		if (same(&entries[words->index[place]], data, size, exact))
			return (enum word)words->index[place];
	return W_UNKNOWN_;
}

enum word_category word_category(enum word word)
{
	return entries[word].category;
}

bool word_uses(enum word word, enum word_use use)
{
	return entries[word].uses & use;
}

const char *word_text(enum word word)
{
	return entries[word].text;
}
