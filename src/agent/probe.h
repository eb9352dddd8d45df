/* probe: what the node on this machine says of itself, asked over a standing connection, many times a second, by a thread of its own.
 */
#pragma once

#include "agent/postgres.h"
#include "base/limits.h"
#include "ha/decide.h"

/* What was found last. */
struct probed {
	bool running;                   /* there is a postmaster */
	bool known;                     /* the rest is of the node as it runs now; of one that does not run, from its files */
	enum member_condition node;
	bool clean;
	bool sick;                      /* it has not answered, or not written, for longer than it may */
	uint64_t system;
	uint64_t flushed;
	struct history history;         /* of the timeline that it is on */
	bool receiving;                 /* the walreceiver has got anything within the last moments */
	char upstream[2048];            /* primary_conninfo */
	bool has_receiver;              /* there is a walreceiver, whatever it gets */
	char waits_for[1024];           /* synchronous_standby_names */
	bool waits;                     /* of a primary: commits were seen to, since it read that; or are not to */
};

struct probe;

/* `found` is called by the probe's thread after each look. */
must_use int probe_start(const struct postgres *postgres, unsigned every_ms, uint64_t sick_us, void (*found)(void *program, const struct probed *probed),
			 void *program, struct probe **ret_probe, struct err *err);
void probe_now(struct probe *probe);            /* looks again at once */
void probe_stop(struct probe *probe);           /* NULL is allowed */
