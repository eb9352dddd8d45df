/* sync_watch: the thread that looks whether the primaries wait for as many replicas as the topology says (admin/replication.h), once a second, and
 * keeps a connection to each that is to wait for any.
 */
#pragma once

#include "base/err.h"

struct plane;
struct replication_watch;
struct sync_watch;

/* `plane` and `watch` outlive it. ERR_NOMEM. */
must_use int sync_watch_start(struct plane *plane, struct replication_watch *watch, struct sync_watch **ret_watch, struct err *err);
void sync_watch_stop(struct sync_watch *watch);         /* waits for its end; NULL is allowed */
