/* mem: allocation that does not return NULL.
 *
 * When memory is gone, the reserve (reserve.h) serves; when that is gone too, the program dies here, loudly. What a peer sizes is bounded by limits.h
 * before it comes here, and what is large is tried first: mem_try_realloc(), mem_possible().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

void mem_start(void);                                   /* before anything is allocated; optional */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *old, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const char *data, size_t size) __attribute__((malloc, returns_nonnull));
void mem_free(void *memory);
void mem_die(size_t size) __attribute__((noreturn));     /* that dying; for libraries that say they had no memory */

void *mem_try_realloc(void *old, size_t size);          /* NULL: there is no memory for it, and `old` stays; the reserve is not touched */
bool mem_possible(size_t size);                         /* whether so much could be had now */
