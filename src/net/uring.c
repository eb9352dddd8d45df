/* uring: the engine over io_uring: multishot accept and receive into provided buffers, one submission a turn.
 *
 * A completion names its stream and operation in user_data: the stream's address with the operation in the low bits. Received
 * bytes stand in a provided buffer, which goes back to the ring when the event has returned.
 *
 * A send is first tried without waiting, and says something only if it did not send everything (IOSQE_CQE_SKIP_SUCCESS; MSG_WAITALL makes a short
 * send a failure): what the loop waits for is what the peers do. A try that was submitted and said nothing has sent its bytes.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "net/engine.h"

enum { SQ_ENTRIES = 1024, CQ_ENTRIES = 8192, BUFFER_COUNT = 256, BUFFER_GROUP = 0 };

enum operation { OP_NONE, OP_RECV, OP_SEND, OP_CONNECT, OP_ACCEPT, OP_WAKE, OP_MASK = 7 };

struct uring {
	struct io_uring ring;
	struct io_uring_buf_ring *buffer_ring;
	char *buffers;
	struct loop *loop;
	struct msghdr *headers;         /* one for each queued sendmsg of this turn, until it is submitted */
	struct iovec (*iovs)[IOV_MAX_SEND];
	size_t header_count;
	struct stream **tries;          /* streams that tried to send since completions were taken; NULL: that said how it went */
	unsigned try_count;
	bool unsure;                    /* not all of them were submitted, or completions are held back */
};

static uint64_t tag(struct stream *stream, enum operation operation)
{
	return (uint64_t)(uintptr_t)stream | operation;
}

static struct io_uring_sqe *next_sqe(struct uring *uring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

	while (!sqe) {
		io_uring_submit(&uring->ring);
		uring->header_count = 0;
		sqe = io_uring_get_sqe(&uring->ring);
	}
	return sqe;
}

static void give_buffer(struct uring *uring, unsigned id)
{
	io_uring_buf_ring_add(uring->buffer_ring, uring->buffers + (size_t)id * IO_SIZE, IO_SIZE, (unsigned short)id,
			      io_uring_buf_ring_mask(BUFFER_COUNT), 0);
	io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

static int setup_buffers(struct uring *uring, struct err *err)
{
	size_t ring_size = BUFFER_COUNT * sizeof(struct io_uring_buf);
	struct io_uring_buf_reg reg = { .ring_entries = BUFFER_COUNT, .bgid = BUFFER_GROUP };
	int rc;

	uring->buffer_ring = mmap(NULL, ring_size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	uring->buffers = mmap(NULL, (size_t)BUFFER_COUNT * IO_SIZE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (uring->buffer_ring == MAP_FAILED || uring->buffers == MAP_FAILED)
		return err_set(err, ERR_NOMEM, "mmap of receive buffers: %m");
	reg.ring_addr = (uint64_t)(uintptr_t)uring->buffer_ring;
	rc = io_uring_register_buf_ring(&uring->ring, &reg, 0);
	if (rc < 0)
		return err_set(err, ERR_UNSUPPORTED, "io_uring buffer ring: %s", strerror(-rc));
	io_uring_buf_ring_init(uring->buffer_ring);
	for (unsigned i = 0; i < BUFFER_COUNT; i++)
		give_buffer(uring, i);
	return 0;
}

static void uring_close(void *state)
{
	struct uring *uring = state;

	io_uring_queue_exit(&uring->ring);
	if (uring->buffer_ring && uring->buffer_ring != MAP_FAILED)
		munmap(uring->buffer_ring, BUFFER_COUNT * sizeof(struct io_uring_buf));
	if (uring->buffers && uring->buffers != MAP_FAILED)
		munmap(uring->buffers, (size_t)BUFFER_COUNT * IO_SIZE);
	mem_free(uring->headers);
	mem_free(uring->iovs);
	mem_free(uring->tries);
	mem_free(uring);
}

static int uring_open(struct loop *loop, void **ret_state, struct err *err)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		.cq_entries = CQ_ENTRIES,
	};
	struct uring *uring = mem_calloc(1, sizeof(*uring));
	int rc;

	rc = io_uring_queue_init_params(SQ_ENTRIES, &uring->ring, &params);
	if (rc < 0) {
		mem_free(uring);
		return err_set(err, ERR_UNSUPPORTED, "io_uring: %s", strerror(-rc));
	}
	rc = setup_buffers(uring, err);
	if (rc < 0) {
		uring_close(uring);
		return rc;
	}
	uring->loop = loop;
	uring->headers = mem_calloc(SQ_ENTRIES, sizeof(*uring->headers));
	uring->iovs = mem_calloc(SQ_ENTRIES, sizeof(*uring->iovs));
	uring->tries = mem_calloc(SQ_ENTRIES, sizeof(struct stream *));
	io_uring_register_ring_fd(&uring->ring);        /* only for speed: older kernels refuse */
	*ret_state = uring;
	return 0;
}

static void arm_recv(struct uring *uring, struct stream *stream)
{
	struct io_uring_sqe *sqe = next_sqe(uring);

	io_uring_prep_recv_multishot(sqe, stream->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	io_uring_sqe_set_data64(sqe, tag(stream, OP_RECV));
	stream->recv_armed = true;
	stream->pending++;
}

static void arm_accept(struct uring *uring, struct stream *stream)
{
	struct io_uring_sqe *sqe = next_sqe(uring);

	io_uring_prep_multishot_accept(sqe, stream->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, tag(stream, OP_ACCEPT));
	stream->recv_armed = true;
	stream->pending++;
}

static void arm(struct uring *uring, struct stream *stream)
{
	if (stream->listening)
		arm_accept(uring, stream);
	else
		arm_recv(uring, stream);
}

static void uring_start(struct loop *loop, struct stream *stream)
{
	if (stream->recv_wanted)
		arm(loop->engine_state, stream);
}

static void uring_connect(struct loop *loop, struct stream *stream, const struct sockaddr *address, socklen_t size)
{
	struct uring *uring = loop->engine_state;
	struct io_uring_sqe *sqe = next_sqe(uring);

	io_uring_prep_connect(sqe, stream->fd, address, size);
	io_uring_sqe_set_data64(sqe, tag(stream, OP_CONNECT));
	stream->pending++;
	io_uring_submit(&uring->ring);  /* the kernel copies the address now; it is the caller's */
	uring->header_count = 0;
}

static void cancel(struct uring *uring, struct stream *stream, enum operation operation)
{
	struct io_uring_sqe *sqe = next_sqe(uring);

	io_uring_prep_cancel64(sqe, tag(stream, operation), 0);
	io_uring_sqe_set_data64(sqe, 0);
}

static void uring_receive(struct loop *loop, struct stream *stream)
{
	if (stream->recv_wanted && !stream->recv_armed)
		arm(loop->engine_state, stream);
	else if (!stream->recv_wanted && stream->recv_armed)
		cancel(loop->engine_state, stream, stream->listening ? OP_ACCEPT : OP_RECV);
}

static void uring_send(struct loop *loop, struct stream *stream)
{
	struct uring *uring = loop->engine_state;
	struct io_uring_sqe *sqe = next_sqe(uring);
	struct out_block *first = stream->out_first;
	bool try = !stream->send_waits && uring->try_count < SQ_ENTRIES;
	int flags = MSG_NOSIGNAL | MSG_WAITALL | (try ? MSG_DONTWAIT : 0);

	if (!first->next || uring->header_count == SQ_ENTRIES) {
		stream->send_size = first->end - first->start;
		io_uring_prep_send(sqe, stream->fd, first->data + first->start, stream->send_size, flags);
	} else {
		struct msghdr *header = &uring->headers[uring->header_count];
		struct iovec *iov = uring->iovs[uring->header_count++];

		*header = (struct msghdr){ .msg_iov = iov, .msg_iovlen = engine_iov(stream, iov, IOV_MAX_SEND) };
		stream->send_size = 0;
		for (size_t i = 0; i < header->msg_iovlen; i++)
			stream->send_size += (uint32_t)iov[i].iov_len;
		io_uring_prep_sendmsg(sqe, stream->fd, header, (unsigned)flags);
	}
	io_uring_sqe_set_data64(sqe, tag(stream, OP_SEND));
	stream->send_try = 0;
	if (try) {
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		uring->tries[uring->try_count++] = stream;
		stream->send_try = uring->try_count;
	}
	stream->send_armed = true;
	stream->pending++;
}

static void uring_cancel(struct loop *loop, struct stream *stream)
{
	struct uring *uring = loop->engine_state;

	if (!stream->pending)
		return;
	/* The cancellation names the operation, not the descriptor, which the caller closes right away. What was queued but not
	 * yet submitted must reach the kernel before that. */
	io_uring_submit(&uring->ring);
	uring->header_count = 0;
	if (stream->recv_armed)
		cancel(uring, stream, stream->listening ? OP_ACCEPT : OP_RECV);
	if (stream->send_armed)
		cancel(uring, stream, OP_SEND);
	if (stream->connecting)
		cancel(uring, stream, OP_CONNECT);
	if (!stream->listening)                 /* that another process may have too */
		shutdown(stream->fd, SHUT_RDWR);
}

static void uring_wake_watch(struct loop *loop, int eventfd)
{
	struct uring *uring = loop->engine_state;
	struct io_uring_sqe *sqe = next_sqe(uring);

	io_uring_prep_poll_multishot(sqe, eventfd, POLLIN);
	io_uring_sqe_set_data64(sqe, OP_WAKE);
}

static void complete_recv(struct uring *uring, struct stream *stream, const struct io_uring_cqe *cqe)
{
	bool more = cqe->flags & IORING_CQE_F_MORE;

	if (!more) {
		stream->recv_armed = false;
		stream->pending--;
	}
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

		if (cqe->res > 0)
			engine_received(stream, uring->buffers + (size_t)id * IO_SIZE, (size_t)cqe->res);
		give_buffer(uring, id);
	}
	if (cqe->res == 0)
		engine_ended(stream, 0);
	else if (cqe->res < 0 && cqe->res != -ENOBUFS && cqe->res != -ECANCELED && cqe->res != -EINTR && cqe->res != -EAGAIN)
		engine_ended(stream, -cqe->res);
	if (!stream->recv_armed && stream->recv_wanted && !stream->recv_ended && !stream->closing)
		arm_recv(uring, stream);
}

static void sent(struct stream *stream, long result)
{
	stream->send_armed = false;
	stream->pending--;
	engine_sent(stream, result);
}

static void complete_send(struct uring *uring, struct stream *stream, int result)
{
	bool tried = stream->send_try > 0;

	if (tried)
		uring->tries[stream->send_try - 1] = NULL;
	stream->send_waits = tried && (result >= 0 || result == -EAGAIN);
	sent(stream, tried && result == -EAGAIN ? 0 : result);
}

static void complete(struct uring *uring, const struct io_uring_cqe *cqe)
{
	struct stream *stream = (struct stream *)(uintptr_t)(cqe->user_data & ~(uint64_t)OP_MASK);
	bool more = cqe->flags & IORING_CQE_F_MORE;

	switch ((enum operation)(cqe->user_data & OP_MASK)) {
	case OP_NONE:
	case OP_MASK:
		return;
	case OP_WAKE:
		engine_woken(uring->loop);
		if (!more)
			uring_wake_watch(uring->loop, uring->loop->wake_fd);
		return;
	case OP_RECV:
		complete_recv(uring, stream, cqe);
		break;
	case OP_SEND:
		complete_send(uring, stream, cqe->res);
		break;
	case OP_CONNECT:
		stream->pending--;
		engine_connected(stream, cqe->res < 0 ? -cqe->res : 0);
		break;
	case OP_ACCEPT:
		if (!more) {
			stream->pending--;
			stream->recv_armed = false;
		}
		if (stream->closing && cqe->res >= 0)
			close(cqe->res);
		else if (!stream->closing && cqe->res != -ECANCELED)
			stream->events->accepted(stream, cqe->res);
		if (!stream->recv_armed && stream->recv_wanted && !stream->closing)
			arm_accept(uring, stream);
		break;
	}
	engine_settled(stream);
}

/* Those that said nothing, all of them having been submitted, and all completions taken. */
static void complete_tries(struct uring *uring)
{
	if (uring->unsure)
		return;
	for (unsigned i = 0; i < uring->try_count; i++) {
		struct stream *stream = uring->tries[i];

		if (!stream)
			continue;
		sent(stream, stream->send_size);
		engine_settled(stream);
	}
	uring->try_count = 0;
}

/* Whether something hangs on a try's having been done, which is not waited for: then the turn must not wait for others either. */
static bool is_awaited(const struct uring *uring)
{
	for (unsigned i = 0; i < uring->try_count; i++) {
		const struct stream *stream = uring->tries[i];

		if (stream && (stream->out_bytes > stream->send_size || stream->over_limit || stream->finishing || stream->closing))
			return true;
	}
	return uring->unsure;
}

static void uring_turn(struct loop *loop, uint64_t wait_us)
{
	struct uring *uring = loop->engine_state;
	struct __kernel_timespec timeout = { (int64_t)(wait_us / 1000000), (long long)(wait_us % 1000000) * 1000 };
	struct io_uring_cqe *cqe;
	struct list_node *node;
	unsigned head, count = 0;

	while ((node = list_pop_front(&loop->ready)))
		engine_close_over(CONTAINER_OF(node, struct stream, ready));
	if (wait_us == 0 || is_awaited(uring))
		io_uring_submit_and_get_events(&uring->ring);
	else if (wait_us == UINT64_MAX)
		io_uring_submit_and_wait(&uring->ring, 1);
	else
		io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1, &timeout, NULL);
	engine_awake(loop);
	uring->header_count = 0;
	uring->unsure = io_uring_sq_ready(&uring->ring) || io_uring_cq_has_overflow(&uring->ring);
	io_uring_for_each_cqe(&uring->ring, head, cqe) {
		complete(uring, cqe);
		count++;
	}
	io_uring_cq_advance(&uring->ring, count);
	complete_tries(uring);
}

const struct engine engine_uring = {
	"io_uring", uring_open, uring_close, uring_start, uring_connect, uring_receive, uring_send, uring_cancel,
	uring_wake_watch, uring_turn,
};
