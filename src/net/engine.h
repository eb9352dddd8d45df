/* engine: the few operations that io_uring and epoll both offer to the loop; and the loop's inside that they share.
 *
 * Only net/ includes this. An engine keeps `stream->pending` at the number of operations that the kernel may still complete, and calls the
 * engine_*() functions below with their results.
 */
#pragma once

#include "base/list.h"
#include "net/loop.h"
#include "net/stream.h"

struct iovec;

enum { OUT_BLOCK_SIZE = 8 << 10, IOV_MAX_SEND = 16, IO_SIZE = 16 << 10 };

struct out_block {
	struct out_block *next;
	uint32_t start, end;
	char data[OUT_BLOCK_SIZE];
};

struct engine {
	const char *name;
	int (*open)(struct loop *loop, void **ret_state, struct err *err);
	void (*close)(void *state);
	void (*start)(struct loop *loop, struct stream *stream);                /* a new connected or listening fd */
	void (*connect)(struct loop *loop, struct stream *stream, const struct sockaddr *address, socklen_t size);
	void (*receive)(struct loop *loop, struct stream *stream);              /* recv_wanted changed */
	void (*send)(struct loop *loop, struct stream *stream);                 /* the queue has bytes and send_armed is false */
	void (*cancel)(struct loop *loop, struct stream *stream);               /* end all operations soon */
	void (*wake_watch)(struct loop *loop, int eventfd);
	void (*turn)(struct loop *loop, uint64_t wait_us);                      /* submit, wait, complete; UINT64_MAX: for ever */
};

struct loop {
	const struct engine *engine;
	void *engine_state;
	const struct env *env;
	void *worker;
	uint64_t now_us;
	struct timers timers;
	struct list dirty;              /* streams with bytes to send */
	struct list later;
	struct list ready;              /* streams that the next turn must visit */
	struct out_block *free_blocks;
	unsigned free_block_count;
	int wake_fd;
	bool woken;                     /* atomic: a wake-up is on its way */
	bool stopping;
	struct letter *letters;         /* atomic: newest first */
};

extern const struct engine engine_uring, engine_epoll;

/* Results, from the engines. */
void engine_connected(struct stream *stream, int error);
void engine_received(struct stream *stream, const char *data, size_t size);
void engine_ended(struct stream *stream, int error);
void engine_sent(struct stream *stream, long result);           /* bytes or -errno */
void engine_settled(struct stream *stream);                     /* pending may have become 0 */
void engine_awake(struct loop *loop);                           /* after the wait, before anything is handed on: what comes now happens now */
void engine_woken(struct loop *loop);
size_t engine_iov(struct stream *stream, struct iovec *iov, size_t iov_max);
void engine_close_over(struct stream *stream);                 /* frees its blocks and calls `closed` */

/* The blocks that output waits in, recycled. */
struct out_block *loop_block_new(struct loop *loop);
void loop_block_free(struct loop *loop, struct out_block *block);
