/* running: the functions of the nanu schema that steer a running router. Who calls them is an administrator already.
 *
 * What is paused or drained lends no backends to sessions that have none, and closes its backends as they are given back; statements wait, and no
 * client sees an error. That lasts until nanu.resume(), or the end of the router.
 */
#pragma once

#include <stdint.h>

struct admin;
struct call;
struct job;

/* The answer of a function: one row of one value, which outlives the call. Returns 0. */
int admin_say(struct job *job, const struct call *call, uint32_t type, const char *text);

int admin_reload(struct admin *admin, struct job *job, const struct call *call);        /* nanu.reload() */
/* nanu.forget_router('name'): it is gone for good, and nothing waits for it any more. nanu.restore_topology(): the store, which was restored from an old
 * copy, is given this router's topology. */
int admin_forget_router(struct admin *admin, struct job *job, const struct call *call);
int admin_restore_topology(struct admin *admin, struct job *job, const struct call *call);
/* nanu.pause('database'), nanu.drain('node'): answer when no backend of it is left. ERR_WRONG_STATE when it was resumed meanwhile. */
int admin_pause(struct admin *admin, struct job *job, const struct call *call);
int admin_drain(struct admin *admin, struct job *job, const struct call *call);
int admin_resume(struct admin *admin, struct job *job, const struct call *call);        /* nanu.resume('database') or nanu.resume(node => 'n1') */
/* nanu.disable('database'): it takes no new connections (57P03); nanu.enable('database'). */
int admin_disable(struct admin *admin, struct job *job, const struct call *call);
int admin_enable(struct admin *admin, struct job *job, const struct call *call);
/* nanu.terminate_session(pid) with 57P01, nanu.cancel_session(pid) what it runs: whether there is such a session. `pid` as in nanu.sessions. */
int admin_terminate_session(struct admin *admin, struct job *job, const struct call *call);
int admin_cancel_session(struct admin *admin, struct job *job, const struct call *call);
