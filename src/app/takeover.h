/* takeover: a new process takes the listening sockets, that for HTTP among them, over from the running one, and no client notices.
 *
 * Over a Unix socket (setting takeover_socket; SOCK_SEQPACKET, a message each), for the same user or root alone:
 *
 *     new ── "take" ─────────────▶ old            old goes on as before
 *     new ◀─ "listeners" + SCM_RIGHTS ── old      the sockets themselves: nothing is ever refused
 *     new ── "ready" ────────────▶ old            new accepts; old stops accepting and serves its sessions until they leave
 *     new ── "cancel" pid secret ▶ old            cancel requests for sessions of old reach new
 *     new ◀─ "store" ────────────▶ old            the topology in the store is another now; with three processes the middle one passes it on
 *
 * The old process ends when its last session has left, or after drain_timeout, and the one that it took over itself has ended before. If the new
 * one fails before "ready", nothing has changed.
 * Source of the descriptor passing: unix(7), "Ancillary messages".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

struct config;
struct control;
struct http;
struct services;
struct takeover;

enum { TAKEOVER_FDS_MAX = 2 * WORKERS_MAX };

struct listeners {                      /* listening sockets */
	int fds[TAKEOVER_FDS_MAX];      /* for clients: of each port at least one for each worker */
	size_t count;
	int http_fd;                    /* -1: there is none */
};

/* The new process's first step. *ret_peer is the connection to the old one. ERR_CONNECT when no router answers. */
must_use int takeover_take(const struct config *config, struct listeners *ret_listeners, int *ret_peer, struct err *err);

/* Two routers that do not know of each other must not write one store. ERR_CONFLICT when another one answers at this one's socket, or accepts clients on
 * its store. */
must_use int takeover_alone(const struct config *config, struct err *err);

/* Answers whoever takes over, with these listeners, from a thread of its own. `peer`: the connection to the process that this one took over, which
 * is told that this one is ready; or -1. `http` is told when another has taken over; NULL: there is none. A socket that cannot be opened is logged,
 * and then nobody can take over. */
struct takeover *takeover_start(const struct config *config, struct services *services, struct control *control, struct http *http,
				const struct listeners *listeners, int peer);
void takeover_stop(struct takeover *takeover);          /* before the workers end; NULL is allowed */
void takeover_free(struct takeover *takeover);          /* when nobody can ask for its connections any more; NULL is allowed */

bool takeover_left(const struct takeover *takeover);     /* another process has taken over from this one */

/* From any thread, to the other process at `peer` (-1: there is none). */
void takeover_cancel(int peer, uint32_t pid, uint32_t secret);
void takeover_tell_store(int peer);
