/* feeds: who streams WAL from whom, as the servers say it themselves.
 *
 * What one node said when it was asked last: as a replica, how it takes its WAL; and for each who takes WAL from it, or has a slot there, how that
 * one is. Immutable but for .refs; shared by reference. Which of these walsenders is a replica's nobody says: feeds_find() concludes it, or does not
 * know. Names, hosts and words that are too long are cut.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

enum { FEED_WORD_SIZE = 16, FEED_HOST_SIZE = 256, FEED_ADDRESS_SIZE = 48 };

struct feed_taken {                     /* by a replica */
	bool receives;                  /* it has a walreceiver; if not, names and host are those of its last, as far as is known */
	char name[NAME_SIZE_MAX];       /* its application_name there; "": it does not tell */
	char slot[NAME_SIZE_MAX];       /* "": none */
	char host[FEED_HOST_SIZE];      /* of who sends, as the replica calls it; "": it does not tell */
	uint16_t port;
};

struct feed_given {                     /* to somebody: a walsender, a physical slot, or both */
	bool active;                    /* there is a walsender */
	char name[NAME_SIZE_MAX];       /* application_name */
	char slot[NAME_SIZE_MAX];       /* "": none */
	char address[FEED_ADDRESS_SIZE];        /* from where it connected; "": a unix socket, or not told */
	char state[FEED_WORD_SIZE], sync_state[FEED_WORD_SIZE], slot_wal[FEED_WORD_SIZE];    /* the server's words; "": not told */
	uint64_t sent, written;         /* LSNs; 0: not told */
};

struct feeds {
	unsigned refs;
	bool heard;                     /* false: it is silent since, or does not tell; then only the identity in .taken means anything */
	bool named;                     /* .taken is its own word, though of earlier if it is silent */
	struct feed_taken taken;
	size_t given_count;
	struct feed_given given[];
};

struct feeds *feeds_new(size_t given_count);
struct feeds *feeds_ref(struct feeds *feeds);           /* NULL is allowed, here and below */
void feeds_unref(struct feeds *feeds);
/* A replica without a walreceiver says less of itself than before, which is kept. */
void feeds_remember(struct feeds *feeds, const struct feeds *before);
/* What is left of it when its node is silent: who it is to its sender. */
struct feeds *feeds_silent(const struct feeds *feeds);

struct feed_member {                    /* a node of a shard */
	const char *name, *host;
	uint16_t port;
	const char *slot;               /* as the topology has it: until the node itself has said; "": nobody knows */
	const char *address;            /* resolved, in numbers; "": not known */
	size_t upstream;                /* as the topology has it; itself, if it has none */
	const struct feeds *feeds;      /* NULL: it was never asked */
};

struct feed_found {
	const char *slot;               /* "": none, or nobody knows */
	size_t sender;                  /* the member that .given is of */
	const struct feed_given *given; /* the walsender that feeds it, or its slot without one; NULL: not found */
	bool gone;                      /* there is no walsender for it; false without .given: nobody knows */
};

/* The walsender of the replica `index`. Its slot tells, which one walsender has at a time. Without one, the name that it connects with, if only one
 * walsender bears it; of several, the one that came from the replica's address. What could be another's is not taken for its own. Pointers are into
 * the members. */
struct feed_found feeds_find(const struct feed_member *members, size_t count, size_t index);
