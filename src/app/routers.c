#include "app/routers.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/env.h"
#include "store/store.h"
#include "topo/config.h"

#define MEMBERS "members/"
#define ROUTERS "routers/"

enum { KEY_SIZE = 256, TRIES_MAX = 5, WHO_SIZE = ROUTER_WHO_SIZE, LAPSE_MARGIN_MS = 3000 };

struct routers {
	struct store *store;
	char me[ROUTER_NAME_SIZE];      /* NAME/INSTANCE */
	char *address, *place;
	size_t name_size;               /* of NAME in `me` */
	unsigned lease_ms;

	pthread_mutex_t lock;           /* of this process's own entry */
	uint64_t lease;                 /* 0: none */
	uint64_t member_revision, revision;     /* of the two entries; 0: not there */
	uint64_t epoch, schemas;        /* as confirmed last */
	bool disputed, confirmed;
	bool missing;                   /* atomic: it was looked for, and one of the two was not there */

	pthread_mutex_t seen_lock;
	struct router_row *seen;        /* all members, as they were seen last */
	size_t seen_count;
};

/* ---- one entry ---- */

static char *entry_text(const struct routers *routers)
{
	json_t *json = json_pack("{s:s, s:i, s:s, s:I, s:I, s:b}", "address", routers->address, "pid", (int)getpid(), "place", routers->place, "epoch",
				 (json_int_t)routers->epoch, "schemas", (json_int_t)routers->schemas, "disputed", routers->disputed);
	char *text = json_dumps(json, JSON_COMPACT), *copy = mem_strdup(text ? text : "");

	json_decref(json);
	free(text);
	return copy;
}

struct member {
	struct router_row row;
	char place[128];
	bool disputed;
	uint64_t schemas, revision, heard_revision;     /* the latter two of its entries */
};

static void read_entry(const char *text, struct member *member)
{
	json_t *json = json_loads(text, 0, NULL);
	const char *address = json_string_value(json_object_get(json, "address")), *place = json_string_value(json_object_get(json, "place"));

	snprintf(member->row.address, sizeof(member->row.address), "%s", address ? address : "");
	snprintf(member->place, sizeof(member->place), "%s", place ? place : "");
	member->row.pid = (int)json_integer_value(json_object_get(json, "pid"));
	member->row.epoch = (uint64_t)json_integer_value(json_object_get(json, "epoch"));
	member->schemas = (uint64_t)json_integer_value(json_object_get(json, "schemas"));
	member->disputed = json_is_true(json_object_get(json, "disputed"));
	json_decref(json);
}

static const char *in_words(const struct member *member, char out[WHO_SIZE])
{
	snprintf(out, WHO_SIZE, "\"%.*s\" at %s (pid %d)", (int)strcspn(member->row.name, "/"), member->row.name, member->row.address,
		 member->row.pid);
	return out;
}

/* ---- everybody's entries ---- */

/* Who is a member is looked for first: whoever comes later reads the topology later, too. mem_free() *ret_members. */
static int list(struct routers *routers, struct member **ret_members, size_t *ret_count, struct err *err)
{
	struct store_item *members, *heard;
	size_t member_count, heard_count;
	int rc = store_list(routers->store, MEMBERS, &members, &member_count, err);

	if (rc < 0)
		return rc;
	rc = store_list(routers->store, ROUTERS, &heard, &heard_count, err);
	if (rc < 0) {
		store_items_free(members, member_count);
		return rc;
	}
	*ret_members = mem_calloc(member_count + 1, sizeof(**ret_members));
	*ret_count = member_count;
	for (size_t i = 0; i < member_count; i++) {
		struct member *member = &(*ret_members)[i];
		const char *name = members[i].key + strlen(MEMBERS);

		read_entry(members[i].value, member);
		member->row.epoch = 0;
		member->revision = members[i].revision;
		snprintf(member->row.name, sizeof(member->row.name), "%s", name);
		member->row.self = strcmp(name, routers->me) == 0;
		for (size_t j = 0; j < heard_count; j++) {
			if (strcmp(heard[j].key + strlen(ROUTERS), name) != 0)
				continue;
			read_entry(heard[j].value, member);
			member->row.heard = true;
			member->heard_revision = heard[j].revision;
		}
	}
	store_items_free(members, member_count);
	store_items_free(heard, heard_count);
	return 0;
}

static bool has_my_name(const struct routers *routers, const struct member *member)
{
	return strncmp(member->row.name, routers->me, routers->name_size + 1) == 0;     /* with the slash */
}

int routers_refresh(struct routers *routers, struct err *err)
{
	struct member *members;
	struct router_row *rows, *old;
	size_t count;
	bool present = false;
	int rc = list(routers, &members, &count, err);

	if (rc < 0)
		return rc;
	rows = mem_calloc(count + 1, sizeof(*rows));
	for (size_t i = 0; i < count; i++) {
		rows[i] = members[i].row;
		present |= rows[i].self && rows[i].heard;
	}
	mem_free(members);
	__atomic_store_n(&routers->missing, !present, __ATOMIC_RELAXED);
	pthread_mutex_lock(&routers->seen_lock);
	old = routers->seen;
	routers->seen = rows;
	routers->seen_count = count;
	pthread_mutex_unlock(&routers->seen_lock);
	mem_free(old);
	return 0;
}

struct router_row *routers_seen(struct routers *routers, size_t *ret_count)
{
	struct router_row *rows;

	pthread_mutex_lock(&routers->seen_lock);
	rows = mem_calloc(routers->seen_count + 1, sizeof(*rows));
	if (routers->seen_count)
		memcpy(rows, routers->seen, routers->seen_count * sizeof(*rows));
	*ret_count = routers->seen_count;
	pthread_mutex_unlock(&routers->seen_lock);
	return rows;
}

const char *routers_me(const struct routers *routers)
{
	return routers->me;
}

/* ---- what the others have ---- */

static int not_heard(const struct member *member, struct err *err)
{
	char who[WHO_SIZE];

	err_set(err, ERR_WRONG_STATE, "router %s is not heard from, and may still serve statements by the topology as it is", in_words(member, who));
	err_hint(err, "Start it again, or mend its way to etcd. When it is gone for good: SELECT nanu.forget_router('%.*s').",
		 (int)strcspn(member->row.name, "/"), member->row.name);
	return ERR_WRONG_STATE;
}

static int look_at_all(struct routers *routers, uint64_t epoch, uint64_t schemas, bool heard_alone, char ret_who[WHO_SIZE], struct err *err)
{
	struct member *members;
	size_t count;
	int rc = list(routers, &members, &count, err);

	if (rc < 0)
		return rc;
	rc = 1;
	for (size_t i = 0; i < count && rc >= 0; i++) {
		if (members[i].row.self)
			continue;
		if (!members[i].row.heard) {
			if (!heard_alone)
				rc = not_heard(&members[i], err);
		} else if (members[i].row.epoch < epoch || members[i].schemas < schemas || members[i].disputed) {
			in_words(&members[i], ret_who);
			rc = 0;
		}
	}
	mem_free(members);
	return rc;
}

int routers_agree(struct routers *routers, uint64_t epoch, uint64_t schemas, char ret_who[WHO_SIZE], struct err *err)
{
	return look_at_all(routers, epoch, schemas, false, ret_who, err);
}

int routers_heard_agree(struct routers *routers, uint64_t epoch, uint64_t schemas, char ret_who[WHO_SIZE], struct err *err)
{
	return look_at_all(routers, epoch, schemas, true, ret_who, err);
}

int routers_greatest(struct routers *routers, uint64_t *ret_epoch, char ret_who[WHO_SIZE], struct err *err)
{
	struct member *members;
	size_t count;
	int rc = list(routers, &members, &count, err);

	*ret_epoch = 0;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (members[i].row.self || members[i].row.epoch <= *ret_epoch)
			continue;
		*ret_epoch = members[i].row.epoch;
		in_words(&members[i], ret_who);
	}
	mem_free(members);
	return 0;
}

int routers_has(struct routers *routers, const char *who, struct err *err)
{
	struct store_entry entry;
	char key[KEY_SIZE];
	int rc;

	snprintf(key, sizeof(key), MEMBERS "%s", who);
	rc = store_get(routers->store, key, &entry, err);
	mem_free(entry.value);
	return rc < 0 ? rc : entry.revision != 0;
}

/* ---- taking out ---- */

/* An entry that has changed meanwhile is somebody's who lives. */
static int take_out(struct routers *routers, const struct member *member, struct err *err)
{
	char key[KEY_SIZE];
	int rc = 0;

	snprintf(key, sizeof(key), ROUTERS "%s", member->row.name);
	if (member->heard_revision)
		rc = store_swap(routers->store, key, member->heard_revision, NULL, NULL, err);
	snprintf(key, sizeof(key), MEMBERS "%s", member->row.name);
	return rc < 0 ? rc : store_swap(routers->store, key, member->revision, NULL, NULL, err);
}

int routers_forget(struct routers *routers, const char *name, struct err *err)
{
	struct member *members;
	size_t count, found = 0, size = strlen(name);
	char who[WHO_SIZE];
	int rc = list(routers, &members, &count, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct member *member = &members[i];

		if (strncmp(member->row.name, name, size) != 0 || member->row.name[size] != '/')
			continue;
		found++;
		if (!member->row.heard) {
			rc = take_out(routers, member, err);
			continue;
		}
		rc = err_set(err, ERR_WRONG_STATE, "router %s is running", in_words(member, who));
		err_hint(err, "Stop it: then it takes itself out.");
	}
	mem_free(members);
	if (rc == 0 && !found) {
		rc = err_set(err, ERR_UNDEFINED_OBJECT, "router \"%s\" does not exist", name);
		err_hint(err, "SELECT name FROM nanu.routers lists them.");
	}
	return rc;
}

/* ---- coming ---- */

static int name_is_taken(const struct member *member, struct err *err)
{
	char who[WHO_SIZE];

	err_set(err, ERR_CONFLICT, "there is another router %s on this etcd", in_words(member, who));
	err_hint(err, "Give each router a router_name of its own, or an etcd_prefix when they are not to serve together.");
	return ERR_CONFLICT;
}

/* Those who had this name before are taken out, when that is sure: of this place and dead, or not heard from. *ret_taken: there is one who is. */
static int clear_name(struct routers *routers, bool alone, bool last, bool *ret_taken, struct err *err)
{
	struct member *members;
	size_t count;
	int rc = list(routers, &members, &count, err);

	*ret_taken = false;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct member *member = &members[i];
		bool here = strcmp(member->place, routers->place) == 0;

		if (!has_my_name(routers, member) || (here && !alone))
			continue;
		if (here || (!member->row.heard && alone)) {
			log_info("routers", "router=%s msg=\"it ended without taking itself out; this process takes its place\"", member->row.name);
			rc = take_out(routers, member, err);
		} else if (member->row.heard) {
			*ret_taken = true;
			if (last)
				rc = name_is_taken(member, err);
		}
	}
	mem_free(members);
	return rc;
}

/* A router of this name elsewhere is given the time of its lease to be gone: it may have been moved. */
static int take_name(struct routers *routers, bool alone, struct err *err)
{
	const struct env *env = env_system();
	uint64_t until_us = env->now_us(env->world) + (routers->lease_ms + LAPSE_MARGIN_MS) * UINT64_C(1000), counter = 0;
	bool taken = true;
	int rc = 0;

	while (rc == 0 && taken) {
		uint64_t now_us = env->now_us(env->world);

		rc = store_changed(routers->store, &counter, counter && now_us < until_us ? (unsigned)((until_us - now_us) / 1000) : 0, err);
		if (rc >= 0)
			rc = clear_name(routers, alone, now_us >= until_us, &taken, err);
	}
	return rc;
}

static void name_it(struct routers *routers, const struct config *config)
{
	const struct env *env = env_system();
	char host[NAME_SIZE_MAX] = "router", name[2 * NAME_SIZE_MAX];
	uint32_t random;

	env->random(env->world, &random, sizeof(random));
	if (gethostname(host, sizeof(host) - 1) < 0)
		strcpy(host, "router");
	for (char *at = host; *at; at++)
		if (*at == '/')
			*at = '-';
	if (config->router_name)
		snprintf(name, sizeof(name), "%s", config->router_name);
	else
		snprintf(name, sizeof(name), "%s:%u", host, config->listen_port);
	routers->name_size = strlen(name);
	snprintf(routers->me, sizeof(routers->me), "%s/%d-%08x", name, (int)getpid(), random);
}

static void routers_free(struct routers *routers)
{
	pthread_mutex_destroy(&routers->lock);
	pthread_mutex_destroy(&routers->seen_lock);
	mem_free(routers->seen);
	mem_free(routers->address);
	mem_free(routers->place);
	mem_free(routers);
}

int routers_join(struct store *store, const struct config *config, const char *place, bool alone, struct routers **ret_routers, struct err *err)
{
	struct routers *routers = mem_calloc(1, sizeof(*routers));
	char key[KEY_SIZE], address[256], *text;
	int rc;

	routers->store = store;
	routers->place = mem_strdup(place);
	routers->lease_ms = config->router_timeout;
	snprintf(address, sizeof(address), "%s:%u", config->listen_host, config->listen_port);
	routers->address = mem_strdup(address);
	pthread_mutex_init(&routers->lock, NULL);
	pthread_mutex_init(&routers->seen_lock, NULL);
	name_it(routers, config);
	rc = take_name(routers, alone, err);
	if (rc == 0) {
		text = entry_text(routers);
		snprintf(key, sizeof(key), MEMBERS "%s", routers->me);
		rc = store_swap(store, key, 0, text, &routers->member_revision, err);
		mem_free(text);
	}
	if (rc == 0)
		rc = routers_refresh(routers, err);
	if (rc < 0) {
		routers_free(routers);
		return rc;
	}
	*ret_routers = routers;
	return 0;
}

void routers_leave(struct routers *routers)
{
	char key[KEY_SIZE];
	struct err err;
	int rc;

	if (!routers)
		return;
	snprintf(key, sizeof(key), MEMBERS "%s", routers->me);
	rc = store_swap(routers->store, key, routers->member_revision, NULL, NULL, &err);
	if (rc == ERR_CONFLICT)         /* somebody was told that it is gone for good */
		rc = 0;
	if (rc == 0 && routers->lease)
		rc = store_lease_revoke(routers->store, routers->lease, &err);
	if (rc < 0)
		log_warn("routers", "router=%s msg=\"cannot take itself out of etcd: the others refuse changes until it starts again, or nanu.forget_router()\"",
			 routers->me);
	routers_free(routers);
}

/* ---- this process's own entry ---- */

/* Whoever said that this router is gone for good was wrong, or etcd was restored from a copy that is older than it: it is a member again. */
static int be_member(struct routers *routers, struct err *err)
{
	struct store_entry entry;
	char key[KEY_SIZE], *text;
	int rc;

	snprintf(key, sizeof(key), MEMBERS "%s", routers->me);
	rc = store_get(routers->store, key, &entry, err);
	if (rc < 0)
		return rc;
	mem_free(entry.value);
	routers->member_revision = entry.revision;
	if (entry.revision)
		return 0;
	text = entry_text(routers);
	rc = store_swap(routers->store, key, 0, text, &routers->member_revision, err);
	mem_free(text);
	return rc;
}

/* One try: ERR_NOT_FOUND when the lease has ended, ERR_CONFLICT when the entry is not as it was left; both are known then. */
static int try_entry(struct routers *routers, const char *key, const char *text, struct err *err)
{
	struct store_entry entry;
	struct err why;
	int rc = 0;

	if (!routers->lease) {
		rc = be_member(routers, err);
		if (rc == 0)
			rc = store_lease_grant(routers->store, routers->lease_ms, &routers->lease, err);
	}
	if (rc == 0)
		rc = store_swap_leased(routers->store, key, routers->revision, text, routers->lease, &routers->revision, err);
	if (rc == ERR_NOT_FOUND) {
		routers->lease = 0;
	} else if (rc == ERR_CONFLICT && store_get(routers->store, key, &entry, &why) == 0) {
		mem_free(entry.value);
		routers->revision = entry.revision;
	}
	return rc;
}

static int write_entry(struct routers *routers, struct err *err)
{
	char key[KEY_SIZE], *text = entry_text(routers);
	int rc, tries = 0;

	snprintf(key, sizeof(key), ROUTERS "%s", routers->me);
	do
		rc = try_entry(routers, key, text, err);
	while ((rc == ERR_NOT_FOUND || rc == ERR_CONFLICT) && ++tries < TRIES_MAX);
	mem_free(text);
	if (rc == 0)
		__atomic_store_n(&routers->missing, false, __ATOMIC_RELAXED);
	return rc;
}

int routers_confirm(struct routers *routers, uint64_t epoch, uint64_t schemas, bool disputed, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&routers->lock);
	if (!routers->confirmed || epoch != routers->epoch || schemas != routers->schemas || disputed != routers->disputed) {
		routers->epoch = epoch;
		routers->disputed = disputed;
		routers->schemas = schemas;
		rc = write_entry(routers, err);
		routers->confirmed = rc == 0;
	}
	pthread_mutex_unlock(&routers->lock);
	return rc;
}

int routers_keep(struct routers *routers, struct err *err)
{
	int rc = ERR_NOT_FOUND;

	pthread_mutex_lock(&routers->lock);
	if (routers->lease && !__atomic_load_n(&routers->missing, __ATOMIC_RELAXED))
		rc = store_lease_keep(routers->store, routers->lease, err);
	if (rc == ERR_NOT_FOUND) {
		routers->lease = 0;
		routers->revision = 0;
		rc = write_entry(routers, err);
	} else if (rc == 0 && !routers->confirmed) {
		rc = write_entry(routers, err);
	}
	if (rc == 0)
		routers->confirmed = true;
	pthread_mutex_unlock(&routers->lock);
	return rc;
}
