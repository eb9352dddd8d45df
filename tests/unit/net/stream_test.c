#include "world.h"

#include <pthread.h>

#include "base/limits.h"
#include "base/mem.h"
#include "net/stream.h"

/* A stream that writes down what it hears. */
struct ear {
	struct stream stream;
	char *got;
	size_t got_size, got_capacity;
	int accepted[64];
	unsigned accepted_count, connected_count, ended_count, drained_count, closed_count;
	int connect_error, end_error;
	int close_on;                   /* the event in which it closes itself */
	bool inside;                    /* a call of stream_close() or stream_finish() is under way */
};

enum { ON_NOTHING, ON_ACCEPTED, ON_CONNECTED, ON_RECEIVED, ON_ENDED, ON_DRAINED };

static struct ear ear;

static void ear_close(struct ear *of)
{
	of->inside = true;
	stream_close(&of->stream);
	of->inside = false;
}

static void ear_finish(struct ear *of)
{
	of->inside = true;
	stream_finish(&of->stream);
	of->inside = false;
}

static void happened(struct ear *of, int event)
{
	assert_int_equal(of->closed_count, 0);
	assert_false(of->inside);
	if (of->close_on == event)
		ear_close(of);
}

static void accepted(struct stream *stream, int fd)
{
	struct ear *of = CONTAINER_OF(stream, struct ear, stream);

	assert_true(fd >= 0);
	of->accepted[of->accepted_count++] = fd;
	happened(of, ON_ACCEPTED);
}

static void connected(struct stream *stream, int error)
{
	struct ear *of = CONTAINER_OF(stream, struct ear, stream);

	of->connected_count++;
	of->connect_error = error;
	happened(of, ON_CONNECTED);
}

static void received(struct stream *stream, const char *data, size_t size)
{
	struct ear *of = CONTAINER_OF(stream, struct ear, stream);

	assert_true(size > 0);
	assert_int_equal(of->ended_count, 0);
	while (of->got_size + size > of->got_capacity) {
		of->got_capacity = of->got_capacity ? of->got_capacity * 2 : 4096;
		of->got = mem_realloc(of->got, of->got_capacity);
	}
	memcpy(of->got + of->got_size, data, size);
	of->got_size += size;
	happened(of, ON_RECEIVED);
}

static void ended(struct stream *stream, int error)
{
	struct ear *of = CONTAINER_OF(stream, struct ear, stream);

	of->ended_count++;
	of->end_error = error;
	happened(of, ON_ENDED);
}

static void drained(struct stream *stream)
{
	struct ear *of = CONTAINER_OF(stream, struct ear, stream);

	of->drained_count++;
	assert_false(stream_over_limit(stream));
	happened(of, ON_DRAINED);
}

static void closed(struct stream *stream)
{
	struct ear *of = CONTAINER_OF(stream, struct ear, stream);

	assert_false(of->inside);
	of->closed_count++;
}

static const struct stream_events events = { accepted, connected, received, ended, drained, closed };

static bool is_accepted(void) { return ear.accepted_count > 0; }
static bool is_connected(void) { return ear.connected_count > 0; }
static bool is_received(void) { return ear.got_size > 0; }
static bool is_ended(void) { return ear.ended_count > 0; }
static bool is_drained(void) { return ear.drained_count > 0; }
static bool is_closed(void) { return ear.closed_count > 0; }

static void ear_init(void)
{
	mem_free(ear.got);
	ear = (struct ear){ 0 };
	stream_init(&ear.stream, loop, &events);
}

/* Opens the ear on one end of a new pair; returns the other. */
static int ear_open(bool tcp)
{
	int ours, theirs;

	ear_init();
	make_pair(tcp, &ours, &theirs);
	stream_open(&ear.stream, ours);
	return theirs;
}

static void ear_over(void)
{
	ear_close(&ear);
	run_until(is_closed);
	run_turns(3);
	assert_int_equal(ear.closed_count, 1);
	ear_close(&ear);                        /* harmless */
	assert_int_equal(ear.stream.pending, 0);
	mem_free(ear.got);
	ear.got = NULL;
}

/* The kernel would take megabytes of what is written on loopback. */
static void narrow(int theirs)
{
	int size = 32 << 10;

	assert_int_equal(setsockopt(ear.stream.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_int_equal(setsockopt(theirs, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
}

static void fill(char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 31 + i / 251);
}

static void write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

		assert_true(sent > 0);
		bytes += sent;
		size -= (size_t)sent;
	}
}

/* A thread at the other end: reads until the end of file, and says what came. */
struct reader {
	pthread_t thread;
	int fd, error;
	char *bytes;
	size_t size, size_max;
};

static void *read_all(void *argument)
{
	struct reader *reader = argument;

	for (;;) {
		ssize_t got = recv(reader->fd, reader->bytes + reader->size, reader->size_max - reader->size, 0);

		if (got > 0) {
			reader->size += (size_t)got;
			continue;
		}
		reader->error = got < 0 ? errno : 0;
		return NULL;
	}
}

static void reader_start(struct reader *reader, int fd, size_t size_max)
{
	*reader = (struct reader){ .fd = fd, .size_max = size_max + 1, .bytes = mem_alloc(size_max + 1) };
	assert_int_equal(pthread_create(&reader->thread, NULL, read_all, reader), 0);
}

static void reader_check(struct reader *reader, const char *bytes, size_t size)
{
	pthread_join(reader->thread, NULL);
	assert_int_equal(reader->error, 0);
	assert_int_equal(reader->size, size);
	assert_memory_equal(reader->bytes, bytes, size);
	mem_free(reader->bytes);
	close(reader->fd);
}

/* ---- writing ---- */

enum { MUCH = 4 << 20 };

static void a_peer_that_does_not_read_stops_the_writer_until_it_does(void **state)
{
	static char bytes[MUCH];
	struct reader reader;

	need_loop();
	fill(bytes, MUCH);
	for (int tcp = 0; tcp <= 1; tcp++) {
		int theirs = ear_open(tcp);

		narrow(theirs);
		stream_write(&ear.stream, slice_make(bytes, MUCH));
		assert_true(stream_over_limit(&ear.stream));
		run_turns(20);
		assert_true(stream_over_limit(&ear.stream));
		assert_int_equal(ear.drained_count, 0);
		assert_int_equal(ear.stream.out_bytes + ear.stream.sent_bytes, MUCH);
		reader_start(&reader, theirs, MUCH);
		run_until(is_drained);
		assert_true(ear.stream.out_bytes < STREAM_LOW_BYTES);
		ear_finish(&ear);
		run_until(is_closed);
		reader_check(&reader, bytes, MUCH);
		assert_int_equal(ear.drained_count, 1);
		ear_over();
	}
}

static void finish_sends_everything_before_it_closes(void **state)
{
	static char bytes[MUCH];
	struct reader reader;

	need_loop();
	fill(bytes, MUCH);
	for (int round = 0; round < 40; round++) {
		size_t size = round < 20 ? roll(MUCH) : roll(3 * OUT_BLOCK_SIZE);
		int theirs = ear_open(round % 2);

		for (size_t at = 0; at < size;) {
			size_t step = 1 + roll(20000);

			step = step < size - at ? step : size - at;
			stream_write(&ear.stream, slice_make(bytes + at, step));
			at += step;
		}
		stream_receive(&ear.stream, roll(2));
		ear_finish(&ear);
		assert_int_equal(ear.closed_count, 0);
		reader_start(&reader, theirs, size);
		run_until(is_closed);
		reader_check(&reader, bytes, size);
		assert_int_equal(ear.ended_count + ear.drained_count, 0);
		ear_over();
	}
}

/* Closing a TCP socket with unread bytes takes back what was sent: the client would see a reset, not the error message. */
static void finish_is_not_undone_by_what_the_peer_had_sent(void **state)
{
	static char bytes[50000];

	need_loop();
	fill(bytes, sizeof(bytes));
	for (int receiving = 0; receiving <= 1; receiving++) {
		int theirs = ear_open(true);
		struct reader reader;

		write_all(theirs, bytes, sizeof(bytes));
		stream_receive(&ear.stream, receiving);
		stream_write(&ear.stream, SLICE_LIT("FATAL: go away"));
		ear_finish(&ear);
		run_until(is_closed);
		reader_start(&reader, theirs, 100);
		reader_check(&reader, "FATAL: go away", 14);
		assert_int_equal(ear.got_size, 0);
		ear_over();
	}
}

static void finish_with_nothing_to_send_closes_at_once(void **state)
{
	char byte;
	int theirs;

	need_loop();
	theirs = ear_open(true);
	ear_finish(&ear);
	ear_finish(&ear);
	run_until(is_closed);
	assert_int_equal(recv(theirs, &byte, 1, 0), 0);
	close(theirs);
	ear_over();
}

static void a_peer_that_never_reads_does_not_hold_a_finishing_stream(void **state)
{
	static char bytes[MUCH];
	int theirs;

	need_loop();
	theirs = ear_open(true);
	narrow(theirs);
	stream_write(&ear.stream, slice_make(bytes, MUCH));
	ear_finish(&ear);
	run_turns(20);
	clock_ahead_us += (uint64_t)STREAM_FINISH_MS_MAX * 1000 - 20000000;
	run_turns(20);
	assert_int_equal(ear.closed_count, 0);
	clock_ahead_us += 20000000;
	run_until(is_closed);
	close(theirs);
	ear_over();
}

static void a_peer_that_resets_does_not_hold_a_finishing_stream(void **state)
{
	static char bytes[MUCH];
	int theirs;

	need_loop();
	for (int receiving = 0; receiving <= 1; receiving++) {
		theirs = ear_open(true);
		narrow(theirs);
		stream_write(&ear.stream, slice_make(bytes, MUCH));
		stream_receive(&ear.stream, receiving);
		run_turns(5);
		ear_finish(&ear);
		run_turns(5);
		reset_peer(theirs);
		run_until(is_closed);
		assert_int_equal(ear.ended_count, 0);
		ear_over();
	}
}

static void nothing_is_written_on_a_closing_stream(void **state)
{
	char byte;
	int theirs;

	need_loop();
	theirs = ear_open(true);
	ear_close(&ear);
	stream_write(&ear.stream, SLICE_LIT("x"));
	stream_receive(&ear.stream, true);
	ear_finish(&ear);
	run_until(is_closed);
	assert_int_equal(recv(theirs, &byte, 1, 0), 0);
	close(theirs);
	ear_over();
}

/* ---- the peer's end ---- */

/* The end of file may come in one event with the data, between the event and the reading, or later: it is never missed. */
static void the_end_right_behind_data_is_seen(void **state)
{
	static const size_t sizes[] = { 1, 100, 4096, 16 << 10, 64 << 10, (64 << 10) + 1, 128 << 10 };
	static char bytes[128 << 10];

	need_loop();
	fill(bytes, sizeof(bytes));
	for (int round = 0; round < 140; round++) {
		size_t size = sizes[round % 7];
		int theirs = ear_open(round / 7 % 2), buffer_size = 1 << 20;
		unsigned turns = roll(4);

		setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof(buffer_size));
		if (roll(2))
			stream_receive(&ear.stream, true);
		if (size <= 64 << 10) {
			write_all(theirs, bytes, size);
			if (turns)
				run_turns(turns);
			close(theirs);
			if (roll(2))
				run_turns(1 + roll(3));
			stream_receive(&ear.stream, true);
		} else {
			stream_receive(&ear.stream, true);
			make_nonblocking(theirs);
			for (size_t at = 0; at < size;) {
				ssize_t sent = send(theirs, bytes + at, size - at, MSG_NOSIGNAL);

				at += sent > 0 ? (size_t)sent : 0;
				run_turns(1);
			}
			close(theirs);
		}
		run_until(is_ended);
		assert_int_equal(ear.end_error, 0);
		assert_int_equal(ear.got_size, size);
		assert_memory_equal(ear.got, bytes, size);
		run_turns(2);
		assert_int_equal(ear.ended_count, 1);
		ear_over();
	}
}

static void *write_and_close(void *argument)
{
	int fd = *(int *)argument;

	write_all(fd, "last words", 10);
	if (fd % 3 == 0)
		sched_yield();
	close(fd);
	return NULL;
}

static void the_end_at_any_moment_is_seen(void **state)
{
	need_loop();
	for (int round = 0; round < 300; round++) {
		int theirs = ear_open(round % 2);
		pthread_t thread;

		stream_receive(&ear.stream, true);
		assert_int_equal(pthread_create(&thread, NULL, write_and_close, &theirs), 0);
		run_until(is_ended);
		pthread_join(thread, NULL);
		assert_int_equal(ear.got_size, 10);
		assert_int_equal(ear.end_error, 0);
		ear_over();
	}
}

static void a_reset_is_told_as_an_error(void **state)
{
	int theirs;

	need_loop();
	theirs = ear_open(true);
	stream_receive(&ear.stream, true);
	run_turns(3);
	reset_peer(theirs);
	run_until(is_ended);
	assert_int_equal(ear.end_error, ECONNRESET);
	ear_over();
}

static void a_reset_of_a_paused_stream_is_told_when_it_reads_at_the_latest(void **state)
{
	int theirs;

	need_loop();
	theirs = ear_open(true);
	stream_receive(&ear.stream, true);
	run_turns(3);
	stream_receive(&ear.stream, false);
	run_turns(3);
	reset_peer(theirs);
	run_turns(5);
	stream_receive(&ear.stream, true);
	run_until(is_ended);
	assert_int_equal(ear.end_error, ECONNRESET);
	ear_over();
}

static void what_a_paused_stream_was_sent_outlives_its_peer(void **state)
{
	need_loop();
	for (int tcp = 0; tcp <= 1; tcp++) {
		int theirs = ear_open(tcp);

		run_turns(3);
		write_all(theirs, "last words", 10);
		close(theirs);
		run_turns(5);
		assert_int_equal(ear.got_size + ear.ended_count, 0);
		stream_receive(&ear.stream, true);
		run_until(is_ended);
		assert_int_equal(ear.end_error, 0);
		assert_int_equal(ear.got_size, 10);
		ear_over();
	}
}

static int going;

static void peer_goes_while_we_write(struct later *later)
{
	write_all(going, "last words", 10);
	close(going);
	stream_write(&ear.stream, SLICE_LIT("too late"));
}

/* A node that ends its process says why before it goes; what we write meanwhile fails, and that must not drown it. */
static void what_the_peer_said_is_heard_although_writing_fails(void **state)
{
	struct later later = { .run = peer_goes_while_we_write };

	need_loop();
	for (int tcp = 0; tcp <= 1; tcp++) {
		going = ear_open(tcp);
		stream_receive(&ear.stream, true);
		run_turns(3);
		loop_later(loop, &later);
		run_until(is_ended);
		assert_int_equal(ear.got_size, 10);
		stream_write(&ear.stream, SLICE_LIT("later still"));
		run_turns(3);
		assert_int_equal(ear.ended_count, 1);
		ear_over();
	}
}

/* After a peer's end of file we may write on, until it does not listen either; then the stream closes by itself or is closed. */
static void a_peer_that_only_stopped_sending_is_still_answered(void **state)
{
	struct reader reader;
	int theirs;

	need_loop();
	theirs = ear_open(true);
	stream_receive(&ear.stream, true);
	shutdown(theirs, SHUT_WR);
	run_until(is_ended);
	assert_int_equal(ear.end_error, 0);
	stream_write(&ear.stream, SLICE_LIT("answer"));
	reader_start(&reader, theirs, 100);
	ear_finish(&ear);
	run_until(is_closed);
	reader_check(&reader, "answer", 6);
	ear_over();
}

/* ---- connecting ---- */

static void an_open_port_connects_and_what_was_written_before_is_sent(void **state)
{
	struct sockaddr_in address;
	struct reader reader;
	int listener;

	need_loop();
	listener = listen_tcp(&address);
	ear_init();
	stream_connect(&ear.stream, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), (struct sockaddr *)&address,
		       sizeof(address));
	memset(&address, 0, sizeof(address));   /* it was the caller's */
	stream_write(&ear.stream, SLICE_LIT("early"));
	stream_receive(&ear.stream, true);
	run_until(is_connected);
	assert_int_equal(ear.connect_error, 0);
	reader_start(&reader, accept(listener, NULL, NULL), 100);
	run_turns(3);
	ear_finish(&ear);
	run_until(is_closed);
	reader_check(&reader, "early", 5);
	assert_int_equal(ear.connected_count, 1);
	close(listener);
	ear_over();
}

static void a_closed_port_is_refused(void **state)
{
	struct sockaddr_in address;

	need_loop();
	close(listen_tcp(&address));
	ear_init();
	stream_receive(&ear.stream, true);
	stream_connect(&ear.stream, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), (struct sockaddr *)&address,
		       sizeof(address));
	assert_int_equal(ear.connected_count, 0);
	run_until(is_connected);
	assert_int_equal(ear.connect_error, ECONNREFUSED);
	run_turns(3);
	assert_int_equal(ear.connected_count, 1);
	assert_int_equal(ear.ended_count, 0);
	ear_over();
}

static void the_reason_of_a_refusal_is_the_kernels(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/nonexistent/.s.PGSQL.5432" };

	need_loop();
	ear_init();
	stream_connect(&ear.stream, socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), (struct sockaddr *)&address,
		       sizeof(address));
	assert_int_equal(ear.connected_count, 0);
	run_until(is_connected);
	assert_int_equal(ear.connect_error, ENOENT);
	ear_over();
}

/* A unix socket whose queue is full answers EAGAIN, and nothing is under way: that is not a connection. */
static void a_full_queue_is_no_connection(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(address);
	int listener, waiting[8], peer;
	unsigned count = 0;

	need_loop();
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);  /* the kernel finds a name */
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(listen(listener, 0), 0);
	for (; count < 8; count++) {
		waiting[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(waiting[count], (struct sockaddr *)&address, size) < 0)
			break;
	}
	assert_true(count < 8);
	ear_init();
	stream_connect(&ear.stream, waiting[count], (struct sockaddr *)&address, size);
	run_turns(5);
	if (!ear.connected_count) {             /* io_uring waits for its turn */
		close(accept(listener, NULL, NULL));
		run_until(is_connected);
	}
	assert_true(ear.connect_error != 0 || getpeername(ear.stream.fd, (struct sockaddr *)&address, &size) == 0);
	make_nonblocking(listener);
	while ((peer = accept(listener, NULL, NULL)) >= 0)
		close(peer);
	while (count > 0)
		close(waiting[--count]);
	close(listener);
	ear_over();
}

static void a_stream_that_is_connecting_closes(void **state)
{
	struct sockaddr_in address;
	int listener;

	need_loop();
	listener = listen_tcp(&address);
	for (unsigned turns = 0; turns < 6; turns++) {
		ear_init();
		stream_connect(&ear.stream, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), (struct sockaddr *)&address,
			       sizeof(address));
		stream_write(&ear.stream, SLICE_LIT("early"));
		if (turns)
			run_turns(turns);
		if (turns % 2)
			ear_finish(&ear);
		ear_over();
	}
	close(listener);
}

/* ---- listening ---- */

static void a_listener_pauses_and_goes_on(void **state)
{
	struct sockaddr_in address;
	int peers[3], listener;

	need_loop();
	ear_init();
	listener = listen_tcp(&address);
	make_nonblocking(listener);
	stream_listen(&ear.stream, listener);
	stream_receive(&ear.stream, true);
	for (int i = 0; i < 3; i++) {
		peers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(peers[i], (struct sockaddr *)&address, sizeof(address)), 0);
		if (i == 1) {
			run_turns(5);
			assert_int_equal(ear.accepted_count, 1);
			stream_receive(&ear.stream, true);
			ear.accepted_count = 0;
		}
		run_until(is_accepted);
		close(ear.accepted[0]);
		ear.accepted_count = i == 0;
		if (i == 0) {
			stream_receive(&ear.stream, false);
			run_turns(5);
		}
	}
	for (int i = 0; i < 3; i++)
		close(peers[i]);
	ear_over();
}

/* ---- closing ---- */

static void every_event_may_close_its_stream(void **state)
{
	static char bytes[MUCH];
	struct sockaddr_in address;
	struct reader reader;
	int theirs, listener;

	need_loop();
	listener = listen_tcp(&address);

	ear_init();
	ear.close_on = ON_CONNECTED;
	stream_receive(&ear.stream, true);
	stream_connect(&ear.stream, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), (struct sockaddr *)&address,
		       sizeof(address));
	run_until(is_closed);
	assert_int_equal(ear.connected_count, 1);
	ear_over();

	make_nonblocking(listener);
	theirs = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(theirs, (struct sockaddr *)&address, sizeof(address)), 0);
	ear_init();
	ear.close_on = ON_ACCEPTED;
	stream_listen(&ear.stream, listener);
	stream_receive(&ear.stream, true);
	run_until(is_closed);
	assert_int_equal(ear.accepted_count, 1);
	close(ear.accepted[0]);
	close(theirs);
	ear_over();

	theirs = ear_open(true);
	ear.close_on = ON_RECEIVED;
	write_all(theirs, bytes, 100000);
	stream_receive(&ear.stream, true);
	run_until(is_closed);
	assert_true(is_received() && !is_ended());
	close(theirs);
	ear_over();

	theirs = ear_open(true);
	ear.close_on = ON_ENDED;
	close(theirs);
	stream_receive(&ear.stream, true);
	run_until(is_closed);
	ear_over();

	theirs = ear_open(true);
	ear.close_on = ON_DRAINED;
	stream_write(&ear.stream, slice_make(bytes, MUCH));
	reader_start(&reader, theirs, MUCH);
	run_until(is_closed);
	assert_int_equal(ear.drained_count, 1);
	pthread_join(reader.thread, NULL);
	mem_free(reader.bytes);
	close(theirs);
	ear_over();
}

/* ---- filters ---- */

static bool filter_freed;

static void flip(struct slice bytes, char *out)
{
	for (size_t i = 0; i < bytes.size; i++)
		out[i] = bytes.data[i] ^ 0x20;
}

static void flip_write(struct stream *stream, void *state, struct slice bytes)
{
	char out[64];

	flip(bytes, out);
	stream_filter_write(stream, slice_make(out, bytes.size));
}

static void flip_receive(struct stream *stream, void *state, const char *data, size_t size)
{
	char out[64];

	assert_true(size <= sizeof(out));
	flip(slice_make(data, size), out);
	stream_filter_received(stream, out, size);
	assert_false(filter_freed);             /* although the owner closes in there */
}

static void flip_free(void *state)
{
	assert_false(filter_freed);
	filter_freed = true;
}

static void a_filter_stands_between_and_outlives_its_own_calls(void **state)
{
	static const struct stream_filter filter = { .write = flip_write, .receive = flip_receive, .free = flip_free };
	char bytes[6];
	int theirs;

	need_loop();
	filter_freed = false;
	theirs = ear_open(true);
	stream_set_filter(&ear.stream, &filter, NULL);
	stream_write(&ear.stream, SLICE_LIT("hello!"));
	stream_receive(&ear.stream, true);
	run_turns(3);
	assert_int_equal(recv(theirs, bytes, 6, MSG_WAITALL), 6);
	assert_memory_equal(bytes, "HELLO\x01", 6);
	write_all(theirs, "ABC", 3);
	ear.close_on = ON_RECEIVED;
	run_until(is_closed);
	assert_memory_equal(ear.got, "abc", 3);
	assert_true(filter_freed);
	close(theirs);
	ear_over();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(a_peer_that_does_not_read_stops_the_writer_until_it_does),
		ON_BOTH(finish_sends_everything_before_it_closes),
		ON_BOTH(finish_is_not_undone_by_what_the_peer_had_sent),
		ON_BOTH(finish_with_nothing_to_send_closes_at_once),
		ON_BOTH(a_peer_that_never_reads_does_not_hold_a_finishing_stream),
		ON_BOTH(a_peer_that_resets_does_not_hold_a_finishing_stream),
		ON_BOTH(nothing_is_written_on_a_closing_stream),
		ON_BOTH(the_end_right_behind_data_is_seen),
		ON_BOTH(the_end_at_any_moment_is_seen),
		ON_BOTH(a_reset_is_told_as_an_error),
		ON_BOTH(a_reset_of_a_paused_stream_is_told_when_it_reads_at_the_latest),
		ON_BOTH(what_a_paused_stream_was_sent_outlives_its_peer),
		ON_BOTH(what_the_peer_said_is_heard_although_writing_fails),
		ON_BOTH(a_peer_that_only_stopped_sending_is_still_answered),
		ON_BOTH(an_open_port_connects_and_what_was_written_before_is_sent),
		ON_BOTH(a_closed_port_is_refused),
		ON_BOTH(the_reason_of_a_refusal_is_the_kernels),
		ON_BOTH(a_full_queue_is_no_connection),
		ON_BOTH(a_stream_that_is_connecting_closes),
		ON_BOTH(a_listener_pauses_and_goes_on),
		ON_BOTH(every_event_may_close_its_stream),
		ON_BOTH(a_filter_stands_between_and_outlives_its_own_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
