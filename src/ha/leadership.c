#include "ha/leadership.h"

bool leadership_later(const struct leadership *a, const struct leadership *b)
{
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	return a->change != b->change ? a->change > b->change : a->beat > b->beat;
}

bool quorum_equal(const struct quorum *a, const struct quorum *b)
{
	return a->leader == b->leader && a->count == b->count && (a->count == 0 || a->members == b->members);
}

bool leadership_certain(const struct leadership *record, uint32_t heard)
{
	for (size_t i = 0; i < record->quorum_count; i++) {
		const struct quorum *quorum = &record->quorums[i];

		if (quorum->count > 0 && !(heard >> quorum->leader & 1) && __builtin_popcount(quorum->members & ~heard) >= (int)quorum->count)
			return false;
	}
	return true;
}

bool leadership_add_quorum(struct leadership *record, const struct quorum *next)
{
	size_t kept = 0;

	for (size_t i = 0; i < record->quorum_count; i++)
		if (!quorum_equal(&record->quorums[i], next))
			record->quorums[kept++] = record->quorums[i];
	if (kept == QUORUMS_MAX)
		return false;
	record->quorums[kept++] = *next;
	record->quorum_count = kept;
	return true;
}
