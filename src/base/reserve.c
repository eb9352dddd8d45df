#include "base/reserve.h"

#include <stdlib.h>
#include <sys/mman.h>

static void *parts[RESERVE_PARTS];      /* atomic; NULL: used, or never filled */
static bool lacks;                      /* atomic */
static __thread bool failed, trying;

bool reserve_fill(void)
{
	bool full = true;

	__atomic_store_n(&lacks, false, __ATOMIC_RELAXED);
	for (int i = 0; i < RESERVE_PARTS; i++) {
		void *none = NULL, *part;

		if (__atomic_load_n(&parts[i], __ATOMIC_RELAXED))
			continue;
		part = mmap(NULL, RESERVE_PART_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (part == MAP_FAILED)
			full = false;
		else if (!__atomic_compare_exchange_n(&parts[i], &none, part, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			munmap(part, RESERVE_PART_SIZE);
	}
	if (!full)
		__atomic_store_n(&lacks, true, __ATOMIC_RELAXED);
	return full;
}

bool reserve_lacks(void)
{
	return __atomic_load_n(&lacks, __ATOMIC_RELAXED);
}

bool reserve_failed(void)
{
	bool before = failed;

	failed = false;
	return before;
}

void *reserve_try(void *old, size_t size)
{
	void *memory;

	trying = true;
	memory = realloc(old, size);
	trying = false;
	return memory;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1                     /* the sanitizer's malloc() is the program's */
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

#if !SANITIZED

/* True when a part was given back: it is worth while to try again. */
static bool give_up_a_part(void)
{
	if (trying)
		return false;
	failed = true;
	for (int i = 0; i < RESERVE_PARTS; i++) {
		void *part = __atomic_exchange_n(&parts[i], NULL, __ATOMIC_RELAXED);

		if (!part)
			continue;
		__atomic_store_n(&lacks, true, __ATOMIC_RELAXED);
		munmap(part, RESERVE_PART_SIZE);
		return true;
	}
	return false;
}

/* glibc's own, which these stand before (glibc manual, 3.2.5 "Replacing malloc"); what they return is freed by its free(). */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
	void *memory;

	do
		memory = __libc_malloc(size);
	while (!memory && give_up_a_part());
	return memory;
}

void *calloc(size_t count, size_t size)
{
	void *memory;

	do
		memory = __libc_calloc(count, size);
	while (!memory && give_up_a_part());
	return memory;
}

void *realloc(void *old, size_t size)
{
	void *memory;

	do
		memory = __libc_realloc(old, size);
	while (!memory && size && give_up_a_part());    /* of no bytes, NULL is what was asked for */
	return memory;
}

#endif
