#include "base/arena.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { ARENA_ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	size_t pad;                     /* keeps data[] aligned */
	char data[];
};

void arena_init(struct arena *arena, size_t block_size)
{
	*arena = (struct arena){ .block_size = block_size };
}

static void free_blocks(struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;

		mem_free(block);
		block = next;
	}
}

void arena_release(struct arena *arena)
{
	free_blocks(arena->blocks);
	arena->blocks = NULL;
	arena->used_bytes = 0;
}

void arena_reset(struct arena *arena)
{
	struct arena_block *oldest = arena->blocks;

	if (!oldest)
		return;
	while (oldest->next) {
		struct arena_block *next = oldest->next;

		mem_free(oldest);
		oldest = next;
	}
	arena->blocks = oldest;
	arena->used_bytes = 0;
	if (oldest->size > arena->block_size) {
		mem_free(oldest);
		arena->blocks = NULL;
		return;
	}
	oldest->used = 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;
	void *memory;

	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (!block || block->size - block->used < size) {
		size_t block_size = size > arena->block_size ? size : arena->block_size;

		block = mem_alloc(sizeof(*block) + block_size);
		block->next = arena->blocks;
		block->size = block_size;
		block->used = 0;
		arena->blocks = block;
	}
	memory = block->data + block->used;
	block->used += size;
	arena->used_bytes += size;
	return memory;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
	void *memory = arena_alloc(arena, count * size);

	memset(memory, 0, count * size);
	return memory;
}

char *arena_strndup(struct arena *arena, const char *data, size_t size)
{
	char *copy = arena_alloc(arena, size + 1);

	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

struct slice arena_slice(struct arena *arena, struct slice bytes)
{
	return slice_make(arena_strndup(arena, bytes.data, bytes.size), bytes.size);
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args, again;
	char *text;
	int size;

	va_start(args, format);
	va_copy(again, args);
	size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = arena_alloc(arena, (size_t)size + 1);
	vsnprintf(text, (size_t)size + 1, format, again);
	va_end(again);
	return text;
}
