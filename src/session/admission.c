#include "session/admission.h"

#include <arpa/inet.h>

#include <pthread.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "topo/config.h"

struct visitors { unsigned connections, sessions; };    /* of one address; sessions: those that are no cancel requests */

struct admission {
	pthread_mutex_t lock;
	struct map by_address;          /* address -> struct visitors, owned */
	struct map by_database, by_user;        /* name -> struct visitors, owned */
	unsigned unauthenticated;
};

struct admission *admission_new(void)
{
	struct admission *admission = mem_calloc(1, sizeof(*admission));

	pthread_mutex_init(&admission->lock, NULL);
	return admission;
}

static void release_counts(struct map *counts)
{
	size_t position = 0;
	struct slice key;
	void *visitors;

	while (map_next(counts, &position, &key, &visitors))
		mem_free(visitors);
	map_release(counts);
}

void admission_free(struct admission *admission)
{
	if (!admission)
		return;
	release_counts(&admission->by_address);
	release_counts(&admission->by_database);
	release_counts(&admission->by_user);
	pthread_mutex_destroy(&admission->lock);
	mem_free(admission);
}

static struct visitors *visitors_of(struct map *counts, struct slice key)
{
	struct visitors *visitors = map_get(counts, key);

	if (!visitors) {
		visitors = mem_calloc(1, sizeof(*visitors));
		map_set(counts, key, visitors);
	}
	return visitors;
}

static void forget_empty(struct map *counts, struct slice key, struct visitors *visitors)
{
	if (!visitors->connections && !visitors->sessions)
		mem_free(map_remove(counts, key));
}

static int full_address(const struct config *config, struct slice address, struct err *err)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(address.size == sizeof(struct in_addr) ? AF_INET : AF_INET6, address.data, text, sizeof(text));
	err_set(err, ERR_POOL_FULL, "too many connections from address %s", text);
	err_detail(err, "The router takes %u from one address (max_connections_per_address).", config->max_connections_per_address);
	err_hint(err, "Close connections that are not needed, use a pool in the application, or raise max_connections_per_address.");
	return ERR_POOL_FULL;
}

static int full_of_strangers(const struct config *config, struct err *err)
{
	err_set(err, ERR_POOL_FULL, "too many connections that have not logged in yet");
	err_detail(err, "The router takes %u at a time (max_unauthenticated_connections).", config->max_unauthenticated_connections);
	err_hint(err, "Try again in a moment, or raise max_unauthenticated_connections.");
	return ERR_POOL_FULL;
}

int admission_arrive(struct admission *admission, const struct config *config, struct slice address, struct err *err)
{
	unsigned connections = 0, unauthenticated;

	pthread_mutex_lock(&admission->lock);
	unauthenticated = ++admission->unauthenticated;
	if (address.size)
		connections = ++visitors_of(&admission->by_address, address)->connections;
	pthread_mutex_unlock(&admission->lock);
	if (config->max_unauthenticated_connections && unauthenticated / 2 >= config->max_unauthenticated_connections)
		return full_of_strangers(config, err);
	if (config->max_connections_per_address && connections > config->max_connections_per_address + CANCEL_ROOM)
		return full_address(config, address, err);
	return 0;
}

int admission_start(struct admission *admission, const struct config *config, struct slice address, struct err *err)
{
	bool strangers, address_full = false;

	pthread_mutex_lock(&admission->lock);
	strangers = config->max_unauthenticated_connections && admission->unauthenticated > config->max_unauthenticated_connections;
	if (!strangers && address.size) {
		struct visitors *visitors = visitors_of(&admission->by_address, address);

		address_full = config->max_connections_per_address && visitors->sessions >= config->max_connections_per_address;
		visitors->sessions += !address_full;
	}
	pthread_mutex_unlock(&admission->lock);
	if (strangers)
		return full_of_strangers(config, err);
	return address_full ? full_address(config, address, err) : 0;
}

static int full(const char *what, const char *name, const char *setting, unsigned limit, struct err *err)
{
	err_set(err, ERR_POOL_FULL, "too many connections for %s \"%s\"", what, name);
	err_detail(err, "The router takes %u (%s).", limit, setting);
	err_hint(err, "Close connections that are not needed, or raise %s.", setting);
	return ERR_POOL_FULL;
}

int admission_login(struct admission *admission, const struct policy *policy, const char *database, const char *user, struct err *err)
{
	struct visitors *of_database, *of_user;
	int rc = 0;

	pthread_mutex_lock(&admission->lock);
	of_database = visitors_of(&admission->by_database, slice_of(database));
	of_user = visitors_of(&admission->by_user, slice_of(user));
	if (policy->max_db_client_connections && of_database->sessions >= policy->max_db_client_connections)
		rc = full("database", database, "max_db_client_connections", policy->max_db_client_connections, err);
	else if (policy->max_user_client_connections && of_user->sessions >= policy->max_user_client_connections)
		rc = full("role", user, "max_user_client_connections", policy->max_user_client_connections, err);
	if (rc == 0) {
		of_database->sessions++;
		of_user->sessions++;
		admission->unauthenticated--;
	}
	forget_empty(&admission->by_database, slice_of(database), of_database);
	forget_empty(&admission->by_user, slice_of(user), of_user);
	pthread_mutex_unlock(&admission->lock);
	return rc;
}

static void leave(struct map *counts, struct slice key, bool connection, bool session)
{
	struct visitors *visitors = visitors_of(counts, key);

	visitors->connections -= connection;
	visitors->sessions -= session;
	forget_empty(counts, key, visitors);
}

void admission_leave(struct admission *admission, struct slice address, bool started, const char *database, const char *user)
{
	pthread_mutex_lock(&admission->lock);
	if (address.size)
		leave(&admission->by_address, address, true, started);
	if (user) {
		leave(&admission->by_database, slice_of(database), false, true);
		leave(&admission->by_user, slice_of(user), false, true);
	} else {
		admission->unauthenticated--;
	}
	pthread_mutex_unlock(&admission->lock);
}
