/* replication: how the primaries are told whom to wait for, and what became of it.
 *
 * The topology says what is asked for. A thread of the control plane looks once a second whether the replicas stream, and tells the primary
 * (ALTER SYSTEM SET synchronous_standby_names, as node_user) when that is not what it should wait for. What was seen last is kept here, for
 * nanu.shards. One at a time acts: whoever changes the topology's replication does so under the same lock.
 */
#pragma once

#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/limits.h"
#include "topo/replication.h"

struct admin;
struct call;
struct config;
struct job;
struct topology;

struct replication_seen {               /* of one shard; under the lock `reading` */
	char shard[NAME_SIZE_MAX];
	enum replication_state state;
	char loaded[40];                /* when the primary read the configuration under which its commits were seen to wait; "": they were not */
	unsigned missing_looks;         /* in a row that found replicas missing, of which nothing was made yet */
	unsigned wakings;               /* still to be made, since the primary was told something: wake_waiting() */
};

struct replication_watch {
	pthread_mutex_t acting;         /* held while a primary is looked at and told */
	pthread_mutex_t reading;
	struct replication_seen seen[SHARDS_MAX];       /* those that are watched */
	size_t seen_count;
};

void replication_watch_init(struct replication_watch *watch);
void replication_watch_release(struct replication_watch *watch);

/* What was last seen of the shard; false: nothing. From any thread. */
bool replication_watch_state(struct replication_watch *watch, const char *shard, enum replication_state *ret_state);

/* Looks at one shard, and tells its primary what is not so yet; logs what has changed. It waits when a commit is seen to (ha/commit_wait.h). Under `acting`, which the caller holds. `patient`: replicas that
 * are missing for a moment are waited for, and what an async shard's primary has been told by others is left as it is. *conn is opened when it is NULL,
 * and closed with an error. 1: the primary was told something, and may need a moment for it; 0: it waits as it should; ERR_CONNECT, ERR_WRONG_STATE. */
must_use int replication_look(struct replication_watch *watch, const struct config *config, const struct topology *topology, int shard, bool patient,
			      PGconn **conn, struct err *err);
/* A promoted node is to be the shard's primary in this topology: it is told whom to wait for before anybody writes there. What goes wrong is an error where commits
 * are to wait for replicas that are missing; it is tried again by whoever looks then. */
must_use int replication_take_over(struct replication_watch *watch, const struct config *config, const struct topology *topology, int shard, struct err *err);
/* After a change of the shard's replicas: has its primary told at once, as far as it can be reached. */
void replication_settle(struct admin *admin, const struct topology *topology, int shard);
/* `next` has other nodes in the shard than `old`: ERR_WRONG_STATE when its commits, which do not wait for what is missing now, would wait then. */
must_use int replication_check_nodes(struct admin *admin, const struct topology *old, const struct topology *next, int shard, struct err *err);
/* Forgets the shards that are async now. */
void replication_watch_keep(struct replication_watch *watch, const struct topology *topology);

/* nanu.set_replication(shard => 's1', mode => 'semi-sync', k => 1, when_missing => 'block'): mode async, semi-sync (any k replicas) or sync (all);
 * when_missing: 'block' or 'degrade'. Answers when the primary waits so. ERR_WRONG_STATE: too few replicas stream under their nodes' names. */
int admin_set_replication(struct admin *admin, struct job *job, const struct call *call);
