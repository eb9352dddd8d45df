#include "route/shown.h"

enum { BRIEF_SAMPLES = 2 };             /* in so many, one is found that is not long */

static bool runs(const struct running *running, uint64_t xid)
{
	size_t low = 0, high = running->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (running->xids[middle] == xid)
			return true;
		if (running->xids[middle] < xid)
			low = middle + 1;
		else
			high = middle;
	}
	return xid >= running->xmax;
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

static bool are_too_many(const struct doubts *doubts)
{
	return doubts->count == DOUBTS_MAX;
}

static void forget_ended(struct shown *shown, const struct running *running)
{
	struct doubts *doubts = &shown->doubts;
	size_t kept = 0;

	if (are_too_many(doubts)) {
		list_doubts(shown, running);
		return;
	}
	for (size_t i = 0; i < doubts->count; i++)
		if (runs(running, doubts->xids[i]))
			doubts->xids[kept++] = doubts->xids[i];
	doubts->count = kept;
}

void shown_sampled(struct shown *shown, uint64_t begun_us, uint64_t flushed, const struct running *running)
{
	if (running->next < shown->next)        /* numbers that it gave away before it crashed, and will again */
		shown_forget(shown);
	if (shown->sought_us) {
		forget_ended(shown, running);
		if (shown->doubts.count == 0) {
			shown->as_of_us = shown->sought_us;
			shown_forget(shown);
		}
	}
	if (!shown->sought_us) {
		shown->sought_us = begun_us;
		shown->next = running->next;
		shown->doubts.number++;
		shown->doubts.lsn = flushed;
		list_doubts(shown, running);
		if (shown->doubts.count == 0) {
			shown->as_of_us = begun_us;
			shown_forget(shown);
			return;
		}
	}
	shown->samples++;
}

void shown_forget(struct shown *shown)
{
	shown->sought_us = 0;
	shown->samples = 0;
	shown->told = false;
}

bool shown_in_doubt(const struct shown *shown)
{
	return shown->samples >= BRIEF_SAMPLES && !shown->told;
}

const struct doubts *shown_doubts(const struct shown *shown)
{
	return shown_in_doubt(shown) && shown->doubts.count && !are_too_many(&shown->doubts) ? &shown->doubts : NULL;
}

static bool is_one_of(const struct doubts *doubts, uint64_t xid)
{
	for (size_t i = 0; i < doubts->count; i++)
		if (doubts->xids[i] == xid)
			return true;
	return false;
}

void shown_told(struct shown *shown, const struct doubts *committed)
{
	if (!shown->sought_us || shown->told || committed->number != shown->doubts.number)
		return;
	shown->doubts = *committed;
	shown->told = true;
}

void shown_cleared(struct shown *shown, const struct doubts *open)
{
	struct doubts *doubts = &shown->doubts;
	size_t kept = 0;

	if (!shown->sought_us || open->number != doubts->number)
		return;
	for (size_t i = 0; i < doubts->count; i++)
		if (!is_one_of(open, doubts->xids[i]))
			doubts->xids[kept++] = doubts->xids[i];
	doubts->count = kept;
}
