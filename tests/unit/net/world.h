/* world: what the tests of net/ share: a loop on either engine under a clock that can be moved, waiting for conditions, pairs of sockets.
 *
 * A test that is registered with ON_BOTH runs once on each engine; on a kernel that refuses io_uring it is skipped by name.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/engine.h"
#include "net/env.h"

enum { WAIT_US_MAX = 60 * 1000000 };

static struct loop *loop;
static uint64_t clock_ahead_us;
static bool (*wanted)(void);            /* the loop stops when it is true */
static unsigned turns_left;             /* or after this many turns, if it is not 0 */
static uint64_t seed = 1;

static uint32_t roll(uint32_t sides)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % sides;
}

static uint64_t world_now_us(void *world)
{
	return env_system()->now_us(NULL) + clock_ahead_us;
}

static uint64_t world_wall_us(void *world)
{
	return env_system()->wall_us(NULL) + clock_ahead_us;
}

static void world_random(void *world, void *out, size_t size)
{
	memset(out, 7, size);
}

static const struct env world = { world_now_us, world_wall_us, world_random, NULL };

static const struct engine *real_engine;
static struct engine watched_engine;

/* Before each wait is the place to look whether the test has what it waits for. */
static void watched_turn(struct loop *of, uint64_t wait_us)
{
	if ((wanted && wanted()) || (turns_left && --turns_left == 0))
		loop_stop(of);
	else
		real_engine->turn(of, wait_us);
}

static void make_loop(enum loop_engine which)
{
	struct err err;

	clock_ahead_us = 0;
	loop = NULL;
	if (loop_new(which, &world, NULL, &loop, &err) < 0)
		return;
	real_engine = loop->engine;
	watched_engine = *real_engine;
	watched_engine.turn = watched_turn;
	loop->engine = &watched_engine;
}

static int make_uring(void **state)
{
	make_loop(LOOP_URING);
	return 0;
}

static int make_epoll(void **state)
{
	make_loop(LOOP_EPOLL);
	return loop ? 0 : -1;
}

static int drop_loop(void **state)
{
	loop_free(loop);
	loop = NULL;
	return 0;
}

#define ON_BOTH(test) { #test "_on_io_uring", test, make_uring, drop_loop, NULL }, { #test "_on_epoll", test, make_epoll, drop_loop, NULL }

/* The first thing in each test. */
static void need_loop(void)
{
	if (!loop) {
		print_message("the kernel refuses io_uring\n");
		skip();
	}
}

static void give_up(struct timer *timer)
{
	fail_msg("what the test waits for did not come true");
}

static void run(void)
{
	struct timer limit = { .fire = give_up };

	loop_arm(loop, &limit, WAIT_US_MAX);
	loop->stopping = false;
	loop_run(loop);
	loop_disarm(loop, &limit);
}

static __attribute__((unused)) void run_until(bool (*condition)(void))
{
	wanted = condition;
	run();
	wanted = NULL;
}

static void nudge(struct timer *timer)
{
	loop_arm(loop, timer, 0);
}

/* A few turns, whether anything happens or not: what does not come in these is not on its way. */
static __attribute__((unused)) void run_turns(unsigned count)
{
	struct timer always = { .fire = nudge };

	turns_left = count;
	loop_arm(loop, &always, 0);
	run();
	loop_disarm(loop, &always);
}

static void make_nonblocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

/* A listening socket on a free port of 127.0.0.1. */
static int listen_tcp(struct sockaddr_in *ret_address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(*ret_address);

	*ret_address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)ret_address, size), 0);
	assert_int_equal(listen(fd, 1024), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, &size), 0);
	return fd;
}

/* Two ends of one connection: `ours` for a stream, `theirs` a blocking socket for the test itself. */
static __attribute__((unused)) void make_pair(bool tcp, int *ret_ours, int *ret_theirs)
{
	struct sockaddr_in address;
	int ends[2], listener;

	if (tcp) {
		listener = listen_tcp(&address);
		*ret_theirs = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(*ret_theirs, (struct sockaddr *)&address, sizeof(address)), 0);
		*ret_ours = accept(listener, NULL, NULL);
		assert_true(*ret_ours >= 0);
		close(listener);
	} else {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		*ret_ours = ends[0];
		*ret_theirs = ends[1];
	}
	make_nonblocking(*ret_ours);
}

static __attribute__((unused)) void reset_peer(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(fd);
}
