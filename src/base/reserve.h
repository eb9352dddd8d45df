/* reserve: memory that is kept for the moment when there is no more.
 *
 * An allocation that fails, whoever asked for it (libraries too: malloc() of the whole program passes through here), is repeated after a part of
 * the reserve was given back to the system. So what is under way comes to its end, and who may choose what not to begin asks here first.
 * The reserve is address space only until then. Threads share it; reserve_failed() is each thread's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { RESERVE_PARTS = 8, RESERVE_PART_SIZE = 1 << 20 };

/* Fills what lacks. False: memory is still short. */
bool reserve_fill(void);
bool reserve_lacks(void);               /* a part was used, and nobody has filled it since */
bool reserve_failed(void);              /* an allocation of this thread failed at first, since this was last asked */

/* realloc() that leaves the reserve alone: for what a peer sizes. NULL: there is no memory for that, and `old` stays. */
void *reserve_try(void *old, size_t size);
