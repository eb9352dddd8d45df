#include "session/peers.h"

#include <sys/socket.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/env.h"
#include "net/stream.h"
#include "proto/message.h"
#include "session/worker.h"
#include "topo/config.h"

enum { ID_SHIFT = 26, AGAIN_US = 1000000 };
_Static_assert(ROUTER_ID_MAX == (1 << (32 - ID_SHIFT)) - 1, "an id has the bits above the shift");

struct forwarding {
	struct stream stream;
	struct timer timer;
	uint32_t pid, secret;
};

uint32_t peers_secret(const struct worker *worker)
{
	const struct env *env = loop_env(worker->loop);
	uint32_t secret, id = worker->config->router_id;

	env->random(env->world, &secret, sizeof(secret));
	return id ? (secret & ((UINT32_C(1) << ID_SHIFT) - 1)) | id << ID_SHIFT : secret;
}

static void closed(struct stream *stream)
{
	mem_free(CONTAINER_OF(stream, struct forwarding, stream));
}

static void finish(struct forwarding *forwarding)
{
	loop_disarm(forwarding->stream.loop, &forwarding->timer);
	stream_close(&forwarding->stream);
}

static void ended(struct stream *stream, int error)
{
	finish(CONTAINER_OF(stream, struct forwarding, stream));
}

static void timed_out(struct timer *timer)
{
	finish(CONTAINER_OF(timer, struct forwarding, timer));
}

static void received(struct stream *stream, const char *data, size_t size)
{
}

static void connected(struct stream *stream, int error)
{
	struct forwarding *forwarding = CONTAINER_OF(stream, struct forwarding, stream);
	struct buf out;

	if (error) {
		finish(forwarding);
		return;
	}
	buf_init(&out, 64);
	message_cancel(&out, forwarding->pid, forwarding->secret);
	stream_write(stream, buf_slice(&out));
	buf_release(&out);
	stream_receive(stream, true);
}

static const struct stream_events events = { .connected = connected, .received = received, .ended = ended, .closed = closed };

/* Routers that take each other for a third one would pass a request to and fro. */
static bool was_just_forwarded(struct worker *worker, uint32_t pid, uint32_t secret)
{
	uint64_t now_us = loop_now_us(worker->loop);

	for (size_t i = 0; i < FORWARDED_KEPT; i++)
		if (worker->forwarded[i].pid == pid && worker->forwarded[i].secret == secret && now_us < worker->forwarded[i].until_us)
			return true;
	worker->forwarded[worker->forwarded_at++ % FORWARDED_KEPT] = (struct forwarded){ pid, secret, now_us + AGAIN_US };
	return false;
}

static void send_on(struct worker *worker, const struct node_address *address, uint32_t pid, uint32_t secret)
{
	int fd = socket(address->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct forwarding *forwarding;

	if (fd < 0)
		return;                 /* no descriptor: the client may ask again */
	forwarding = mem_calloc(1, sizeof(*forwarding));
	forwarding->pid = pid;
	forwarding->secret = secret;
	forwarding->timer.fire = timed_out;
	stream_init(&forwarding->stream, worker->loop, &events);
	loop_arm(worker->loop, &forwarding->timer, (uint64_t)worker->config->connect_ms_max * 1000);
	stream_connect(&forwarding->stream, fd, (const struct sockaddr *)&address->address, address->size);
}

bool peers_forward(struct worker *worker, uint32_t pid, uint32_t secret)
{
	const struct config *config = worker->config;
	unsigned id = secret >> ID_SHIFT;

	if (!config->router_id || id == config->router_id)
		return false;
	for (unsigned i = 0; i < config->peer_count; i++)
		if (config->peer_list[i].id == id && !was_just_forwarded(worker, pid, secret))
			send_on(worker, &config->peer_list[i].address, pid, secret);
	return true;
}
