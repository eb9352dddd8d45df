/* place: a placement, the function from shard key to shard. Pure; immutable once made.
 *
 * `hash`: the signed 64-bit space of PostgreSQL's extended hash (seed 0), cut into contiguous slices. Slice i holds the hashes h with
 * bounds[i] <= h < bounds[i + 1]; bounds[0] is INT64_MIN and the last slice ends after INT64_MAX.
 * A key is first made canonical for its column's type: see `struct key`. NULL keys have no shard.
 *
 * Text is hashed as the bytes that the node stores: the caller makes sure that client_encoding is the node's own encoding, or that the
 * text is ASCII.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum key_kind { KEY_INT, KEY_TEXT, KEY_BYTES };         /* int2/4/8, date, timestamps; text, varchar, bpchar; uuid, bytea */

struct key {
	enum key_kind kind;
	int64_t integer;                /* KEY_INT: the number; days or microseconds since 2000-01-01 */
	struct slice bytes;             /* KEY_TEXT (bpchar without its padding), KEY_BYTES */
};

struct placement {
	const char *name;               /* "hash" */
	size_t slice_count;
	const int64_t *bounds;          /* slice_count lower bounds, ascending */
	const int *shards;              /* slice -> shard index */
};

/* An even hash placement: as many slices as shards, slice i on shard i. */
struct placement *placement_hash(struct arena *arena, size_t shard_count);

/* Whether a column of this type (an OID of catalog.h) can be a hash key, and its kind. ERR_UNSUPPORTED when not. */
must_use int key_kind_of_type(uint32_t type, enum key_kind *ret_kind, struct err *err);

/* The key that PostgreSQL's input function would make of `text` (a text parameter, or a string literal's value) for a column of
 * `type`. Bytes of the result live in `arena` or in `text`. ERR_INVALID_TEXT, ERR_OUT_OF_RANGE: PostgreSQL would refuse it too.
 * ERR_UNSUPPORTED: it may be a fine value, but what it means depends on settings (dates other than ISO, a timestamptz without an
 * offset) or is written in bytea's escape format: such a statement goes to all shards. */
must_use int key_from_text(uint32_t type, struct slice text, struct arena *arena, struct key *ret_key, struct err *err);

/* The key in a binary parameter of type `from` (binary wire format) for a column of `type`; the two are in one family
 * (int2/int4/int8, or text/varchar/bpchar, or the same). ERR_UNSUPPORTED otherwise, also for a bpchar compared with a text or varchar
 * column, where blanks at the end count on one side only. ERR_INVALID_TEXT: the bytes are no value of `from`. */
must_use int key_from_binary(uint32_t type, uint32_t from, struct slice bytes, struct arena *arena, struct key *ret_key,
			     struct err *err);

/* For INSERT: storing into varchar(n) cuts blanks beyond the n-th character (anything else there is an error that the node reports), so
 * the key is cut likewise. `typmod` is the column's; the text is UTF-8. No-op for other types. */
void key_assign(uint32_t type, int32_t typmod, struct key *key);

/* Whether a key of type `a` that PostgreSQL's = finds equal to one of type `b` has its hash too: integers of any width; text and
 * varchar, text and bpchar; else the type itself. (A date equals a timestamp, and is hashed otherwise. A varchar is compared with a bpchar as a
 * bpchar: its blanks at the end do not count, and are hashed.) */
bool key_types_meet(uint32_t a, uint32_t b);

uint64_t key_hash(const struct key *key);
int placement_shard(const struct placement *placement, const struct key *key);
