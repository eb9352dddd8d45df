#include "backend/statement.h"

#include <stdio.h>
#include <string.h>

#include "backend/settings.h"
#include "base/limits.h"
#include "base/mem.h"

struct statement *statement_intern(struct statement_table *table, enum statement_form form, struct slice text, const uint32_t *types,
				   size_t type_count, struct settings *settings, uint64_t schema_version, const char *database,
				   const char *user)
{
	struct statement *statement;
	struct buf key;

	buf_init(&key, (size_t)STATEMENT_SIZE_MAX * 2);
	buf_add_u8(&key, (uint8_t)form);
	buf_add(&key, &settings->analysis, sizeof(settings->analysis));
	buf_add_u64(&key, schema_version);
	buf_add_cstr(&key, database);
	buf_add_cstr(&key, user);
	buf_add(&key, &type_count, sizeof(type_count));
	buf_add(&key, types, type_count * sizeof(*types));
	buf_add_slice(&key, text);
	statement = map_get(&table->statements, buf_slice(&key));
	if (statement) {
		buf_release(&key);
		return statement_ref(statement);
	}
	statement = mem_calloc(1, sizeof(*statement));
	statement->table = table;
	statement->refs = 1;
	statement->id = ++table->last_id;
	snprintf(statement->name, sizeof(statement->name), "nanu_%llu", (unsigned long long)statement->id);
	statement->form = form;
	statement->key = buf_slice(&key);       /* the buffer is the statement's from here on */
	statement->text = slice_make(key.data + key.size - text.size, text.size);
	if (type_count) {
		uint32_t *copy = mem_alloc(type_count * sizeof(*types));

		memcpy(copy, types, type_count * sizeof(*types));
		statement->types = copy;
		statement->type_count = type_count;
	}
	statement->settings = settings_ref(settings);
	map_set(&table->statements, statement->key, statement);
	return statement;
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
	map_remove(&statement->table->statements, statement->key);
	settings_unref(statement->settings);
	mem_free((void *)(uintptr_t)statement->key.data);
	mem_free((void *)(uintptr_t)statement->types);
	mem_free(statement);
}
