#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reserve.h"

/* What is large is mapped by itself: it grows without a copy beside it, and goes back to the system at once. Left to itself, malloc() raises the
 * threshold with what is freed, and a long statement may take a third more, as the heap happens to lie. Source: mallopt(3). */
enum { LARGE = 1 << 20, HEAP_TOP_KEPT = 4 << 20 };

void mem_start(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, HEAP_TOP_KEPT);
}

void mem_die(size_t size)
{
	fprintf(stderr, "level=fatal part=mem msg=\"out of memory, and the reserve is used up\" bytes=%zu\n", size);
	abort();
}

void *mem_alloc(size_t size)
{
	void *memory = malloc(size ? size : 1);

	if (!memory)
		mem_die(size);
	return memory;
}

void *mem_calloc(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size ? size : 1);

	if (!memory)
		mem_die(count * size);
	return memory;
}

void *mem_realloc(void *old, size_t size)
{
	void *memory = realloc(old, size ? size : 1);

	if (!memory)
		mem_die(size);
	return memory;
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *data, size_t size)
{
	char *copy = mem_alloc(size + 1);

	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

void mem_free(void *memory)
{
	free(memory);
}

void *mem_try_realloc(void *old, size_t size)
{
	return reserve_try(old, size ? size : 1);
}

bool mem_possible(size_t size)
{
	void *memory = reserve_try(NULL, size);

	free(memory);
	return memory != NULL;
}
