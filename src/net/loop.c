#include "net/loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/engine.h"
#include "net/env.h"

enum { FREE_BLOCK_COUNT_MAX = 256 };

static int open_engine(struct loop *loop, enum loop_engine which, struct err *err)
{
	int rc = ERR_UNSUPPORTED;

	if (which != LOOP_EPOLL) {
		loop->engine = &engine_uring;
		rc = loop->engine->open(loop, &loop->engine_state, err);
	}
	if (rc < 0 && which != LOOP_URING) {
		loop->engine = &engine_epoll;
		rc = loop->engine->open(loop, &loop->engine_state, err);
	}
	return rc;
}

int loop_new(enum loop_engine which, const struct env *env, void *worker, struct loop **ret_loop, struct err *err)
{
	struct loop *loop = mem_calloc(1, sizeof(*loop));
	int rc;

	loop->env = env;
	loop->worker = worker;
	loop->now_us = env->now_us(env->world);
	list_init(&loop->dirty);
	list_init(&loop->later);
	list_init(&loop->ready);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake_fd < 0) {
		mem_free(loop);
		return err_set(err, ERR_IO, "eventfd: %m");
	}
	rc = open_engine(loop, which, err);
	if (rc < 0) {
		close(loop->wake_fd);
		mem_free(loop);
		return rc;
	}
	loop->engine->wake_watch(loop, loop->wake_fd);
	*ret_loop = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	loop->engine->close(loop->engine_state);
	close(loop->wake_fd);
	timers_release(&loop->timers);
	while (loop->free_blocks) {
		struct out_block *next = loop->free_blocks->next;

		mem_free(loop->free_blocks);
		loop->free_blocks = next;
	}
	mem_free(loop);
}

const char *loop_engine_name(const struct loop *loop)
{
	return loop->engine->name;
}

uint64_t loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

const struct env *loop_env(const struct loop *loop)
{
	return loop->env;
}

void loop_arm(struct loop *loop, struct timer *timer, uint64_t delay_us)
{
	timer_arm(&loop->timers, timer, loop->now_us + delay_us);
}

void loop_disarm(struct loop *loop, struct timer *timer)
{
	timer_stop(&loop->timers, timer);
}

void loop_later(struct loop *loop, struct later *later)
{
	if (!list_node_linked(&later->node))
		list_push_back(&loop->later, &later->node);
}

void loop_forget(struct loop *loop, struct later *later)
{
	if (list_node_linked(&later->node))
		list_remove(&loop->later, &later->node);
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}

/* ---- letters ---- */

void loop_post(struct loop *loop, struct letter *letter)
{
	uint64_t one = 1;

	letter->next = __atomic_load_n(&loop->letters, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&loop->letters, &letter->next, letter, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	if (!__atomic_exchange_n(&loop->woken, true, __ATOMIC_SEQ_CST))
		while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

void engine_awake(struct loop *loop)
{
	loop->now_us = loop->env->now_us(loop->env->world);
}

void engine_woken(struct loop *loop)
{
	uint64_t count;

	while (read(loop->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	/* Before the letters are taken, so that a letter posted from now on wakes again. */
	__atomic_store_n(&loop->woken, false, __ATOMIC_SEQ_CST);
}

static void deliver_letters(struct loop *loop)
{
	struct letter *newest, *oldest = NULL;

	/* Not relaxed: it must not move before engine_woken()'s store, or a letter that came between would lie until somebody wakes again. */
	if (!__atomic_load_n(&loop->letters, __ATOMIC_SEQ_CST))
		return;
	newest = __atomic_exchange_n(&loop->letters, NULL, __ATOMIC_ACQUIRE);
	while (newest) {                /* in the order in which they were posted */
		struct letter *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct letter *next = oldest->next;

		oldest->deliver(oldest, loop->worker);
		oldest = next;
	}
}

/* ---- turns ---- */

static void run_later(struct loop *loop)
{
	struct list_node *node;

	/* What runs may ask for more; it runs in this turn too. */
	while ((node = list_pop_front(&loop->later)))
		CONTAINER_OF(node, struct later, node)->run(CONTAINER_OF(node, struct later, node));
}

static void flush_dirty(struct loop *loop)
{
	struct list_node *node;

	while ((node = list_pop_front(&loop->dirty))) {
		struct stream *stream = CONTAINER_OF(node, struct stream, dirty);

		if (stream->out_bytes && !stream->send_armed && !stream->send_blocked && !stream->closing && stream->connected)
			loop->engine->send(loop, stream);
	}
}

static uint64_t wait_us(const struct loop *loop)
{
	uint64_t next = timers_next_us(&loop->timers);

	/* Written or asked for before the loop ran: within a turn nothing of it is left. */
	if (!list_empty(&loop->dirty) || !list_empty(&loop->later))
		return 0;
	if (!list_empty(&loop->ready) || __atomic_load_n(&loop->letters, __ATOMIC_RELAXED))
		return 0;
	if (next == UINT64_MAX)
		return UINT64_MAX;
	return next > loop->now_us ? next - loop->now_us : 0;
}

void loop_run(struct loop *loop)
{
	while (!loop->stopping) {
		loop->engine->turn(loop, wait_us(loop));
		timers_fire(&loop->timers, loop->now_us);
		deliver_letters(loop);
		do {
			run_later(loop);
			flush_dirty(loop);
		} while (!list_empty(&loop->later));
	}
}

/* ---- blocks of streams ---- */

struct out_block *loop_block_new(struct loop *loop)
{
	struct out_block *block = loop->free_blocks;

	if (block) {
		loop->free_blocks = block->next;
		loop->free_block_count--;
	} else {
		block = mem_alloc(sizeof(*block));
	}
	block->next = NULL;
	block->start = block->end = 0;
	return block;
}

void loop_block_free(struct loop *loop, struct out_block *block)
{
	if (loop->free_block_count >= FREE_BLOCK_COUNT_MAX) {
		mem_free(block);
		return;
	}
	block->next = loop->free_blocks;
	loop->free_blocks = block;
	loop->free_block_count++;
}
