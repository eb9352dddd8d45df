/* store_kind: what each kind of store does behind the functions of store.h. For this folder alone.
 *
 * An implementation has `struct store` as its first member, and gives everybody that.
 */
#pragma once

#include "store/store.h"

struct store_kind {
	void (*close)(struct store *store);
	void (*interrupt)(struct store *store);
	int (*get)(struct store *store, const char *key, struct store_entry *ret_entry, struct err *err);
	int (*swap)(struct store *store, const char *key, uint64_t revision, const char *value, uint64_t lease, uint64_t *ret_revision, struct err *err);
	int (*watch)(struct store *store, const char *key, uint64_t revision, unsigned wait_ms, struct store_entry *ret_entry, struct err *err);
	int (*changed)(struct store *store, uint64_t *revision, unsigned wait_ms, struct err *err);
	int (*list)(struct store *store, const char *prefix, struct store_item **ret_items, size_t *ret_count, struct err *err);
	int (*lease_grant)(struct store *store, unsigned ttl_ms, uint64_t *ret_lease, struct err *err);
	int (*lease_keep)(struct store *store, uint64_t lease, struct err *err);
	int (*lease_revoke)(struct store *store, uint64_t lease, struct err *err);
};

struct store { const struct store_kind *kind; };

uint64_t store_now_ms(void);            /* a clock that also counts while the machine sleeps, since it was started */
