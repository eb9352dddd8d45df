/* visit: something done on every worker's thread, for who cannot wait for ever: services_visit() with a limit.
 *
 * A worker that does not turn does it late, or never; so the argument is the visit's own, and goes with its last reference, which may be such a
 * worker's. Not from a worker's thread.
 */
#pragma once

struct services;
struct visit;
struct worker;

/* Begins at once. `release` frees `argument` when nobody needs it any more. */
struct visit *visit_new(struct services *services, void (*act)(struct worker *worker, void *argument), void *argument, void (*release)(void *argument));
/* -1: all have done it within `wait_ms`, and what they wrote is to be seen; else the first worker that has not. */
int visit_wait(struct visit *visit, unsigned wait_ms);
void visit_unref(struct visit *visit);          /* NULL is allowed */
