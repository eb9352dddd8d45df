/* record: the record of a shard as the store has it: who leads it (leadership.h), and the history that its WAL has. A value; pure.
 *
 * The text form, under the key ~leaders/SHARD:
 *
 *	{ "epoch": 3, "change": 12, "beat": 1009, "leader": "n1b", "heir": null, "writable": true, "flushed": "0/3000148",
 *	  "members": [ "n1a", "n1b", "n1c" ], "electable": [ "n1b", "n1c" ],
 *	  "quorums": [ { "leader": "n1b", "members": [ "n1a", "n1c" ], "count": 1 } ],
 *	  "system": "7298…", "eras": [ { "epoch": 1, "timeline": 1, "begin": "0/0" }, { "epoch": 3, "timeline": 2, "begin": "0/3000110" } ] }
 *
 * A member's place among "members" is its bit and its number in leadership.h; who reads it numbers them as he does (record_arrange()).
 */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "ha/decide.h"
#include "route/history.h"
#include "store/store.h"

#define RECORD_KEY_PREFIX STORE_KEY_BUSY "leaders/"

enum { ERAS_MAX = 64 };

struct era { uint64_t epoch; uint32_t timeline; uint64_t begin; };      /* the WAL from there on was written on this timeline, under this epoch */

struct record {
	struct leadership leadership;
	size_t member_count;
	char members[MEMBERS_MAX][NAME_SIZE_MAX];
	uint64_t system;                /* PostgreSQL's system identifier, which all members share */
	size_t era_count;               /* at least 1 */
	struct era eras[ERAS_MAX];      /* ascending; of more, the newest */
};

char *record_to_json(const struct record *record);              /* mem_free() it */
/* ERR_CONFIG: it is no such text, and why. */
must_use int record_from_json(const char *text, struct record *ret_record, struct err *err);
/* Numbers the members as these names are, whoever numbered them before; those whom the record lacks are there then, too. False: it has one who is none of these,
 * and is left as it was. */
must_use bool record_arrange(struct record *record, const char *const *names, size_t count);
int record_member(const struct record *record, const char *name);      /* LEADER_NOBODY: it is none */
/* The leader's node was promoted: its WAL goes on so from now on. What it has missed of the eras before is no part of the shard's history any more. */
void record_add_era(struct record *record, uint32_t timeline, uint64_t begin);

/* Of a member's WAL, as far as `flushed`, on the timeline of this history: whether it is a part of the shard's; *ret_flushed: how much of it is.
 * `leads`: it is the record's leader, whose promotion may not have been written down yet. */
enum lineage record_lineage(const struct record *record, const struct history *history, uint64_t flushed, bool leads, uint64_t *ret_flushed);
