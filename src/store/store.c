#include <time.h>

#include "base/mem.h"
#include "store/store_kind.h"
#include "topo/config.h"

static struct etcd_options options_of(const struct config *config)
{
	return (struct etcd_options){
		.hosts = config->etcd_hosts, .prefix = config->etcd_prefix, .user = config->etcd_user, .password = config->etcd_password,
		.ca_file = config->etcd_ca_file, .cert_file = config->etcd_cert_file, .key_file = config->etcd_key_file,
		.timeout_ms = config->etcd_timeout,
	};
}

int store_open(const struct config *config, struct store **ret_store, struct err *err)
{
	struct etcd_options options = options_of(config);

	return config->etcd_hosts ? store_open_etcd(&options, ret_store, err) : store_open_sqlite(config->store, ret_store, err);
}

int store_look(const struct config *config, const char *key, struct store_entry *ret_entry, struct err *err)
{
	struct store *store;
	int rc;

	*ret_entry = (struct store_entry){ 0 };
	if (!config->etcd_hosts)
		return store_look_sqlite(config->store, key, ret_entry, err);
	rc = store_open(config, &store, err);
	if (rc < 0)
		return rc;
	rc = store_get(store, key, ret_entry, err);
	store_close(store);
	return rc;
}

void store_close(struct store *store)
{
	if (store)
		store->kind->close(store);
}

void store_interrupt(struct store *store)
{
	store->kind->interrupt(store);
}

int store_get(struct store *store, const char *key, struct store_entry *ret_entry, struct err *err)
{
	*ret_entry = (struct store_entry){ 0 };
	return store->kind->get(store, key, ret_entry, err);
}

int store_swap(struct store *store, const char *key, uint64_t revision, const char *value, uint64_t *ret_revision, struct err *err)
{
	return store_swap_leased(store, key, revision, value, 0, ret_revision, err);
}

int store_swap_leased(struct store *store, const char *key, uint64_t revision, const char *value, uint64_t lease, uint64_t *ret_revision,
		      struct err *err)
{
	uint64_t ignored;

	return store->kind->swap(store, key, revision, value, lease, ret_revision ? ret_revision : &ignored, err);
}

int store_watch(struct store *store, const char *key, uint64_t revision, unsigned wait_ms, struct store_entry *ret_entry, struct err *err)
{
	*ret_entry = (struct store_entry){ 0 };
	return store->kind->watch(store, key, revision, wait_ms, ret_entry, err);
}

int store_changed(struct store *store, uint64_t *revision, unsigned wait_ms, struct err *err)
{
	return store->kind->changed(store, revision, wait_ms, err);
}

int store_list(struct store *store, const char *prefix, struct store_item **ret_items, size_t *ret_count, struct err *err)
{
	*ret_items = NULL;
	*ret_count = 0;
	return store->kind->list(store, prefix, ret_items, ret_count, err);
}

void store_items_free(struct store_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		mem_free(items[i].key);
		mem_free(items[i].value);
	}
	mem_free(items);
}

int store_lease_grant(struct store *store, unsigned ttl_ms, uint64_t *ret_lease, struct err *err)
{
	return store->kind->lease_grant(store, ttl_ms, ret_lease, err);
}

int store_lease_keep(struct store *store, uint64_t lease, struct err *err)
{
	return store->kind->lease_keep(store, lease, err);
}

int store_lease_revoke(struct store *store, uint64_t lease, struct err *err)
{
	return store->kind->lease_revoke(store, lease, err);
}

uint64_t store_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
