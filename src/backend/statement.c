#include "backend/statement.h"

#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "backend/settings.h"
#include "base/limits.h"
#include "base/mem.h"

void statement_table_release(struct statement_table *table)
{
	buf_release(&table->key);
	map_release(&table->statements);
}

static struct statement *statement_new(struct statement_table *table, enum statement_form form, struct slice key, size_t text_size,
				       const uint32_t *types, size_t type_count, struct settings *settings)
{
	struct statement *statement = mem_calloc(1, sizeof(*statement));

	statement->table = table;
	statement->refs = 1;
	statement->id = ++table->last_id;
	snprintf(statement->name, sizeof(statement->name), "nanu_%llu", (unsigned long long)statement->id);
	statement->form = form;
	statement->key = slice_make(mem_strndup(key.data, key.size), key.size);
	statement->text = slice_make(statement->key.data + key.size - text_size, text_size);
	if (type_count) {
		uint32_t *copy = mem_alloc(type_count * sizeof(*types));

		memcpy(copy, types, type_count * sizeof(*types));
		statement->types = copy;
		statement->type_count = type_count;
	}
	statement->settings = settings_ref(settings);
	return statement;
}

static void share(struct statement *statement)
{
	map_set(&statement->table->statements, statement->key, statement);
	statement->shared = true;
}

struct statement *statement_intern(struct statement_table *table, const struct statement_key *key)
{
	struct statement *statement;
	struct buf *out = &table->key;
	bool apart;

	out->size_max = (size_t)STATEMENT_SIZE_MAX * 2;
	buf_clear(out);
	buf_add_u8(out, (uint8_t)key->form);
	buf_add(out, &key->settings->analysis, sizeof(key->settings->analysis));
	buf_add_u64(out, key->schema_version);
	buf_add_cstr(out, key->database);
	buf_add_cstr(out, key->user);
	buf_add(out, &key->type_count, sizeof(key->type_count));
	buf_add(out, key->types, key->type_count * sizeof(*key->types));
	buf_add_slice(out, key->text);
	statement = key->apart ? NULL : map_get(&table->statements, buf_slice(out));
	if (statement && !statement->remarked)
		return statement_ref(statement);
	apart = key->apart || statement;
	statement = statement_new(table, key->form, buf_slice(out), key->text.size, key->types, key->type_count, key->settings);
	if (!apart)
		share(statement);
	return statement;
}

static uint64_t *seen_place(const struct statement *statement, uint64_t *ret_hash)
{
	*ret_hash = XXH3_64bits(statement->key.data, statement->key.size);
	return &statement->table->seen[*ret_hash % STATEMENTS_SEEN];
}

bool statement_seen(const struct statement *statement)
{
	uint64_t hash, *place = seen_place(statement, &hash);

	return *place == hash;
}

void statement_see(const struct statement *statement)
{
	uint64_t hash, *place = seen_place(statement, &hash);

	*place = hash;
}

void statement_retire(struct statement *statement)
{
	if (statement->shared)
		map_remove(&statement->table->statements, statement->key);
	statement->shared = false;
}

struct statement *statement_anew(struct statement *statement)
{
	struct statement *fresh;

	statement_retire(statement);
	fresh = map_get(&statement->table->statements, statement->key);
	if (fresh)
		return statement_ref(fresh);
	fresh = statement_new(statement->table, statement->form, statement->key, statement->text.size, statement->types, statement->type_count,
			      statement->settings);
	fresh->query_offset = statement->query_offset;
	share(fresh);
	return fresh;
}

bool statement_is_copy(struct slice name)
{
	return name.size >= 5 && memcmp(name.data, "nanu_", 5) == 0;
}

struct statement *statement_ref(struct statement *statement)
{
	statement->refs++;
	return statement;
}

void statement_unref(struct statement *statement)
{
	if (!statement || --statement->refs > 0)
		return;
	statement_retire(statement);
	settings_unref(statement->settings);
	mem_free((void *)(uintptr_t)statement->key.data);
	mem_free((void *)(uintptr_t)statement->types);
	mem_free(statement);
}
