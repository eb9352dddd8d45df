/* metrics: what Prometheus is told: every counter of the router, summed over its workers, its sessions, pools and nodes.
 *
 * Names and units follow Prometheus' conventions: seconds, bytes, _total for what only grows. Counters begin anew with the process.
 */
#pragma once

#include "base/buf.h"

struct scene;

void metrics_write(const struct scene *scene, struct buf *out);

/* Its parts, each in a file of its own. */
void metrics_process(struct buf *out);
void metrics_pools(const struct scene *scene, struct buf *out);
void metrics_nodes(const struct scene *scene, struct buf *out);
