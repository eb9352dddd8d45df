#include "session/samples.h"

#include "net/loop.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/worker.h"

static void go_on(struct session *session)
{
	samples_forget(session);
	session_resume(session);
}

static void fired(struct timer *timer)
{
	go_on(CONTAINER_OF(timer, struct reads, wait_timer)->session);
}

void samples_await(struct session *session, uint64_t until_us)
{
	struct worker *worker = session->worker;
	struct reads *reads = session->reads;
	uint64_t now_us = loop_now_us(worker->loop);

	samples_forget(session);
	reads->waits = true;
	list_push_back(&worker->awaiting_samples, &reads->wait_place);
	__atomic_store_n(&worker->awaiting_count, worker->awaiting_count + 1, __ATOMIC_SEQ_CST);
	reads->wait_timer.fire = fired;
	loop_arm(worker->loop, &reads->wait_timer, until_us > now_us ? until_us - now_us : 0);
}

void samples_forget(struct session *session)
{
	struct worker *worker = session->worker;
	struct reads *reads = session->reads;

	if (!reads || !reads->waits)
		return;
	reads->waits = false;
	list_remove(&worker->awaiting_samples, &reads->wait_place);
	__atomic_store_n(&worker->awaiting_count, worker->awaiting_count - 1, __ATOMIC_SEQ_CST);
	loop_disarm(worker->loop, &reads->wait_timer);
}

static void look(struct worker *worker, void *argument)
{
	while (!list_empty(&worker->awaiting_samples))
		go_on(CONTAINER_OF(list_first(&worker->awaiting_samples), struct reads, wait_place)->session);
}

void samples_arrived(struct services *services)
{
	for (unsigned i = 0; i < services->worker_count; i++)
		if (services->workers[i] && __atomic_load_n(&services->workers[i]->awaiting_count, __ATOMIC_SEQ_CST))
			worker_post_call(services->workers[i], look, NULL);
}
