/* router: the `nanu serve` of a playground, a process of its own.
 *
 * nanu.pid names it, also when another took over from it; that is believed when the process was started with exactly this playground's arguments. Used by the main thread.
 */
#pragma once

#include "app/folder.h"
#include "base/process.h"

struct router {
	struct folder *folder;
	const char *config;             /* path of nanu.yaml */
	const char *log;
	const char *user;               /* its name is also the database's */
	struct process process;
};

/* Takes hold of the router when it runs. */
void router_init(struct router *router, struct folder *folder, const char *user);
bool router_find(struct router *router);                 /* the one that nanu.pid names; false: it does not run */
void router_release(struct router *router);              /* lets go of it; it runs on */

/* Writes nanu.yaml and users.txt. A nanu.yaml that fits the folder's ports stays as it is, so that a person may change settings in it;
 * *ret_written says whether it was written. ERR_CONFIG when the one that is there is wrong. */
must_use int router_configure(struct router *router, const char *password, bool *ret_written, struct err *err);

/* Starts it and waits until it answers clients. */
must_use int router_start(struct router *router, struct err *err);

void router_stop(struct router *router);
