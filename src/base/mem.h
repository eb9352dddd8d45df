/* mem: allocation that does not return NULL.
 *
 * What sizes the program for its own needs dies here, loudly, when memory is gone; what a peer sizes is bounded by
 * limits.h before it comes here.
 */
#pragma once

#include <stddef.h>

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *old, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const char *data, size_t size) __attribute__((malloc, returns_nonnull));
void mem_free(void *memory);
