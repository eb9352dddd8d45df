/* env: what the data plane asks of the world besides sockets: time and randomness.
 *
 * The seam under which a simulated world can stand: code of the data plane takes its `struct env` from its loop and calls no clock and
 * no randomness of its own. (Sockets have their seam in engine.h.) Functions may be called from any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct env {
	uint64_t (*now_us)(void *world);        /* monotonic microseconds */
	uint64_t (*wall_us)(void *world);       /* microseconds since 1970, may jump */
	void (*random)(void *world, void *out, size_t size);    /* unpredictable bytes; does not fail */
	void *world;
};

/* The real world: clock_gettime(2), getrandom(2). */
const struct env *env_system(void);
