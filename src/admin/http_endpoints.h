/* http_endpoints: what each path means: its parameters, what is asked of the workers for it, and its answer. No sockets here.
 *
 * One thread's. Metrics are made at most once in METRICS_MS_MIN, whoever asks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "admin/probes.h"
#include "base/buf.h"

struct endpoints;
struct http_source;

enum { REQUEST_PARAMETERS_MAX = 8 };

struct parameter { const char *name, *value; };

struct request {
	const char *path;               /* without its parameters */
	bool reading;                   /* GET or HEAD */
	bool bad;                       /* its parameters are too many, or have a zero in them */
	struct parameter parameters[REQUEST_PARAMETERS_MAX];
	size_t parameter_count;
};

struct page {
	unsigned status;
	const char *content_type;
	struct buf body;                /* the caller's */
};

struct endpoints *endpoints_new(const struct http_source *source);
void endpoints_free(struct endpoints *endpoints);       /* NULL is allowed */

/* `left`: another process has taken over. */
void endpoints_answer(struct endpoints *endpoints, const struct request *request, bool left, struct page *ret_page);
