/* starve: makes allocations of a program fail, for tests: LD_PRELOAD=libstarve.so STARVE_FILE=path nanu serve …
 *
 * The file is `struct starve`, shared with the test (starve.py), and zeros at first. While `armed`, allocations are counted from 1, those of all
 * threads and libraries; those from `first` to `last` fail, until the program gives RESERVE_PART_SIZE or more back to the system: that buys
 * PART_BUYS allocations. As long as they fail, the program gets nothing so large from the system.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/reserve.h"

enum { PART_BUYS = 100 };

struct starve {
	uint64_t armed, first, last, count, failed, bought;
};

static struct starve *starve;

static void *(*next_malloc)(size_t size), *(*next_calloc)(size_t count, size_t size), *(*next_realloc)(void *old, size_t size);
static void *(*next_mmap)(void *address, size_t size, int protection, int flags, int fd, off_t offset);
static int (*next_munmap)(void *address, size_t size);

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static void *find(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* The first allocation comes before any constructor. */
static void look_around(void)
{
	next_realloc = find("__libc_realloc");
	next_calloc = find("__libc_calloc");
	next_mmap = find("mmap");
	next_munmap = find("munmap");
	next_malloc = find("__libc_malloc");
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("STARVE_FILE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *memory;

	look_around();
	if (fd < 0)
		return;
	memory = next_mmap(NULL, sizeof(*starve), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		starve = memory;
}

static bool within(uint64_t number)
{
	return number >= starve->first && number <= starve->last;
}

static bool fails(void)
{
	uint64_t left;

	if (!starve || !__atomic_load_n(&starve->armed, __ATOMIC_SEQ_CST) ||
	    !within(__atomic_add_fetch(&starve->count, 1, __ATOMIC_SEQ_CST)))
		return false;
	for (left = __atomic_load_n(&starve->bought, __ATOMIC_SEQ_CST); left;)
		if (__atomic_compare_exchange_n(&starve->bought, &left, left - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return false;
	__atomic_add_fetch(&starve->failed, 1, __ATOMIC_SEQ_CST);
	errno = ENOMEM;
	return true;
}

void *__libc_malloc(size_t size)
{
	if (!next_malloc)
		look_around();
	return fails() ? NULL : next_malloc(size);
}

void *__libc_calloc(size_t count, size_t size)
{
	if (!next_calloc)
		look_around();
	return fails() ? NULL : next_calloc(count, size);
}

void *__libc_realloc(void *old, size_t size)
{
	if (!next_realloc)
		look_around();
	return fails() ? NULL : next_realloc(old, size);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (!next_mmap)
		look_around();
	if (fd < 0 && size >= RESERVE_PART_SIZE && starve && starve->armed && within(starve->count)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return next_mmap(address, size, protection, flags, fd, offset);
}

int munmap(void *address, size_t size)
{
	if (!next_munmap)
		look_around();
	if (size >= RESERVE_PART_SIZE && starve && starve->armed)
		__atomic_add_fetch(&starve->bought, PART_BUYS, __ATOMIC_SEQ_CST);
	return next_munmap(address, size);
}
