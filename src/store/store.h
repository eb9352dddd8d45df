/* store: get, compare-and-swap, watch. Where the topology lives between starts.
 *
 * A store is a small map from key to (value, revision). Revisions only grow; 0 means absent. store_sqlite.c is the embedded one (one file,
 * WAL mode, synchronous=FULL); etcd comes beside it behind the same functions. Calls block: control plane's threads only; a store
 * may be used by several threads at once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define STORE_KEY_TOPOLOGY "topology"
#define STORE_KEY_SEED "users/seed"

struct store;

struct store_entry {
	char *value;                    /* mem_free() it; NULL when absent */
	uint64_t revision;              /* 0: absent */
};

/* Opens or creates the file. ERR_IO with SQLite's words; ERR_CONFIG when it belongs to a newer format. */
must_use int store_open_sqlite(const char *path, struct store **ret_store, struct err *err);
/* Reads one key without opening the store for good: nothing is created or changed, and a file that is not there yet is empty. The errors are those
 * that store_open_sqlite() would have. */
must_use int store_look_sqlite(const char *path, const char *key, struct store_entry *ret_entry, struct err *err);
void store_close(struct store *store);

must_use int store_get(struct store *store, const char *key, struct store_entry *ret_entry, struct err *err);

/* Writes `value` if the key still has `revision` (0: if it is absent); returns the new revision. ERR_CONFLICT otherwise. Durable on return. */
must_use int store_swap(struct store *store, const char *key, uint64_t revision, const char *value, uint64_t *ret_revision,
			struct err *err);

/* Waits until the key's revision is not `revision`, at most `wait_ms`. 1: changed, and *ret_entry has it; 0: not yet. Sees changes by other
 * processes on the same file too. */
must_use int store_watch(struct store *store, const char *key, uint64_t revision, unsigned wait_ms, struct store_entry *ret_entry,
			 struct err *err);
