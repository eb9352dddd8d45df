#include "net/env.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t system_now_us(void *world)
{
	return clock_us(CLOCK_MONOTONIC);
}

static uint64_t system_wall_us(void *world)
{
	return clock_us(CLOCK_REALTIME);
}

static void system_random(void *world, void *out, size_t size)
{
	char *bytes = out;

	while (size > 0) {
		ssize_t got = getrandom(bytes, size < 256 ? size : 256, 0);

		if (got < 0)
			abort();        /* only a kernel without getrandom(2) */
		bytes += got;
		size -= (size_t)got;
	}
}

const struct env *env_system(void)
{
	static const struct env system = { system_now_us, system_wall_us, system_random, NULL };

	return &system;
}
