/* store: get, compare-and-swap, watch, lease. Where the topology lives between starts, and where routers hear of each other.
 *
 * A store is a small map from key to (value, revision). store_sqlite.c is the embedded one (one file, WAL mode, synchronous=FULL), for the processes
 * of one router on one machine; store_etcd.c is for several routers. Both do the same behind the functions below. Calls block, for a bounded time:
 * control plane's threads only; a store may be used by several threads at once.
 *
 * A revision is what the store's counter was when a key was last written: in etcd its mod_revision, in SQLite a counter of the file. The counter
 * grows with every change of whatever key, also when a key goes, so that no two states of a key have one revision, and a swap under a revision
 * can succeed once only. 0 means absent. A counter that is lower than it was (store_changed() tells) belongs to a store that was restored from
 * an older copy.
 *
 * A lease is a time to live that its holder renews. Keys written under it go when it ends: seen by store_watch() as any other change.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define STORE_KEY_TOPOLOGY "topology"
#define STORE_KEY_SEED "users/seed"
#define STORE_KEY_BUSY "~"               /* such keys change all the time: in etcd that is not told to those who wait for any change */

struct config;
struct store;

struct store_entry {
	char *value;                    /* mem_free() it; NULL when absent */
	uint64_t revision;              /* 0: absent */
};

struct store_item { char *key, *value; uint64_t revision; };

/* The store that the configuration names. ERR_IO when it cannot be reached, ERR_AUTH, ERR_PERMISSION, ERR_CONFIG. */
must_use int store_open(const struct config *config, struct store **ret_store, struct err *err);
/* Reads one key without changing anything: an SQLite file that is not there yet is not made, and is empty. The errors are those of store_open(). */
must_use int store_look(const struct config *config, const char *key, struct store_entry *ret_entry, struct err *err);
void store_close(struct store *store);                  /* NULL is allowed; nobody may be in a call any more */

/* Opens or creates the file. ERR_IO with SQLite's words; ERR_CONFIG when it belongs to a newer format. */
must_use int store_open_sqlite(const char *path, struct store **ret_store, struct err *err);
must_use int store_look_sqlite(const char *path, const char *key, struct store_entry *ret_entry, struct err *err);

struct etcd_options {
	const char *hosts;              /* "http://10.0.0.1:2379, https://…": members, tried in turn */
	const char *prefix;             /* before every key */
	const char *user, *password;    /* NULL: nobody logs in */
	const char *ca_file, *cert_file, *key_file;     /* PEM; NULL: the system's roots, no certificate */
	unsigned timeout_ms;            /* for one call, over all members */
	bool may_be_away;               /* now: it is opened all the same */
};

/* Asks for a key, so that what is wrong shows now. */
must_use int store_open_etcd(const struct etcd_options *options, struct store **ret_store, struct err *err);

/* All of these: ERR_IO when the store cannot be reached or does not answer in time, ERR_LIMIT when it does not take so much,
 * ERR_AUTH and ERR_PERMISSION from etcd. Keys are without the prefix. Reads see every swap that has returned before they began. */

must_use int store_get(struct store *store, const char *key, struct store_entry *ret_entry, struct err *err);

/* Writes `value` (NULL: removes the key) if the key still has `revision` (0: if it is absent); *ret_revision is the new one. ERR_CONFLICT otherwise.
 * Durable on return. ERR_UNKNOWN_OUTCOME: the answer was lost, and the store away until the call's time was over; it may be so or come to be so. */
must_use int store_swap(struct store *store, const char *key, uint64_t revision, const char *value, uint64_t *ret_revision,
			struct err *err);
/* The same, and the key goes when the lease ends. ERR_NOT_FOUND: it has ended. */
must_use int store_swap_leased(struct store *store, const char *key, uint64_t revision, const char *value, uint64_t lease,
			       uint64_t *ret_revision, struct err *err);

/* Waits until the key's revision is not `revision`, at most `wait_ms`. 1: changed, and *ret_entry has it; 0: not yet. Sees changes by other
 * processes too. */
must_use int store_watch(struct store *store, const char *key, uint64_t revision, unsigned wait_ms, struct store_entry *ret_entry,
			 struct err *err);
/* Waits until any key was changed after the counter stood at *revision, at most `wait_ms`. 1: it was, or the counter has gone back; *revision is the
 * counter now. 0: not yet. */
must_use int store_changed(struct store *store, uint64_t *revision, unsigned wait_ms, struct err *err);
/* From any thread: waits return 0 at once from now on. */
void store_interrupt(struct store *store);

/* The keys that begin with `prefix`, in order. ERR_LIMIT when they are more than limits.h:STORE_LIST_MAX. */
must_use int store_list(struct store *store, const char *prefix, struct store_item **ret_items, size_t *ret_count, struct err *err);
void store_items_free(struct store_item *items, size_t count);

/* etcd may give a lease a longer life than `ttl_ms`: some seconds at least. */
must_use int store_lease_grant(struct store *store, unsigned ttl_ms, uint64_t *ret_lease, struct err *err);
must_use int store_lease_keep(struct store *store, uint64_t lease, struct err *err);            /* its life begins anew. ERR_NOT_FOUND: it has ended */
must_use int store_lease_revoke(struct store *store, uint64_t lease, struct err *err);          /* 0 also when it has ended */
