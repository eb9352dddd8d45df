/* timer: deadlines of one loop, in a binary heap.
 *
 * A `struct timer` sits inside its owner; armed it is in the heap, fired or stopped it is not. Times are monotonic microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	void (*fire)(struct timer *timer);
	uint64_t deadline_us;
	size_t place;                   /* 1 + index in the heap; 0: not armed */
};

struct timers {
	struct timer **heap;
	size_t count, capacity;
};

void timers_release(struct timers *timers);
void timer_arm(struct timers *timers, struct timer *timer, uint64_t deadline_us);      /* also moves an armed one */
void timer_stop(struct timers *timers, struct timer *timer);                           /* harmless when not armed */
uint64_t timers_next_us(const struct timers *timers);                                   /* UINT64_MAX: none */
void timers_fire(struct timers *timers, uint64_t now_us);                               /* calls fire() of what is due, each once at most */
