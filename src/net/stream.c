#include "net/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/engine.h"

enum { UNREAD_SIZE = 16 << 10, UNREAD_READS_MAX = 64 };

static void finish_late(struct timer *timer)
{
	stream_close(CONTAINER_OF(timer, struct stream, finish_timer));
}

void stream_init(struct stream *stream, struct loop *loop, const struct stream_events *events)
{
	memset(stream, 0, sizeof(*stream));
	stream->loop = loop;
	stream->events = events;
	stream->fd = -1;
	stream->finish_timer.fire = finish_late;
}

void stream_open(struct stream *stream, int fd)
{
	stream->fd = fd;
	stream->connected = true;
	stream->loop->engine->start(stream->loop, stream);
}

void stream_listen(struct stream *stream, int fd)
{
	stream->fd = fd;
	stream->listening = true;
	stream->loop->engine->start(stream->loop, stream);
}

void stream_connect(struct stream *stream, int fd, const struct sockaddr *address, socklen_t size)
{
	stream->fd = fd;
	stream->connecting = true;
	stream->loop->engine->connect(stream->loop, stream, address, size);
}

void stream_receive(struct stream *stream, bool wanted)
{
	if (stream->recv_wanted == wanted || stream->closing)
		return;
	stream->recv_wanted = wanted;
	if ((stream->connected || stream->listening) && !stream->recv_ended)
		stream->loop->engine->receive(stream->loop, stream);
}

/* ---- writing ---- */

static void queue(struct stream *stream, struct slice bytes)
{
	struct loop *loop = stream->loop;

	if (stream->closing || stream->send_failed || bytes.size == 0)
		return;
	stream->out_bytes += bytes.size;
	while (bytes.size > 0) {
		struct out_block *last = stream->out_last;
		size_t room = last ? OUT_BLOCK_SIZE - last->end : 0;

		if (room == 0) {
			struct out_block *block = loop_block_new(loop);

			if (last)
				last->next = block;
			else
				stream->out_first = block;
			stream->out_last = block;
			continue;
		}
		if (room > bytes.size)
			room = bytes.size;
		memcpy(last->data + last->end, bytes.data, room);
		last->end += (uint32_t)room;
		bytes.data += room;
		bytes.size -= room;
	}
	if (stream->out_bytes > OUT_QUEUE_SIZE_MAX)
		stream->over_limit = true;
	if (!list_node_linked(&stream->dirty))
		list_push_back(&loop->dirty, &stream->dirty);
}

void stream_write(struct stream *stream, struct slice bytes)
{
	if (stream->closing)
		return;
	if (stream->filter)
		stream->filter->write(stream, stream->filter_state, bytes);
	else
		queue(stream, bytes);
}

void stream_filter_write(struct stream *stream, struct slice bytes)
{
	queue(stream, bytes);
}

void stream_filter_received(struct stream *stream, const char *data, size_t size)
{
	stream->events->received(stream, data, size);
}

void stream_filter_ended(struct stream *stream, int error)
{
	engine_ended(stream, error);
}

void stream_set_filter(struct stream *stream, const struct stream_filter *filter, void *state)
{
	stream->filter = filter;
	stream->filter_state = state;
}

size_t engine_iov(struct stream *stream, struct iovec *iov, size_t iov_max)
{
	size_t count = 0;

	for (struct out_block *block = stream->out_first; block && count < iov_max; block = block->next)
		iov[count++] = (struct iovec){ block->data + block->start, block->end - block->start };
	return count;
}

static void drop_sent(struct stream *stream, size_t size)
{
	stream->out_bytes -= size;
	stream->sent_bytes += size;
	while (size > 0) {
		struct out_block *block = stream->out_first;
		size_t have = block->end - block->start;

		if (size < have) {
			block->start += (uint32_t)size;
			return;
		}
		size -= have;
		stream->out_first = block->next;
		if (!block->next)
			stream->out_last = NULL;
		loop_block_free(stream->loop, block);
	}
}

static void drop_unsent(struct stream *stream)
{
	while (stream->out_first) {
		struct out_block *next = stream->out_first->next;

		loop_block_free(stream->loop, stream->out_first);
		stream->out_first = next;
	}
	stream->out_last = NULL;
	stream->out_bytes = 0;
}

/* A peer that went away may have said why: who is reading comes to its words first, and then to the end. */
static void send_failed(struct stream *stream, int error)
{
	bool end_follows = stream->recv_wanted && (error == EPIPE || error == ECONNRESET);

	if (stream->closing)
		return;
	stream->send_failed = true;
	drop_unsent(stream);
	if (stream->finishing || stream->recv_ended)
		stream_close(stream);
	else if (!end_follows)
		engine_ended(stream, error);
}

/* Everything was sent. Closing a socket with unread bytes makes TCP take back what the peer did not read yet. */
static void finish_now(struct stream *stream)
{
	char unread[UNREAD_SIZE];
	int i = 0;

	while (stream->connected && i++ < UNREAD_READS_MAX && recv(stream->fd, unread, sizeof(unread), MSG_DONTWAIT) > 0)
		;
	stream_close(stream);
}

void engine_sent(struct stream *stream, long result)
{
	if (result < 0) {
		send_failed(stream, (int)-result);
		return;
	}
	drop_sent(stream, (size_t)result);
	if (stream->over_limit && stream->out_bytes < STREAM_LOW_BYTES) {
		stream->over_limit = false;
		if (!stream->closing && !stream->finishing && stream->events->drained)
			stream->events->drained(stream);
	}
	if (stream->closing)
		return;
	if (stream->out_bytes && !list_node_linked(&stream->dirty))
		list_push_back(&stream->loop->dirty, &stream->dirty);
	if (!stream->out_bytes && stream->finishing)
		finish_now(stream);
}

/* ---- receiving ---- */

void engine_connected(struct stream *stream, int error)
{
	stream->connecting = false;
	if (stream->closing)
		return;
	if (error == 0)
		stream->connected = true;
	stream->events->connected(stream, error);
	if (error || stream->closing)
		return;
	if (stream->recv_wanted)
		stream->loop->engine->receive(stream->loop, stream);
	if (stream->out_bytes && !list_node_linked(&stream->dirty))     /* written while it was connecting */
		list_push_back(&stream->loop->dirty, &stream->dirty);
}

void engine_received(struct stream *stream, const char *data, size_t size)
{
	stream->received_bytes += size;
	if (stream->closing || stream->finishing)
		return;
	if (stream->filter)
		stream->filter->receive(stream, stream->filter_state, data, size);
	else
		stream->events->received(stream, data, size);
}

void engine_ended(struct stream *stream, int error)
{
	if (stream->recv_ended)
		return;
	stream->recv_ended = true;
	if (stream->closing)
		return;
	if (stream->finishing && error)
		stream_close(stream);
	else if (!stream->finishing)
		stream->events->ended(stream, error);
}

/* ---- closing ---- */

void engine_settled(struct stream *stream)
{
	if (!stream->closing || stream->pending || stream->fd >= 0)
		return;
	if (!list_node_linked(&stream->ready))
		list_push_back(&stream->loop->ready, &stream->ready);
}

void stream_finish(struct stream *stream)
{
	if (stream->closing)
		return;
	if (!stream->finishing) {
		stream->finishing = true;
		loop_arm(stream->loop, &stream->finish_timer, (uint64_t)STREAM_FINISH_MS_MAX * 1000);
		if (stream->filter && stream->filter->finish)
			stream->filter->finish(stream, stream->filter_state);
		if (stream->closing)
			return;
	}
	if (!stream->out_bytes || !stream->connected)
		finish_now(stream);
}

void stream_close(struct stream *stream)
{
	struct loop *loop = stream->loop;

	if (stream->closing)
		return;
	stream->closing = true;
	stream->recv_wanted = false;
	loop_disarm(loop, &stream->finish_timer);
	if (list_node_linked(&stream->dirty))
		list_remove(&loop->dirty, &stream->dirty);
	if (list_node_linked(&stream->ready))
		list_remove(&loop->ready, &stream->ready);
	if (stream->fd >= 0) {
		loop->engine->cancel(loop, stream);
		close(stream->fd);
		stream->fd = -1;
	}
	engine_settled(stream);
}

/* The end of a closing stream: nothing of the kernel's points into it any more. */
void engine_close_over(struct stream *stream)
{
	drop_unsent(stream);
	if (stream->filter)             /* not in stream_close(), which the filter's own functions may have led to */
		stream->filter->free(stream->filter_state);
	stream->filter = NULL;
	stream->events->closed(stream);
}
