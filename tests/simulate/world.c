#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event { uint64_t when, serial; size_t place; };
struct happening { deliver *what; struct message message; size_t next_free; };

/* Source: G. Marsaglia, "Xorshift RNGs" (2003); xorshift64*. */
static uint64_t random64(struct world *world)
{
	world->random ^= world->random >> 12;
	world->random ^= world->random << 25;
	world->random ^= world->random >> 27;
	return world->random * UINT64_C(2685821657736338717);
}

uint64_t chance(struct world *world, uint64_t below)
{
	return (random64(world) >> 11) % below;
}

bool happens(struct world *world, double probability)
{
	return probability > 0 && (double)(random64(world) >> 11) < probability * 9007199254740992.0;
}

uint64_t between(struct world *world, uint64_t least, uint64_t most)
{
	return least + chance(world, most - least + 1);
}

static bool before(const struct event *a, const struct event *b)
{
	return a->when != b->when ? a->when < b->when : a->serial < b->serial;
}

static size_t place_for(struct world *world)
{
	size_t place = world->free_happening;

	if (place) {
		world->free_happening = world->happenings[place].next_free;
		return place;
	}
	if (++world->happening_count >= world->happening_size) {
		world->happening_size = world->happening_size ? world->happening_size * 2 : 1024;
		world->happenings = realloc(world->happenings, world->happening_size * sizeof(*world->happenings));
		world->events = realloc(world->events, world->happening_size * sizeof(*world->events));
		if (!world->happenings || !world->events)
			abort();
	}
	return world->happening_count;
}

void at(struct world *world, uint64_t when, deliver *what, const struct message *message)
{
	struct happening happening = { .what = what, .message = *message };
	struct event event = { .when = when, .serial = world->event_serial++, .place = place_for(world) };
	size_t i = world->event_count++;

	world->happenings[event.place] = happening;
	for (; i > 0 && before(&event, &world->events[(i - 1) / 2]); i = (i - 1) / 2)
		world->events[i] = world->events[(i - 1) / 2];
	world->events[i] = event;
}

static struct event take(struct world *world)
{
	struct event first = world->events[0], last = world->events[--world->event_count];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= world->event_count)
			break;
		if (child + 1 < world->event_count && before(&world->events[child + 1], &world->events[child]))
			child++;
		if (!before(&world->events[child], &last))
			break;
		world->events[i] = world->events[child];
		i = child;
	}
	world->events[i] = last;
	return first;
}

bool runs(const struct world *world, int host)
{
	return world->now >= world->hosts[host].paused_until;
}

/* What comes to a host that is paused is there when it goes on. */
static uint64_t awake_at(const struct world *world, const struct message *message)
{
	uint64_t until = world->hosts[message->to].paused_until;

	if (message->to < STORE && !message->to_node && world->agents[message->to].paused_until > until)
		until = world->agents[message->to].paused_until;
	return until;
}

bool step(struct world *world)
{
	struct happening happening;
	struct event event;

	if (world->event_count == 0)
		return false;
	event = take(world);
	happening = world->happenings[event.place];
	world->happenings[event.place].next_free = world->free_happening;
	world->free_happening = event.place;
	world->now = event.when;
	if (awake_at(world, &happening.message) > world->now)
		at(world, awake_at(world, &happening.message), happening.what, &happening.message);
	else
		happening.what(world, &happening.message);
	return true;
}

void tell(struct world *world, deliver *what, const struct message *message)
{
	const struct link *link = &world->links[message->from][message->to];

	if (message->from != message->to && (link->cut || happens(world, link->loss)))
		return;
	for (int times = happens(world, link->twice) ? 2 : 1; times > 0; times--)
		at(world, world->now + link->delay + chance(world, link->jitter + 1), what, message);
}

uint64_t clock_of(const struct world *world, int host)
{
	return (uint64_t)((double)world->now * world->hosts[host].rate + (double)world->hosts[host].offset);
}

void say(struct world *world, const char *format, ...)
{
	va_list arguments;

	if (!world->loud)
		return;
	printf("%9.4f  ", (double)world->now / SECOND);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

void violated(struct world *world, const char *format, ...)
{
	va_list arguments;

	if (world->violation[0])
		return;
	va_start(arguments, format);
	vsnprintf(world->violation, sizeof(world->violation), format, arguments);
	va_end(arguments);
	say(world, "VIOLATION: %s", world->violation);
}
