/* probes: what load balancers ask the router: is it alive, does it take sessions, does it reach primaries and replicas. Pure: answered from a
 * scene, as an HTTP status and a JSON object.
 *
 * A database that is paused, and a node that is drained, hold statements back without an error: they make nobody unready, so that a balancer does
 * not refuse the clients whom nanu.pause() and nanu.drain() spare. A database that is disabled is left out; with none left, nothing is ready.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct scene;

enum { HTTP_OK = 200, HTTP_BAD_REQUEST = 400, HTTP_NOT_FOUND = 404, HTTP_BAD_METHOD = 405, HTTP_UNAVAILABLE = 503 };

struct question {                       /* the parameters of a probe */
	const char *database, *shard;   /* only this one; NULL: all */
	bool lag_given;
	uint64_t lag_us_max;
};

/* Each adds "status" and what it found to `body`, and "reasons" when it is not 200. HTTP_OK, HTTP_UNAVAILABLE; HTTP_NOT_FOUND for a database or
 * shard that there is not. */
unsigned probe_health(const struct scene *scene, const struct question *question, json_t *body);
unsigned probe_ready(const struct scene *scene, const struct question *question, json_t *body);
unsigned probe_primary(const struct scene *scene, const struct question *question, json_t *body);
unsigned probe_replica(const struct scene *scene, const struct question *question, json_t *body);
