/* reply: the bytes of one backend, cut into messages while they come, without waiting for whole rows.
 *
 * The owner says of each message, when its header is known, how it wants it: whole (collected, bounded), passed on as bytes come (header
 * included; neighbours in one piece), or skipped. Pure; one a backend.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum reply_mode { REPLY_WHOLE, REPLY_PASS, REPLY_SKIP };

enum { REPLY_HEADER_SIZE = 5, REPLY_WHOLE_SIZE_MAX = 64 << 20 };

struct reply_events {
	/* The header of a message: how to have it. Not called again for the same message. */
	enum reply_mode (*header)(void *owner, char type, uint32_t size);
	/* A whole message; `body` is valid during the call. Negative stops the feeding with this error. */
	int (*whole)(void *owner, char type, struct slice body, struct err *err);
	/* Bytes to pass on. */
	void (*pass)(void *owner, struct slice bytes);
};

struct reply {
	enum reply_mode mode;           /* of the message under way */
	uint32_t left;                  /* bytes of it still to come, in PASS and SKIP */
	struct buf partial;             /* a header or a whole message that has not come to its end */
	struct slice next;              /* while the owner is told of a whole message: what has come behind it */
};

void reply_init(struct reply *reply);
void reply_release(struct reply *reply);

/* Whether what has come behind the message under way leads to the rows or the end of a statement, and nothing else is said before. */
bool reply_succeeds(const struct reply *reply);

/* ERR_PROTOCOL for a length that cannot be, ERR_LIMIT for a whole message that is too large, ERR_NOMEM when it cannot be held, or what whole() returned. */
must_use int reply_feed(struct reply *reply, const struct reply_events *events, void *owner, struct slice bytes, struct err *err);
