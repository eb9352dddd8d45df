#include "route/feeds.h"

#include <string.h>

#include "base/mem.h"

struct feeds *feeds_new(size_t given_count)
{
	struct feeds *feeds = mem_calloc(1, sizeof(*feeds) + given_count * sizeof(feeds->given[0]));

	feeds->refs = 1;
	feeds->given_count = given_count;
	return feeds;
}

struct feeds *feeds_ref(struct feeds *feeds)
{
	if (feeds)
		__atomic_add_fetch(&feeds->refs, 1, __ATOMIC_RELAXED);
	return feeds;
}

void feeds_unref(struct feeds *feeds)
{
	if (feeds && __atomic_sub_fetch(&feeds->refs, 1, __ATOMIC_ACQ_REL) == 0)
		mem_free(feeds);
}

void feeds_remember(struct feeds *feeds, const struct feeds *before)
{
	struct feed_taken *taken = &feeds->taken;

	if (!before || !before->named || !feeds->named || taken->receives || strcmp(taken->slot, before->taken.slot) != 0)
		return;
	*taken = before->taken;
	taken->receives = false;
}

struct feeds *feeds_silent(const struct feeds *feeds)
{
	struct feeds *left = feeds_new(0);

	if (feeds) {
		left->named = feeds->named;
		left->taken = feeds->taken;
		left->taken.receives = false;
	}
	return left;
}

/* ---- whose walsender is whose ---- */

enum { NOBODY = -1 };

struct search {
	const struct feed_member *members;
	size_t count, index;
	struct feed_taken self;         /* who the replica is to its sender */
	bool heard;
	int told;                       /* the member that it says it streams from; NOBODY: it does not say, or calls it by another name than nanu */
	struct feed_found found;
	size_t found_count;             /* of the last look */
};

static bool heard(const struct feed_member *member)
{
	return member->feeds && member->feeds->heard;
}

/* What it said, or who it must be if it never did. */
static struct feed_taken identity(const struct feed_member *member)
{
	struct feed_taken taken = { 0 };

	if (member->feeds && member->feeds->named) {
		taken = member->feeds->taken;
		taken.receives &= member->feeds->heard;
	} else {
		strncpy(taken.slot, member->slot, sizeof(taken.slot) - 1);
	}
	if (!*taken.name)
		strncpy(taken.name, member->name, sizeof(taken.name) - 1);
	return taken;
}

static int told_sender(const struct feed_member *members, size_t count, size_t index, const struct feed_taken *taken)
{
	for (size_t i = 0; i < count && *taken->host; i++)
		if (i != index && taken->port == members[i].port && strcmp(taken->host, members[i].host) == 0)
			return (int)i;
	return NOBODY;
}

static void take(struct search *search, size_t sender, const struct feed_given *given)
{
	search->found.sender = sender;
	search->found.given = given;
	search->found_count++;
}

/* Who may be its sender: whom it says; else all others. */
static bool may_send(const struct search *search, size_t sender)
{
	return sender != search->index && (search->told == NOBODY || (size_t)search->told == sender) && heard(&search->members[sender]);
}

/* Another one says that it streams from there by this slot; of one that nobody uses, that it did, or may have. */
static bool is_claimed(const struct search *search, size_t sender, bool active)
{
	for (size_t i = 0; i < search->count; i++) {
		struct feed_taken taken = identity(&search->members[i]);
		int told = told_sender(search->members, search->count, i, &taken);

		if (i == search->index || i == sender || strcmp(taken.slot, search->self.slot) != 0)
			continue;
		if (active ? taken.receives && told == (int)sender : told == (int)sender || told == NOBODY)
			return true;
	}
	return false;
}

/* The only one of that name: in a chain, several nodes may have one. */
static bool find_slot(struct search *search, bool active)
{
	search->found_count = 0;
	for (size_t i = 0; i < search->count; i++) {
		const struct feeds *feeds = search->members[i].feeds;

		for (size_t j = 0; may_send(search, i) && j < feeds->given_count; j++)
			if (feeds->given[j].active == active && strcmp(feeds->given[j].slot, search->self.slot) == 0 && !is_claimed(search, i, active))
				take(search, i, &feeds->given[j]);
	}
	if (search->found_count != 1)
		search->found.given = NULL;
	return search->found_count == 1;
}

static void find_by_slot(struct search *search)
{
	/* A slot that nobody uses is not that of a replica that streams. */
	if (find_slot(search, true) || (!search->self.receives && find_slot(search, false)))
		search->found.gone = !search->found.given->active;
	else
		search->found.gone = search->heard && !search->self.receives;
}

/* Those of its name that no slot tells whose they are; `address`: that came from there; NULL: from anywhere. */
static void look_for_name(struct search *search, const char *address)
{
	bool slots = !search->members[search->index].feeds || !search->members[search->index].feeds->named;

	search->found_count = 0;
	search->found.given = NULL;
	for (size_t i = 0; i < search->count; i++) {
		const struct feeds *feeds = search->members[i].feeds;

		for (size_t j = 0; may_send(search, i) && j < feeds->given_count; j++) {
			const struct feed_given *given = &feeds->given[j];

			if (given->active && (slots || !*given->slot) && strcmp(given->name, search->self.name) == 0 &&
			    (!address || strcmp(given->address, address) == 0))
				take(search, i, given);
		}
	}
}

/* How many others stream without a slot under that name, and have one of these walsenders, whichever. */
static size_t rivals(const struct search *search, const char *address)
{
	size_t rivals = 0;

	for (size_t i = 0; i < search->count; i++) {
		struct feed_taken taken = identity(&search->members[i]);
		int told = told_sender(search->members, search->count, i, &taken);

		rivals += i != search->index && taken.receives && !*taken.slot && strcmp(taken.name, search->self.name) == 0 &&
			  (told == NOBODY || search->told == NOBODY || told == search->told) &&
			  (!address || strcmp(search->members[i].address, address) == 0);
	}
	return rivals;
}

/* It streams: one of these walsenders is its own. */
static bool is_the_only_one(struct search *search)
{
	const char *address = search->members[search->index].address;

	look_for_name(search, NULL);
	if (search->found_count > 1 && *address) {
		look_for_name(search, address);
		return search->found_count == 1 && rivals(search, address) == 0;
	}
	return search->found_count == 1 && rivals(search, NULL) == 0;
}

/* It is silent, and may stream all the same. */
static void find_of_silent(struct search *search)
{
	const struct feed_member *self = &search->members[search->index];
	size_t sender = search->told == NOBODY ? self->upstream : (size_t)search->told, others = rivals(search, NULL);

	look_for_name(search, NULL);
	if (search->found_count <= others) {
		search->found.given = NULL;
		search->found.gone = sender != search->index && heard(&search->members[sender]);
	} else if (search->found_count > 1 || others || strcmp(search->self.name, self->name) != 0) {
		search->found.given = NULL;
	}
}

struct feed_found feeds_find(const struct feed_member *members, size_t count, size_t index)
{
	struct search search = { .members = members, .count = count, .index = index, .self = identity(&members[index]), .heard = heard(&members[index]) };
	const struct feeds *feeds = members[index].feeds;

	search.told = told_sender(members, count, index, &search.self);
	if (*search.self.slot)
		find_by_slot(&search);
	else if (search.heard && !search.self.receives)
		search.found.gone = true;
	else if (!search.heard)
		find_of_silent(&search);
	else if (!is_the_only_one(&search))
		search.found.given = NULL;
	search.found.slot = feeds && feeds->named ? feeds->taken.slot : search.found.given ? search.found.given->slot : members[index].slot;
	return search.found;
}
