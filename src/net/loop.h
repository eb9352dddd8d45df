/* loop: one worker's turns: wait for completions, hand them out, send what was written.
 *
 * Completion-style: a stream receives, accepts, connects and sends through an engine (engine.h: io_uring or epoll), and its events are
 * called with the result. All calls of a loop come from the thread that made it, except loop_post() and loop_wake().
 *
 *        wait ──▶ completions ──▶ timers ──▶ letters ──▶ later() ──▶ flush written streams ──▶ wait
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "net/timer.h"

struct engine;
struct env;
struct loop;
struct out_block;

enum loop_engine { LOOP_AUTO, LOOP_URING, LOOP_EPOLL };

/* A letter to another worker's loop: delivered on its thread. The sender owns the memory until deliver() is called, then the receiver does. */
struct letter {
	void (*deliver)(struct letter *letter, void *worker);
	struct letter *next;
};

struct later {                          /* work for the end of this turn, so that events need not nest */
	void (*run)(struct later *later);
	struct list_node node;
};

must_use int loop_new(enum loop_engine which, const struct env *env, void *worker, struct loop **ret_loop, struct err *err);
void loop_free(struct loop *loop);
const char *loop_engine_name(const struct loop *loop);  /* "io_uring" or "epoll" */

void loop_run(struct loop *loop);                       /* until loop_stop() */
void loop_stop(struct loop *loop);
uint64_t loop_now_us(const struct loop *loop);          /* monotonic, read once a turn */
const struct env *loop_env(const struct loop *loop);
void loop_arm(struct loop *loop, struct timer *timer, uint64_t delay_us);
void loop_disarm(struct loop *loop, struct timer *timer);
void loop_later(struct loop *loop, struct later *later);        /* harmless when already asked for */
void loop_forget(struct loop *loop, struct later *later);

/* From any thread. Letters of one sender arrive in order. */
void loop_post(struct loop *loop, struct letter *letter);
