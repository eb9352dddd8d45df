#include "net/timer.h"

#include "base/mem.h"

enum { TIMERS_FIRST_CAPACITY = 64 };

void timers_release(struct timers *timers)
{
	mem_free(timers->heap);
	*timers = (struct timers){ 0 };
}

static void put(struct timers *timers, size_t index, struct timer *timer)
{
	timers->heap[index] = timer;
	timer->place = index + 1;
}

static void sift_up(struct timers *timers, size_t index, struct timer *timer)
{
	while (index > 0) {
		size_t parent = (index - 1) / 2;

		if (timers->heap[parent]->deadline_us <= timer->deadline_us)
			break;
		put(timers, index, timers->heap[parent]);
		index = parent;
	}
	put(timers, index, timer);
}

static void sift_down(struct timers *timers, size_t index, struct timer *timer)
{
	for (;;) {
		size_t child = index * 2 + 1;

		if (child >= timers->count)
			break;
		if (child + 1 < timers->count && timers->heap[child + 1]->deadline_us < timers->heap[child]->deadline_us)
			child++;
		if (timer->deadline_us <= timers->heap[child]->deadline_us)
			break;
		put(timers, index, timers->heap[child]);
		index = child;
	}
	put(timers, index, timer);
}

void timer_stop(struct timers *timers, struct timer *timer)
{
	size_t index = timer->place - 1;
	struct timer *last;

	if (timer->place == 0)
		return;
	timer->place = 0;
	last = timers->heap[--timers->count];
	if (last == timer)
		return;
	if (index > 0 && timers->heap[(index - 1) / 2]->deadline_us > last->deadline_us)
		sift_up(timers, index, last);
	else
		sift_down(timers, index, last);
}

void timer_arm(struct timers *timers, struct timer *timer, uint64_t deadline_us)
{
	timer_stop(timers, timer);
	if (timers->count == timers->capacity) {
		timers->capacity = timers->capacity ? timers->capacity * 2 : TIMERS_FIRST_CAPACITY;
		timers->heap = mem_realloc(timers->heap, timers->capacity * sizeof(struct timer *));
	}
	timer->deadline_us = deadline_us;
	sift_up(timers, timers->count++, timer);
}

uint64_t timers_next_us(const struct timers *timers)
{
	return timers->count ? timers->heap[0]->deadline_us : UINT64_MAX;
}

void timers_fire(struct timers *timers, uint64_t now_us)
{
	/* One that arms itself anew without a delay waits for the next turn: nobody may hold the loop for ever. */
	for (size_t left = timers->count; left > 0 && timers->count && timers->heap[0]->deadline_us <= now_us; left--) {
		struct timer *timer = timers->heap[0];

		timer_stop(timers, timer);
		timer->fire(timer);
	}
}
