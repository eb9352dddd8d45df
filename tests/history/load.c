#include "load.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "client.h"

enum { HEARD_MAX = 64, TICK_MS = 1, TOLD_EVERY = 500 };

uint64_t load_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- what the clients tell ---- */

static void count_operation(struct load *load, enum level level)
{
	const struct load_options *options = load->options;
	bool enough = true;

	load->operations[level]++;
	load->total++;
	for (int i = 0; i < LEVEL_COUNT; i++)
		enough &= !options->levels[i] || load->operations[i] >= options->operations;
	if (load->total % TOLD_EVERY == 0)
		printf("%" PRIu64 "\n", load->total);
	if (enough && !load->enough)
		printf("enough\n");
	load->enough |= enough;
	fflush(stdout);
}

void load_told(struct load *load, const struct event *event)
{
	history_add(&load->history, event);
	if ((event->kind == EVENT_WRITE || event->kind == EVENT_ADD) && event->ended_ns != NEVER_NS && event->value > load->acknowledged[event->key])
		load->acknowledged[event->key] = event->value;
	if (event->kind <= EVENT_ADD && event->ended_ns != NEVER_NS)
		count_operation(load, load->history.sessions[event->session].level);
}

void load_failed(struct load *load, bool in_block, const char *state, const char *message)
{
	struct failure *failure;
	size_t i = 0;

	while (i < load->failure_count && (strcmp(load->failures[i].state, state) != 0 || load->failures[i].in_block != in_block))
		i++;
	failure = &load->failures[i < STATES_MAX ? i : STATES_MAX - 1];
	if (i == load->failure_count && i < STATES_MAX) {
		load->failure_count++;
		failure->in_block = in_block;
		snprintf(failure->state, sizeof(failure->state), "%s", state);
		snprintf(failure->first, sizeof(failure->first), "%s", message);
	}
	failure->count++;
}

/* ---- the loop ---- */

static void turn(struct load *load)
{
	struct epoll_event events[HEARD_MAX];
	int count = epoll_wait(load->epoll, events, HEARD_MAX, TICK_MS);
	uint64_t now_ns;

	for (int i = 0; i < count; i++) {
		char line[64];

		if (events[i].data.ptr)
			client_heard(events[i].data.ptr);
		else if (read(STDIN_FILENO, line, sizeof(line)) >= 0)   /* "quiet", or its end */
			load->stopping = true;
	}
	now_ns = load_now_ns();
	for (unsigned i = 0; i < load->client_count; i++)
		client_tick(load->clients[i], now_ns);
}

static bool all(const struct load *load, bool (*is)(const struct client *client))
{
	for (unsigned i = 0; i < load->client_count; i++)
		if (!is(load->clients[i]))
			return false;
	return true;
}

static void settle(struct load *load)
{
	uint64_t end_ns = load_now_ns() + load->options->settle_s_max * UINT64_C(1000000000);

	load->settling = true;
	while (!all(load, client_is_settled) && load_now_ns() < end_ns)
		turn(load);
	for (unsigned i = 0; i < load->client_count; i++)
		load->unsettled[client_level(load->clients[i])] += !client_is_settled(load->clients[i]);
}

static void make_clients(struct load *load)
{
	const struct load_options *options = load->options;
	uint16_t place = 0;

	load->clients = mem_calloc(load->client_count, sizeof(struct client *));
	for (int level = 0; level < LEVEL_COUNT; level++)
		for (unsigned i = 0; options->levels[level] && i < options->clients_per_level; i++) {
			load->clients[place] = client_new(load, place, (enum level)level, i);
			place++;
		}
}

void load_run(struct load *load, const struct load_options *options)
{
	struct epoll_event stdin_event = { .events = EPOLLIN };
	uint64_t begun_ns = load_now_ns();

	*load = (struct load){ .options = options, .draws.state = options->seed + 1, .epoll = epoll_create1(EPOLL_CLOEXEC) };
	for (int i = 0; i < LEVEL_COUNT; i++)
		load->client_count += options->levels[i] ? options->clients_per_level : 0;
	history_init(&load->history, (uint16_t)load->client_count, options->counters, (uint16_t)load->client_count,
		     options->max_staleness_ms * UINT64_C(1000000));
	load->acknowledged = mem_calloc(history_key_count(&load->history), sizeof(*load->acknowledged));
	make_clients(load);
	epoll_ctl(load->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &stdin_event);
	while (!load->stopping)
		turn(load);
	epoll_ctl(load->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
	while (!all(load, client_is_idle))
		turn(load);
	load->loading_s = (double)(load_now_ns() - begun_ns) / 1e9;
	settle(load);
}

void load_release(struct load *load)
{
	for (unsigned i = 0; i < load->client_count; i++)
		client_free(load->clients[i]);
	mem_free(load->clients);
	mem_free(load->acknowledged);
	history_release(&load->history);
	close(load->epoll);
}
