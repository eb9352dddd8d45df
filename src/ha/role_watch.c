#include "ha/role_watch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

struct found { char shard[NAME_SIZE_MAX]; enum role_verdict verdict; char reason[ROLE_REASON_SIZE]; };

struct role_watch {
	pthread_mutex_t lock;
	struct found found[SHARDS_MAX]; /* those of which anything is to be said */
	size_t count;
};

struct role_watch *role_watch_new(void)
{
	struct role_watch *watch = mem_calloc(1, sizeof(*watch));

	pthread_mutex_init(&watch->lock, NULL);
	return watch;
}

void role_watch_free(struct role_watch *watch)
{
	if (!watch)
		return;
	pthread_mutex_destroy(&watch->lock);
	mem_free(watch);
}

static struct found *find(struct role_watch *watch, const char *shard)
{
	for (size_t i = 0; i < watch->count; i++)
		if (strcmp(watch->found[i].shard, shard) == 0)
			return &watch->found[i];
	return NULL;
}

bool role_watch_found(struct role_watch *watch, const char *shard, enum role_verdict verdict, const char *reason)
{
	bool wanted = verdict == ROLES_DISPUTED || verdict == ROLES_LEADERLESS, news;
	struct found *found;

	pthread_mutex_lock(&watch->lock);
	found = find(watch, shard);
	news = wanted ? !found || found->verdict != verdict || strcmp(found->reason, reason) != 0 : found != NULL;
	if (wanted && !found && watch->count < SHARDS_MAX)
		found = &watch->found[watch->count++];
	if (wanted && found) {
		found->verdict = verdict;
		snprintf(found->shard, sizeof(found->shard), "%s", shard);
		snprintf(found->reason, sizeof(found->reason), "%s", reason);
	} else if (found) {
		*found = watch->found[--watch->count];
	}
	pthread_mutex_unlock(&watch->lock);
	return news;
}

enum role_verdict role_watch_read(struct role_watch *watch, const char *shard, char ret_reason[ROLE_REASON_SIZE])
{
	enum role_verdict verdict = ROLES_AS_THEY_ARE;
	const struct found *found;

	ret_reason[0] = '\0';
	pthread_mutex_lock(&watch->lock);
	found = find(watch, shard);
	if (found) {
		verdict = found->verdict;
		memcpy(ret_reason, found->reason, ROLE_REASON_SIZE);
	}
	pthread_mutex_unlock(&watch->lock);
	return verdict;
}
