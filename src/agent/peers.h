/* peers: the agents of a shard ask each other, over HTTP, and by mutual TLS if they have certificates: one POST tells what the asker has seen, and is
 * answered by what the other is and has seen.
 *
 *	POST /member
 *	{ "from": "n1b", "revision": 812, "record": { … }, "freeze": true, "vouch": 3 }
 *	{ "member": "n1c", "revision": 812, "record": { … }, "vouched": false,
 *	  "state": { "node": "standby", "same_history": true, "clean": false, "sick": false, "receiving": false, "streaming": false,
 *	             "flushed": "0/3000148", "frozen": 812, "epoch": 2, "change": 7 } }
 *
 * Routers ask as ha/permit.h says. Who asks the leader to hand over (agent/handover.h) does so by POST /handover, and asks there for how it goes, without "drain_ms":
 *
 *	{ "to": "n1c", "drain_ms": 5000 }
 *	{ "phase": "drains", "to": "n1c", "ended": false, "done": false, "outcome": "" }
 *
 * "freeze": it shall receive no more under this revision (decide_freeze()); "vouch": the leader of this epoch asks whether its authority goes on
 * (decide_vouch()). Both are optional, as is "record" of one who has seen none.
 * One thread for each peer, with libcurl; one that answers, with libmicrohttpd.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/handover.h"
#include "agent/link.h"
#include "base/err.h"
#include "ha/permit.h"
#include "ha/record.h"

struct peer_question {
	uint64_t revision;              /* 0: it has seen no record */
	struct record record;
	bool freeze;
	uint64_t vouch;                 /* an epoch; 0: it does not ask */
};

struct peer_answer {
	struct member_state state;
	uint64_t revision;
	struct record record;
	bool vouched;
};

struct peers_calls {                    /* on the threads of peers */
	void *program;
	/* What to ask this member now; returns how many milliseconds until the next question. */
	unsigned (*question)(void *program, int member, struct peer_question *ret_question);
	void (*answered)(void *program, int member, uint64_t asked_at, const struct peer_question *question, const struct peer_answer *answer);
	/* What a member asked; false: nobody of this shard is called so. */
	bool (*asked)(void *program, const char *from, const struct peer_question *question, struct peer_answer *ret_answer);
	void (*permit)(void *program, const struct permit_question *question, struct permit_answer *ret_answer);        /* a router asks */
	/* To that member ("": any), draining for so long (0: it is only asked how it goes). *ret: a copy. ERR_WRONG_STATE: not now, and why. */
	const char *(*name_of)(void *program, int member);
	int (*hand_over)(void *program, const char *to, uint64_t drain_us, struct handover *ret, struct err *err);
};

struct mutual_tls;
struct peers;

/* `addresses`: "host:port" of each member's agent, NULL for our own, at which is answered: `listen`. `tls`: NULL: they speak plainly. ERR_IO: that
 * cannot be. */
must_use int peers_start(const char *self, const char *listen, const char *const *addresses, size_t count, const struct mutual_tls *tls, unsigned timeout_ms,
			 const struct peers_calls *calls, struct peers **ret_peers, struct err *err);
void peers_stop(struct peers *peers);   /* NULL is allowed */
