/* epoll: the engine for kernels, or rules, without io_uring: the same results over edge-triggered epoll.
 *
 * A descriptor is registered once, for both edges. An edge that comes while nobody wants to read is remembered in
 * stream->readable; a stream with more to read than one turn gives waits in loop->ready.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/engine.h"

enum { EVENTS_A_TURN = 256, READS_A_TURN = 4, EPOLL_IO_SIZE = 64 << 10, ACCEPTS_A_TURN = 64 };

struct epoll {
	int fd;
	char buffer[EPOLL_IO_SIZE];
};

static int epoll_open(struct loop *loop, void **ret_state, struct err *err)
{
	struct epoll *epoll = mem_alloc(sizeof(*epoll));

	epoll->fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll->fd < 0) {
		mem_free(epoll);
		return err_set(err, ERR_IO, "epoll_create1: %m");
	}
	*ret_state = epoll;
	return 0;
}

static void epoll_close(void *state)
{
	struct epoll *epoll = state;

	close(epoll->fd);
	mem_free(epoll);
}

static void watch(struct epoll *epoll, int fd, uint32_t events, void *data)
{
	struct epoll_event event = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll->fd, EPOLL_CTL_ADD, fd, &event) < 0)
		event.events = 0;       /* only without memory; the peer then times out */
}

static void visit_later(struct stream *stream)
{
	if (!list_node_linked(&stream->ready))
		list_push_back(&stream->loop->ready, &stream->ready);
}

static void epoll_start(struct loop *loop, struct stream *stream)
{
	if (stream->listening)
		watch(loop->engine_state, stream->fd, stream->recv_wanted ? EPOLLIN : 0, stream);
	else
		watch(loop->engine_state, stream->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, stream);
}

static void epoll_connect(struct loop *loop, struct stream *stream, const struct sockaddr *address, socklen_t size)
{
	/* EAGAIN comes from a unix socket with a full queue: nothing is under way then. */
	if (connect(stream->fd, address, size) < 0 && errno != EINPROGRESS) {
		stream->connect_error = errno;          /* told in the next turn, not from inside stream_connect() */
		visit_later(stream);
		return;
	}
	watch(loop->engine_state, stream->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, stream);
}

static void epoll_receive(struct loop *loop, struct stream *stream)
{
	struct epoll *epoll = loop->engine_state;
	struct epoll_event event = { .events = stream->recv_wanted ? EPOLLIN : 0, .data.ptr = stream };

	if (stream->listening)
		epoll_ctl(epoll->fd, EPOLL_CTL_MOD, stream->fd, &event);
	else if (stream->recv_wanted && stream->readable)
		visit_later(stream);
}

static void epoll_send(struct loop *loop, struct stream *stream)
{
	while (stream->out_bytes && !stream->closing) {
		struct iovec iov[IOV_MAX_SEND];
		struct msghdr header = { .msg_iov = iov, .msg_iovlen = engine_iov(stream, iov, IOV_MAX_SEND) };
		ssize_t sent = sendmsg(stream->fd, &header, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			stream->send_blocked = true;
			return;
		}
		engine_sent(stream, sent < 0 ? -errno : sent);
	}
	if (list_node_linked(&stream->dirty))
		list_remove(&loop->dirty, &stream->dirty);
}

static void epoll_cancel(struct loop *loop, struct stream *stream)
{
	if (stream->listening) {                /* another process may have it too: then it stays open, and registered */
		epoll_ctl(((struct epoll *)loop->engine_state)->fd, EPOLL_CTL_DEL, stream->fd, NULL);
		return;
	}
	shutdown(stream->fd, SHUT_RDWR);        /* the kernel forgets the rest when the descriptor is closed */
}

static void epoll_wake_watch(struct loop *loop, int eventfd)
{
	watch(loop->engine_state, eventfd, EPOLLIN, NULL);
}

static void accept_some(struct stream *stream)
{
	for (int i = 0; i < ACCEPTS_A_TURN && stream->recv_wanted; i++) {
		int fd = accept4(stream->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			stream->events->accepted(stream, fd);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR && errno != ECONNABORTED) {
			stream->events->accepted(stream, -errno);
			return;
		}
	}
}

static void read_some(struct epoll *epoll, struct stream *stream)
{
	for (int i = 0; stream->recv_wanted && !stream->closing && !stream->recv_ended; i++) {
		ssize_t got;

		if (i == READS_A_TURN) {
			visit_later(stream);
			return;
		}
		got = recv(stream->fd, epoll->buffer, sizeof(epoll->buffer), 0);
		if (got > 0) {
			if (got < (ssize_t)sizeof(epoll->buffer) && !stream->hung_up)
				stream->readable = false;       /* emptied: the next byte makes a new edge */
			engine_received(stream, epoll->buffer, (size_t)got);
			if (!stream->readable)
				return;
		} else if (got == 0) {
			engine_ended(stream, 0);
		} else if (errno == EAGAIN) {
			stream->readable = false;
			return;
		} else if (errno != EINTR) {
			engine_ended(stream, errno);
		}
	}
}

/* The peer went, in both directions, while the owner had paused it. What can still be read comes first, when it is wanted again. */
static void tell_paused(struct stream *stream)
{
	char byte;
	ssize_t got = recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got <= 0)
		engine_ended(stream, got < 0 && errno != EAGAIN ? errno : ECONNRESET);
}

static void visit(struct epoll *epoll, struct stream *stream, uint32_t events)
{
	if (stream->closing) {
		engine_settled(stream);
		return;
	}
	if (stream->listening) {
		accept_some(stream);
		return;
	}
	if (stream->connecting) {
		int error = stream->connect_error;
		socklen_t size = sizeof(error);

		if (!error && !(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		if (!error)
			getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		engine_connected(stream, error);
		if (error || stream->closing)
			return;
	}
	if (events & EPOLLOUT && stream->send_blocked) {
		stream->send_blocked = false;
		if (stream->out_bytes)
			epoll_send(stream->loop, stream);
	}
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		stream->hung_up = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		stream->readable = true;
	if (stream->readable && !stream->closing)
		read_some(epoll, stream);
	if (events & (EPOLLHUP | EPOLLERR) && !stream->recv_wanted && !stream->closing)
		tell_paused(stream);
}

static void visit_ready(struct loop *loop)
{
	size_t count = loop->ready.count;

	/* Those that ask to be visited again wait for the next turn. */
	while (count-- && !list_empty(&loop->ready)) {
		struct stream *stream = CONTAINER_OF(list_pop_front(&loop->ready), struct stream, ready);

		if (stream->closing)
			engine_close_over(stream);
		else
			visit(loop->engine_state, stream, 0);
	}
}

static void epoll_turn(struct loop *loop, uint64_t wait_us)
{
	struct epoll *epoll = loop->engine_state;
	struct epoll_event events[EVENTS_A_TURN];
	uint64_t wait_ms = wait_us == UINT64_MAX ? UINT64_MAX : (wait_us + 999) / 1000;
	int count;

	count = epoll_wait(epoll->fd, events, EVENTS_A_TURN, wait_ms > INT32_MAX ? -1 : (int)wait_ms);
	engine_awake(loop);
	for (int i = 0; i < count; i++) {
		if (!events[i].data.ptr)
			engine_woken(loop);
		else
			visit(epoll, events[i].data.ptr, events[i].events);
	}
	visit_ready(loop);
}

const struct engine engine_epoll = {
	"epoll", epoll_open, epoll_close, epoll_start, epoll_connect, epoll_receive, epoll_send, epoll_cancel,
	epoll_wake_watch, epoll_turn,
};
