/* stream: a socket as the sessions and backends see it, plain or filtered (TLS).
 *
 * What is written is queued in blocks and sent once a turn; what is received is handed over in place and is valid during
 * the call only. A stream is embedded in its owner, which may free it only when `closed` was called; `closed` is called exactly once
 * after stream_close() or stream_finish(), never from inside them. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/slice.h"
#include "net/timer.h"

struct loop;
struct out_block;
struct stream;

struct stream_events {
	void (*accepted)(struct stream *listener, int fd);              /* or -errno: then it should pause for a while */
	void (*connected)(struct stream *stream, int error);            /* errno, 0: connected */
	void (*received)(struct stream *stream, const char *data, size_t size);
	void (*ended)(struct stream *stream, int error);                /* no more is received: 0 end of file, else errno */
	void (*drained)(struct stream *stream);                         /* fewer than STREAM_LOW_BYTES wait, after more than
	                                                                 * OUT_QUEUE_SIZE_MAX did */
	void (*closed)(struct stream *stream);
};

enum { STREAM_LOW_BYTES = 64 << 10 };

/* A filter stands between the socket and the owner, and passes on through the stream_filter_* calls below. */
struct stream_filter {
	void (*write)(struct stream *stream, void *state, struct slice bytes);
	void (*receive)(struct stream *stream, void *state, const char *data, size_t size);
	void (*finish)(struct stream *stream, void *state);     /* everything was written: say so to the peer. NULL: nothing to say */
	void (*free)(void *state);
};

struct stream {
	struct loop *loop;
	const struct stream_events *events;
	const struct stream_filter *filter;     /* NULL: plain */
	void *filter_state;
	int fd;
	bool listening, connecting, connected;
	bool recv_wanted, recv_armed, recv_ended;
	bool send_armed, send_blocked;          /* an operation is under way; epoll: wait for EPOLLOUT */
	bool send_waits;                        /* io_uring: the peer is behind, and the next send waits for it */
	bool readable;                          /* epoll: the edge came while nobody wanted to read */
	bool hung_up;                           /* epoll: the peer's end of file is behind what can be read */
	bool send_failed;                       /* the peer takes no more; what it said before is still read */
	bool finishing, closing, over_limit;
	int connect_error;                      /* epoll: connect(2) failed at once, and the next turn says so */
	unsigned pending;                       /* operations the kernel still holds */
	struct out_block *out_first, *out_last;
	size_t out_bytes;
	uint32_t send_size, send_try;           /* io_uring: of the send under way; its number among those that wait for nothing, from 1 */
	struct list_node dirty;                 /* written this turn */
	struct list_node ready;                 /* epoll: has more to read; any: wants its `closed` */
	struct timer finish_timer;              /* finishing: closed then, whatever is left */
	uint64_t received_bytes, sent_bytes;
};

void stream_init(struct stream *stream, struct loop *loop, const struct stream_events *events);

/* Takes ownership of `fd`, which must be non-blocking. */
void stream_open(struct stream *stream, int fd);                        /* a connected socket (from `accepted`) */
void stream_listen(struct stream *stream, int fd);
void stream_connect(struct stream *stream, int fd, const struct sockaddr *address, socklen_t size);

/* Whether to receive (a listener: to accept). After `false` a few buffers may still come. A new stream does not. */
void stream_receive(struct stream *stream, bool wanted);
void stream_write(struct stream *stream, struct slice bytes);           /* copied; nothing happens on a closing stream */
static inline bool stream_over_limit(const struct stream *stream)       /* the writer should pause its source */
{
	return stream->over_limit;
}
/* Close when everything written has been sent, but after STREAM_FINISH_MS_MAX at the latest; until then only `closed` is called. */
void stream_finish(struct stream *stream);
void stream_close(struct stream *stream);                               /* now */

void stream_set_filter(struct stream *stream, const struct stream_filter *filter, void *state);
void stream_filter_write(struct stream *stream, struct slice bytes);    /* for filters: to the socket */
void stream_filter_received(struct stream *stream, const char *data, size_t size);      /* for filters: to the owner */
void stream_filter_ended(struct stream *stream, int error);      /* for filters: the owner's `ended` */
