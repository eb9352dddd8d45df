#include "route/shown.h"

enum { BRIEF_SAMPLES = 2 };             /* in so many, one is found that is not long */

static bool runs(const struct running *running, uint64_t xid)
{
	for (size_t i = 0; i < running->count; i++)
		if (running->xids[i] == xid)
			return true;
	return xid >= running->xmax;
}

static bool is_reached(const struct shown *shown, const struct running *running)
{
	if (running->xmin >= shown->next)
		return true;
	for (size_t i = 0; shown->told && i < shown->doubts.count; i++)
		if (runs(running, shown->doubts.xids[i]))
			return false;
	return shown->told;
}

/* Of those that run, those that had a number then. */
static void list_doubts(struct shown *shown, const struct running *running)
{
	struct doubts *doubts = &shown->doubts;

	doubts->count = 0;
	for (size_t i = 0; i < running->count && running->xids[i] < shown->next && doubts->count < DOUBTS_MAX; i++)
		doubts->xids[doubts->count++] = running->xids[i];
	for (uint64_t xid = running->xmax; xid < shown->next && doubts->count < DOUBTS_MAX; xid++)
		doubts->xids[doubts->count++] = xid;
}

void shown_sampled(struct shown *shown, uint64_t begun_us, uint64_t flushed, const struct running *running)
{
	if (running->next < shown->next)        /* numbers that it gave away before it crashed, and will again */
		shown_forget(shown);
	if (shown->sought_us && is_reached(shown, running)) {
		shown->as_of_us = shown->sought_us;
		shown_forget(shown);
	}
	if (!shown->sought_us) {
		shown->sought_us = begun_us;
		shown->next = running->next;
		shown->doubts.number++;
		shown->doubts.lsn = flushed;
		if (is_reached(shown, running)) {
			shown->as_of_us = begun_us;
			shown_forget(shown);
			return;
		}
	}
	shown->samples++;
	if (!shown->told)
		list_doubts(shown, running);
}

void shown_forget(struct shown *shown)
{
	shown->sought_us = 0;
	shown->samples = 0;
	shown->told = false;
}

const struct doubts *shown_doubts(const struct shown *shown)
{
	return shown->samples < BRIEF_SAMPLES || shown->told || shown->doubts.count == DOUBTS_MAX ? NULL : &shown->doubts;
}

void shown_told(struct shown *shown, const struct doubts *committed)
{
	if (!shown->sought_us || shown->told || committed->number != shown->doubts.number)
		return;
	shown->doubts = *committed;
	shown->told = true;
}
