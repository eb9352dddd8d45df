#include "world.h"

#include "base/limits.h"
#include "base/mem.h"
#include "net/stream.h"

static unsigned closed_count;

/* ---- echo ---- */

enum { PAIRS = 16, ECHO_SIZE = 300000, PAUSE_US_MAX = 300 };

/* One sends a pattern and checks what comes back; the other sends back what it receives. Both pause at random. */
struct end {
	struct stream stream;
	struct timer pause;
	size_t sent, got;
	bool over;
};

static struct end senders[PAIRS], echoes[PAIRS];
static unsigned done_count;

static char pattern(size_t at)
{
	return (char)(at * 7 + at / 253);
}

static void go_on(struct timer *timer)
{
	stream_receive(&CONTAINER_OF(timer, struct end, pause)->stream, true);
}

static void maybe_pause(struct end *end)
{
	if (roll(4))
		return;
	stream_receive(&end->stream, false);
	loop_arm(loop, &end->pause, roll(PAUSE_US_MAX));
}

static void send_more(struct end *end)
{
	char bytes[20000];

	while (end->sent < ECHO_SIZE && !stream_over_limit(&end->stream) && roll(5)) {
		size_t size = 1 + roll(sizeof(bytes));

		size = size < ECHO_SIZE - end->sent ? size : ECHO_SIZE - end->sent;
		for (size_t i = 0; i < size; i++)
			bytes[i] = pattern(end->sent + i);
		stream_write(&end->stream, slice_make(bytes, size));
		end->sent += size;
	}
}

static void sender_received(struct stream *stream, const char *data, size_t size)
{
	struct end *end = CONTAINER_OF(stream, struct end, stream);

	for (size_t i = 0; i < size; i++)
		assert_int_equal(data[i], pattern(end->got + i));
	end->got += size;
	assert_true(end->got <= end->sent);
	send_more(end);
	if (end->got == end->sent && end->sent < ECHO_SIZE)
		stream_write(stream, slice_make((char[]){ pattern(end->sent++) }, 1));  /* so that it does not fall asleep */
	if (end->got == ECHO_SIZE) {
		loop_disarm(loop, &end->pause);
		stream_finish(stream);
		done_count++;
	} else {
		maybe_pause(end);
	}
}

static void sender_drained(struct stream *stream)
{
	send_more(CONTAINER_OF(stream, struct end, stream));
}

static void sender_ended(struct stream *stream, int error)
{
	fail_msg("the echo ended before everything came back: %s", strerror(error));
}

static void echo_received(struct stream *stream, const char *data, size_t size)
{
	stream_write(stream, slice_make(data, size));
	if (stream_over_limit(stream))
		stream_receive(stream, false);
	else
		maybe_pause(CONTAINER_OF(stream, struct end, stream));
}

static void echo_drained(struct stream *stream)
{
	stream_receive(stream, true);
}

static void echo_ended(struct stream *stream, int error)
{
	loop_disarm(loop, &CONTAINER_OF(stream, struct end, stream)->pause);
	stream_finish(stream);
}

static void end_closed(struct stream *stream)
{
	struct end *end = CONTAINER_OF(stream, struct end, stream);

	assert_false(end->over);
	end->over = true;
	closed_count++;
}

static const struct stream_events sender_events = { .received = sender_received, .drained = sender_drained, .ended = sender_ended,
	.closed = end_closed };
static const struct stream_events echo_events = { .received = echo_received, .drained = echo_drained, .ended = echo_ended,
	.closed = end_closed };

static bool all_echoed(void)
{
	return done_count == PAIRS && closed_count == 2 * PAIRS;
}

static void bytes_come_back_in_order_through_pauses_and_limits(void **state)
{
	need_loop();
	closed_count = done_count = 0;
	for (int i = 0; i < PAIRS; i++) {
		int ours, theirs;

		make_pair(i % 2, &ours, &theirs);
		make_nonblocking(theirs);
		senders[i] = (struct end){ .pause.fire = go_on };
		echoes[i] = (struct end){ .pause.fire = go_on };
		stream_init(&senders[i].stream, loop, &sender_events);
		stream_init(&echoes[i].stream, loop, &echo_events);
		stream_open(&senders[i].stream, ours);
		stream_open(&echoes[i].stream, theirs);
		stream_receive(&senders[i].stream, true);
		stream_receive(&echoes[i].stream, true);
		stream_write(&senders[i].stream, slice_make((char[]){ pattern(0) }, 1));
		senders[i].sent = 1;
	}
	run_until(all_echoed);
	assert_int_equal(closed_count, 2 * PAIRS);
}

/* ---- many ---- */

enum { CONNECTIONS = 4000, AT_ONCE = 200 };

/* A connection that is closed by either side at some moment, in the middle of whatever it does. */
struct one {
	struct stream stream;
	bool over, client;
	unsigned life;                  /* events until it closes itself */
};

static struct stream listener;
static struct sockaddr_in address;
static unsigned opened, clients_over, alive;

static void open_clients(void);

static void live(struct one *one)
{
	assert_false(one->over);
	if (one->life > 0) {
		one->life--;
		stream_write(&one->stream, SLICE_LIT("some bytes to and fro"));
	} else if (roll(2)) {
		stream_close(&one->stream);
	} else {
		stream_write(&one->stream, SLICE_LIT("bye"));
		stream_finish(&one->stream);
	}
}

static void one_connected(struct stream *stream, int error)
{
	assert_int_equal(error, 0);
	live(CONTAINER_OF(stream, struct one, stream));
}

static void one_received(struct stream *stream, const char *data, size_t size)
{
	live(CONTAINER_OF(stream, struct one, stream));
}

static void one_ended(struct stream *stream, int error)
{
	if (roll(2))
		stream_close(stream);
	else
		stream_finish(stream);
}

static void one_closed(struct stream *stream)
{
	struct one *one = CONTAINER_OF(stream, struct one, stream);

	assert_false(one->over);
	one->over = true;
	closed_count++;
	alive--;
	clients_over += one->client;
	memset(one, 0xee, sizeof(*one));        /* nothing of the kernel's or the loop's may touch it any more */
	mem_free(one);
	open_clients();
}

static const struct stream_events one_events = { .connected = one_connected, .received = one_received, .ended = one_ended,
	.closed = one_closed };

static struct one *one_new(bool client)
{
	struct one *one = mem_calloc(1, sizeof(*one));

	one->client = client;
	one->life = roll(6);
	alive++;
	stream_init(&one->stream, loop, &one_events);
	return one;
}

static void open_clients(void)
{
	while (opened < CONNECTIONS && opened - clients_over < AT_ONCE) {
		struct one *one = one_new(true);

		opened++;
		stream_connect(&one->stream, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), (struct sockaddr *)&address,
			       sizeof(address));
		if (roll(4))
			stream_receive(&one->stream, true);
		else
			one->life = 0;          /* it never reads: it goes when it is connected */
		if (roll(10) == 0)
			stream_close(&one->stream);
	}
}

static void one_accepted(struct stream *stream, int fd)
{
	struct one *one;

	assert_true(fd >= 0);
	one = one_new(false);
	stream_open(&one->stream, fd);
	if (one->life % 3 == 0)
		live(one);
	stream_receive(&one->stream, true);
}

static void listener_closed(struct stream *stream)
{
	closed_count++;
}

static const struct stream_events listener_events = { .accepted = one_accepted, .closed = listener_closed };

static bool all_over(void)
{
	return clients_over == CONNECTIONS && alive == 0;
}

static bool listener_is_over(void)
{
	return closed_count == 1;
}

static void each_of_thousands_of_connections_is_closed_once(void **state)
{
	int fd;

	need_loop();
	closed_count = opened = clients_over = alive = 0;
	fd = listen_tcp(&address);
	make_nonblocking(fd);
	stream_init(&listener, loop, &listener_events);
	stream_listen(&listener, fd);
	stream_receive(&listener, true);
	open_clients();
	run_until(all_over);
	assert_true(closed_count >= CONNECTIONS);
	closed_count = 0;
	stream_close(&listener);
	run_until(listener_is_over);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(bytes_come_back_in_order_through_pauses_and_limits),
		ON_BOTH(each_of_thousands_of_connections_is_closed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
