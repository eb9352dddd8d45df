/* control: the control plane's threads: catalogs, topology, and what sessions ask of the router itself.
 *
 * It owns the newest of everything (plane.h) and the queues of jobs. One thread changes things and may wait for nodes; one waits for sessions
 * (nanu.pause); one only answers what the router knows already, so that the nanu schema can be read whatever the nodes do. Workers get each new snapshot before anyone
 * hears that it is there.
 */
#pragma once

#include "app/plane.h"
#include "base/err.h"
#include "session/worker.h"

struct admin;
struct config;
struct control;
struct job;
struct replication_watch;
struct role_watch;
struct snapshot;
struct topology;

/* Opens the store, makes the first snapshot (nodes that do not answer are tried again later). ERR_IO, ERR_CONFIG. */
must_use int control_new(struct config *config, struct users *users, struct control **ret_control, struct err *err);
void control_free(struct control *control);
struct snapshot *control_snapshot(struct control *control);     /* a new reference to the newest */
struct config *control_config(struct control *control);         /* the same */
struct role_watch *control_roles(struct control *control);      /* lives as long as the control plane */
struct replication_watch *control_replication(struct control *control);

/* The first topology is stored; the threads take jobs from now on. `services->submit` is set to reach it. ERR_CONFLICT, ERR_IO, ERR_NOMEM. */
must_use int control_start(struct control *control, struct services *services, struct err *err);
/* Has the configuration read anew, soon; what comes of it is logged. From any thread. */
void control_reload(struct control *control);
/* This neighbour shares the store, and is told of changes through `peer` (takeover.h); -1: there is none. control_follow(): it made a change. */
void control_share(struct control *control, enum neighbour neighbour, int peer);
void control_follow(struct control *control);
void control_stop(struct control *control);                     /* waits for their end; queued jobs are answered with ERR_SHUTDOWN */
