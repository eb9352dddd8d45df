/* folder: what a playground keeps on disk.
 *
 *	playground.json         the mark of a playground, and what is remembered: ports, number of nodes
 *	lock                    held by the one `nanu playground` that works on the folder
 *	password                of the servers' superuser
 *	nanu.yaml, users.txt    the router's configuration; nanu.db its store; nanu.pid its pid
 *	n1/, n2/, …             the servers' data
 *	log/                    nanu.log, n1.log, …
 *	shop.loaded             the sample data is complete
 *
 * Secrets have mode 0600. When root runs the servers as postgres, that user may pass through the folder but not list it, and owns n1/, ….
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "app/process.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/limits.h"

enum { PLAYGROUND_PASSWORD_SIZE = 33 };

struct folder {
	struct arena arena;
	const char *path;               /* absolute, without symbolic links */
	int lock_fd;                    /* -1: not held */
	bool fresh;                     /* it was made just now */
	uint16_t port;                  /* the router's; 0: not chosen yet */
	uint16_t http_port;             /* where it answers HTTP; 0: not chosen yet */
	unsigned node_count;            /* 0: not chosen yet */
	uint16_t node_ports[SHARDS_MAX];
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

/* The path of a file in it; lives as long as the folder. */
const char *folder_file(struct folder *folder, const char *name);

/* Writes a file whole, by way of a new one that takes its place. */
must_use int folder_write(struct folder *folder, const char *name, const char *text, mode_t mode, struct err *err);

/* Remembers port, http_port, node_count and node_ports. */
must_use int folder_save(struct folder *folder, struct err *err);

/* Removes all that a playground has made, and the folder when nothing else is in it (*ret_left says whether there was). */
must_use int folder_remove(struct folder *folder, bool *ret_left, struct err *err);

/* Removes a folder with everything in it, without following links. ERR_IO names what could not be removed. */
must_use int folder_remove_tree(const char *path, struct err *err);
