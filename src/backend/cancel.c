#include "backend/cancel.h"

#include <unistd.h>

#include "backend/backend.h"
#include "backend/node_login.h"
#include "backend/pool.h"
#include "base/buf.h"
#include "base/mem.h"
#include "net/tls.h"
#include "proto/message.h"
#include "topo/config.h"

struct cancel {
	struct stream stream;
	struct timer timer;
	struct loop *loop;
	struct node_address address;    /* the backend's own: that it has gone, and its pool with it, does not keep the request from its way */
	struct backend *backend;        /* NULL when it has gone */
	struct node_login *login;       /* how TLS is begun; NULL: plain, as the backend's connection is, or TLS was switched off since */
	uint32_t pid, secret;
};

static void closed(struct stream *stream)
{
	struct cancel *cancel = CONTAINER_OF(stream, struct cancel, stream);

	node_login_free(cancel->login);
	mem_free(cancel);
}

static void finish(struct cancel *cancel)
{
	struct backend *backend = cancel->backend;

	cancel->backend = NULL;
	loop_disarm(cancel->loop, &cancel->timer);
	stream_close(&cancel->stream);
	if (backend) {
		backend->cancel = NULL;
		pool_cancel_over(backend);
	}
}

void cancel_forget(struct cancel *cancel)
{
	cancel->backend = NULL;
}

static void ended(struct stream *stream, int error)
{
	finish(CONTAINER_OF(stream, struct cancel, stream));
}

static void timed_out(struct timer *timer)
{
	finish(CONTAINER_OF(timer, struct cancel, timer));
}

static void received(struct stream *stream, const char *data, size_t size)
{
}

static void ask(struct cancel *cancel)
{
	struct buf out;

	buf_init(&out, 64);
	message_cancel(&out, cancel->pid, cancel->secret);
	stream_write(&cancel->stream, buf_slice(&out));
	buf_release(&out);
}

static const struct stream_events events;

static void connected(struct stream *stream, int error)
{
	struct cancel *cancel = CONTAINER_OF(stream, struct cancel, stream);

	if (error) {
		finish(cancel);
		return;
	}
	if (cancel->login)
		stream_write(stream, SSL_REQUEST);
	else
		ask(cancel);
	stream_receive(stream, true);
}

static void tls_answered(struct stream *stream, const char *data, size_t size)
{
	struct cancel *cancel = CONTAINER_OF(stream, struct cancel, stream);

	stream->events = &events;
	if (node_login_tls_answered(cancel->login, stream, true, slice_make(data, size), NULL) < 0)
		finish(cancel);
	else
		ask(cancel);
}

static const struct stream_events events = { .connected = connected, .received = received, .ended = ended, .closed = closed };
static const struct stream_events asking_events = { .connected = connected, .received = tls_answered, .ended = ended, .closed = closed };

static void begin_tls(struct cancel *cancel, const struct pool *pool)
{
	cancel->login = node_login_new(pool);
	if (node_login_knows_tls(cancel->login))
		return;
	node_login_free(cancel->login);
	cancel->login = NULL;
}

void cancel_send(struct backend *backend)
{
	struct loop *loop = backend->stream.loop;
	struct cancel *cancel;
	int fd = backend->cancel ? -1 : socket(backend->address.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;                 /* under way already; or no descriptor, and the client may ask again */
	cancel = mem_calloc(1, sizeof(*cancel));
	cancel->loop = loop;
	cancel->address = backend->address;
	cancel->backend = backend;
	if (tls_is_on(&backend->stream))
		begin_tls(cancel, backend->pool);
	backend->cancel = cancel;
	cancel->pid = backend->cancel_pid;
	cancel->secret = backend->cancel_secret;
	cancel->timer.fire = timed_out;
	stream_init(&cancel->stream, loop, cancel->login ? &asking_events : &events);
	loop_arm(loop, &cancel->timer, (uint64_t)backend->pool->pools->config->connect_ms_max * 1000);
	stream_connect(&cancel->stream, fd, (const struct sockaddr *)&cancel->address.address, cancel->address.size);
}
