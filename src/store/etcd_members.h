/* etcd_members: the members of an etcd cluster: asked in turn until one answers, logged in to, and understood when they refuse.
 *
 * Speaks etcd's JSON gateway (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/). Remembers who answered last and begins with him, so that a
 * member that is down or hangs costs its share of the time once. What cannot be repeated must not come here: a request may reach several members.
 * Used by several threads at once.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct etcd_members;
struct etcd_options;

/* Reads options->hosts. ERR_CONFIG. Nobody is spoken to. */
must_use int etcd_members_new(const struct etcd_options *options, struct etcd_members **ret_members, struct err *err);
void etcd_members_free(struct etcd_members *members);
void etcd_members_interrupt(struct etcd_members *members);      /* streams end at once from now on */
bool etcd_members_interrupted(const struct etcd_members *members);
void etcd_members_pause(void);                                  /* some moments, before what failed is tried again */

/* POSTs to /v3/`path`. json_decref() *ret_answer. *lost becomes true when a try was left without an answer: it may have taken effect, or still
 * come to. ERR_IO when nobody answers within the options' timeout_ms; ERR_AUTH, ERR_PERMISSION, ERR_LIMIT, ERR_NOT_FOUND as etcd says. */
must_use int etcd_members_ask(struct etcd_members *members, const char *path, const json_t *request, json_t **ret_answer, bool *lost,
			      struct err *err);

/* The same for an answer that comes in lines, from one member: `hear` is given each line's "result", and returns false when that is enough.
 * 0: it is, or until_ms has come, or it was interrupted; 1: the stream ended early, or did not begin, and another member is next. */
must_use int etcd_members_stream(struct etcd_members *members, const char *path, const json_t *request, uint64_t until_ms,
				 bool (*hear)(void *argument, const json_t *result), void *argument);
