/* arena: memory with one lifetime.
 *
 * Everything allocated from an arena goes at once, with arena_reset() (which keeps the first block) or arena_release().
 * Lives where its owner lives; one thread at a time. Allocations are aligned to 16 bytes and never NULL.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/slice.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;     /* newest first */
	size_t block_size;
	size_t used_bytes;              /* handed out since the last reset */
};

void arena_init(struct arena *arena, size_t block_size);
void arena_release(struct arena *arena);
void arena_reset(struct arena *arena);

void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
void *arena_calloc(struct arena *arena, size_t count, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *data, size_t size);        /* adds the zero */
struct slice arena_slice(struct arena *arena, struct slice bytes);               /* a copy, with a zero behind it */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
