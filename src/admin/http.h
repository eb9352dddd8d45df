/* http: what the router says over HTTP: to load balancers (/health, /ready, /primary, /replica) and to Prometheus (/metrics).
 *
 * One thread of the control plane, which is the only one that touches libmicrohttpd. It never waits for a worker longer than HTTP_WORKER_MS_MAX; a
 * worker that does not turn is asked once, and not again until it has answered. Connections are bounded: a newcomer takes the place of the one that
 * has asked nothing for the longest time, and who does not get to the end of a request in HTTP_TURN_MS_MAX is ended.
 * Anybody who can connect may ask: there is no login. No answer has secrets.
 */
#pragma once

#include "base/err.h"

struct config;
struct http;
struct replication_watch;
struct role_watch;
struct services;
struct snapshot;

struct http_source {                    /* what it answers from */
	struct services *services;
	struct role_watch *roles;
	struct replication_watch *replication;
	void *program;
	struct snapshot *(*snapshot)(void *program);    /* new references to the newest */
	struct config *(*config)(void *program);
};

/* Answers at the listening socket `fd`, which it takes over, from now on. ERR_NOMEM, ERR_IO. */
must_use int http_start(const struct http_source *source, int fd, struct http **ret_http, struct err *err);
/* Another process answers at that socket now: nobody is accepted any more, and who is there is told so once. NULL is allowed. From any thread. */
void http_leave(struct http *http);
void http_stop(struct http *http);      /* before the workers end; NULL is allowed */
