/* folder: what a playground keeps on disk.
 *
 *	playground.json         the mark of a playground, and what is remembered: ports, number of shards, replicas
 *	lock                    held by the one `nanu playground` that works on the folder; a second part of it by who changes what is remembered
 *	password                of the servers' superuser
 *	nanu.yaml, users.txt    the router's configuration; nanu.db its store; nanu.pid its pid
 *	n1/, n2/, …             the data of each shard's primary; n1a/, n1b/, … of its replicas
 *	log/                    nanu.log, n1.log, n1a.log, …
 *	shop.loaded             the sample data is complete
 *
 * Secrets have mode 0600. When root runs the servers as postgres, that user may pass through the folder but not list it, and owns n1/, ….
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/process.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/limits.h"

enum {
	PLAYGROUND_PASSWORD_SIZE = 33,
	PLAYGROUND_REPLICAS_MAX = 8,            /* of a shard, those that were added among them */
	PLAYGROUND_NODE_SIZE = 8,               /* "n64h" and the zero */
};

struct folder_replica {
	char name[PLAYGROUND_NODE_SIZE];
	unsigned shard;                 /* from 0 */
	uint16_t port;                  /* 0: not chosen yet */
	bool added;                     /* by nanu add-replica: nanu.yaml does not name it */
};

struct folder {
	struct arena arena;
	const char *path;               /* absolute, without symbolic links */
	int lock_fd;                    /* -1: not held */
	bool fresh;                     /* it was made just now */
	uint16_t port;                  /* the router's; 0: not chosen yet */
	uint16_t http_port;             /* where it answers HTTP; 0: not chosen yet */
	unsigned shard_count;           /* 0: not chosen yet */
	uint16_t primary_ports[SHARDS_MAX];     /* 0: not chosen yet */
	unsigned replica_count;
	struct folder_replica replicas[NODES_MAX];
	char password[PLAYGROUND_PASSWORD_SIZE];
};

/* Where a playground is when nobody says: .nanu in the current folder; for a root whose current folder is closed to the servers' user, under
 * /var/lib/nanu/. */
must_use int folder_default(const struct identity *identity, char ret_path[4096], struct err *err);

/* Opens a playground, and makes it when `create`. ERR_NOT_FOUND: there is none; ERR_CONFIG: something else is there, or of a newer nanu;
 * ERR_IO: it cannot be made or read, or the servers' user cannot reach it. */
must_use int folder_open(const char *path, bool create, const struct identity *identity, struct folder **ret_folder, struct err *err);
void folder_free(struct folder *folder);

/* Takes the lock. ERR_WRONG_STATE when another process has it, and *ret_holder is its pid. Held until folder_free() or the end of the process. */
must_use int folder_lock(struct folder *folder, pid_t *ret_holder, struct err *err);

/* Takes the right to change what is remembered, and reads it again: who begins or ends something may have changed it. Waits, as progress_wait()
 * does, for another process to be done. ERR_WRONG_STATE when that takes too long; ERR_CANCELED. */
must_use int folder_lock_list(struct folder *folder, struct err *err);
void folder_unlock_list(struct folder *folder);

/* Adds a replica to those remembered, under the first name that is free: n1a, n1b, …. NULL when the shard, or the playground, has no room. */
struct folder_replica *folder_add_replica(struct folder *folder, unsigned shard, bool added);
void folder_drop_replica(struct folder *folder, const char *name);

/* The path of a file in it; lives as long as the folder. */
const char *folder_file(struct folder *folder, const char *name);

/* Writes a file whole, by way of a new one that takes its place. */
must_use int folder_write(struct folder *folder, const char *name, const char *text, mode_t mode, struct err *err);

/* Remembers the ports, the number of shards, and the replicas. */
must_use int folder_save(struct folder *folder, struct err *err);

/* Removes all that a playground has made, and the folder when nothing else is in it (*ret_left says whether there was). */
must_use int folder_remove(struct folder *folder, bool *ret_left, struct err *err);

/* Removes the data of the server of this name, whole or in the making. */
must_use int folder_remove_data(struct folder *folder, const char *name, struct err *err);
