#include "app/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "admin/http.h"
#include "app/control.h"
#include "base/log.h"
#include "base/mem.h"
#include "session/worker.h"
#include "topo/config.h"

enum { MESSAGE_SIZE = 16, POLL_MS = 50, ANSWER_MS_MAX = 10000, LEAVE_MS_MIN = 500, LOOK_MS = 200, LOOK_MS_MAX = 5000 };

/* pid and secret are of "cancel". In "take" and "listeners", `secret` is 1 when whoever sends it knows that the last of the sockets can be the one
 * for HTTP, and that it is. */
struct message { char what[MESSAGE_SIZE]; uint32_t pid, secret; };

struct takeover {
	const struct config *config;
	struct services *services;
	struct control *control;
	struct http *http;
	struct listeners listeners;     /* copies */
	int listener;                   /* -1: nobody can take over (any more) */
	int successor, predecessor;     /* connections; -1: there is none, or it is over */
	int kept[2];                    /* the same, to be closed in the end: other threads may still send */
	uint64_t look_until_ms, looked_ms;      /* for clients whom the other process was woken for and did not accept */
	uint64_t left_ms;               /* atomic: when the successor was ready; 0: not yet */
	bool stopping;                  /* atomic */
	bool ended;                     /* SIGTERM was sent */
	pthread_t thread;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the socket ---- */

/* Through its folder's descriptor, as the path itself may be longer than a socket's address can be. */
static int with_address(const char *path, int (*use)(int fd, const struct sockaddr *address, socklen_t size), int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
	int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), rc = -1, size;

	mem_free(folder);
	if (folder_fd < 0)
		return -1;
	size = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder_fd, slash ? slash + 1 : path);
	if (size < (int)sizeof(address.sun_path))
		rc = use(fd, (const struct sockaddr *)&address, sizeof(address));
	else
		errno = ENAMETOOLONG;
	close(folder_fd);
	return rc;
}

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
}

static int listen_on_path(const char *path)
{
	int fd = open_socket();
	bool good;

	unlink(path);           /* of a process that is gone, or was taken over */
	good = fd >= 0 && fchmod(fd, 0600) == 0 && with_address(path, bind, fd) == 0 && listen(fd, 1) == 0;
	if (good)
		return fd;
	log_warn("takeover", "socket=%s errno=%d msg=\"no other process will be able to take over\"", path, errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool send_message(int fd, const char *what, uint32_t pid, uint32_t secret)
{
	struct message message = { .pid = pid, .secret = secret };

	snprintf(message.what, sizeof(message.what), "%s", what);
	return send(fd, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(message);
}

union ancillary {
	struct cmsghdr header;
	char bytes[CMSG_SPACE((TAKEOVER_FDS_MAX + 1) * sizeof(int))];
};

static bool send_listeners(int fd, const struct listeners *listeners, bool with_http)
{
	struct message message = { .what = "listeners", .secret = with_http && listeners->http_fd >= 0 };
	size_t count = listeners->count + message.secret;
	struct iovec iov = { &message, sizeof(message) };
	union ancillary ancillary = { 0 };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ancillary, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(rights), listeners->fds, listeners->count * sizeof(int));
	if (message.secret)
		memcpy(CMSG_DATA(rights) + listeners->count * sizeof(int), &listeners->http_fd, sizeof(int));
	return sendmsg(fd, &header, MSG_NOSIGNAL) == (ssize_t)sizeof(message);
}

bool takeover_left(const struct takeover *takeover)
{
	return __atomic_load_n(&takeover->left_ms, __ATOMIC_RELAXED) != 0;
}

void takeover_cancel(int peer, uint32_t pid, uint32_t secret)
{
	if (peer >= 0)
		send_message(peer, "cancel", pid, secret);
}

void takeover_tell_store(int peer)
{
	if (peer >= 0)
		send_message(peer, "store", 0, 0);
}

/* ---- the new process ---- */

static int receive_listeners(int fd, struct listeners *ret_listeners, struct err *err)
{
	size_t count;
	struct message message = { 0 };
	struct iovec iov = { &message, sizeof(message) };
	union ancillary ancillary;
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ancillary, .msg_controllen = sizeof(ancillary) };
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct cmsghdr *rights;

	if (poll(&ready, 1, ANSWER_MS_MAX) != 1 || recvmsg(fd, &header, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(message) ||
	    strncmp(message.what, "listeners", sizeof(message.what)) != 0)
		return err_set(err, ERR_CONNECT, "the running router does not hand its listening sockets over");
	rights = CMSG_FIRSTHDR(&header);
	if (!rights || rights->cmsg_type != SCM_RIGHTS || header.msg_flags & MSG_CTRUNC)
		return err_set(err, ERR_CONNECT, "the running router handed no listening sockets over");
	count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	*ret_listeners = (struct listeners){ .count = count - (message.secret && count), .http_fd = -1 };
	if (ret_listeners->count > TAKEOVER_FDS_MAX)
		return err_set(err, ERR_CONNECT, "the running router handed too many listening sockets over");
	memcpy(ret_listeners->fds, CMSG_DATA(rights), ret_listeners->count * sizeof(int));
	if (ret_listeners->count < count)
		memcpy(&ret_listeners->http_fd, CMSG_DATA(rights) + ret_listeners->count * sizeof(int), sizeof(int));
	return 0;
}

static bool answers(const char *path)
{
	int fd = open_socket();
	bool does = fd >= 0 && with_address(path, connect, fd) == 0;

	if (fd >= 0)
		close(fd);
	return does;
}

/* The file that all processes on a store lock has the socket of the one that accepts clients. */
static FILE *open_lock(const struct config *config, const char *how)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s-lock", config->store);
	return fopen(path, how);
}

static void note_socket(const struct config *config)
{
	FILE *file = open_lock(config, "we");

	if (file)
		fputs(config->takeover_socket, file);
	if (!file || fclose(file) != 0)
		log_warn("takeover", "store=%s msg=\"cannot note the socket beside it: a second router on this store would not be noticed\"", config->store);
}

int takeover_alone(const struct config *config, struct err *err)
{
	FILE *file = open_lock(config, "re");
	char other[PATH_MAX] = "";

	if (file && !fgets(other, sizeof(other), file))
		other[0] = '\0';
	if (file)
		fclose(file);
	if (answers(config->takeover_socket)) {
		err_set(err, ERR_CONFLICT, "another router of this configuration is running: it answers at \"%s\"", config->takeover_socket);
		err_hint(err, "Take over from it with --takeover, or give this one a store and a takeover_socket of its own.");
	} else if (other[0] && answers(other)) {
		err_set(err, ERR_CONFLICT, "another router is running on the store %s: it answers at \"%s\"", config->store, other);
		err_hint(err, "Give this one a store of its own. Routers that are to serve together share an etcd: etcd_hosts.");
	} else {
		return 0;
	}
	return ERR_CONFLICT;
}

int takeover_take(const struct config *config, struct listeners *ret_listeners, int *ret_peer, struct err *err)
{
	int fd = open_socket(), rc;

	if (fd < 0 || with_address(config->takeover_socket, connect, fd) < 0) {
		rc = err_set(err, ERR_CONNECT, "no running router to take over from at \"%s\": %m", config->takeover_socket);
		err_hint(err, "Start the first one without --takeover.");
	} else if (!send_message(fd, "take", 0, 1)) {
		rc = err_set(err, ERR_CONNECT, "the router at \"%s\" cannot be spoken to: %m", config->takeover_socket);
	} else {
		rc = receive_listeners(fd, ret_listeners, err);
	}
	if (rc < 0 && fd >= 0)
		close(fd);
	else
		*ret_peer = fd;
	return rc;
}

/* ---- the running process ---- */

static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

static void accept_successor(struct takeover *takeover)
{
	int fd = accept4(takeover->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (takeover->successor >= 0 || !is_ours(fd))
		close(fd);
	else
		takeover->successor = fd;
}

/* A socket that nobody accepts from would keep clients waiting, and the port from whoever starts next. */
static void close_copies(struct takeover *takeover)
{
	struct listeners *copies = &takeover->listeners;

	while (copies->count)
		close(copies->fds[--copies->count]);
	if (copies->http_fd >= 0)
		close(copies->http_fd);
	copies->http_fd = -1;
}

/* The successor accepts from now on. */
static void leave(struct takeover *takeover)
{
	takeover->kept[0] = takeover->successor;
	log_info("takeover", "msg=\"another process has taken over: serving the sessions that are left\"");
	__atomic_store_n(&takeover->left_ms, now_ms(), __ATOMIC_RELAXED);
	close(takeover->listener);
	takeover->listener = -1;
	close_copies(takeover);
	services_leave(takeover->services);
	http_leave(takeover->http);
	control_share(takeover->control, NEIGHBOUR_AFTER, takeover->successor);
	control_follow(takeover->control);
}

/* One neighbour stored something: the other one has not heard of it. */
static void follow_store(struct takeover *takeover, int from)
{
	control_follow(takeover->control);
	takeover_tell_store(from == takeover->predecessor ? takeover->successor : takeover->predecessor);
}

/* False: the connection is over. */
static bool hear(struct takeover *takeover, int fd)
{
	struct message message;

	if (recv(fd, &message, sizeof(message), MSG_DONTWAIT) != (ssize_t)sizeof(message))
		return false;
	message.what[MESSAGE_SIZE - 1] = '\0';
	if (strcmp(message.what, "take") == 0)
		return send_listeners(fd, &takeover->listeners, message.secret == 1);
	if (strcmp(message.what, "ready") == 0)
		leave(takeover);
	else if (strcmp(message.what, "cancel") == 0)
		services_cancel(takeover->services, message.pid, message.secret);
	else if (strcmp(message.what, "store") == 0)
		follow_store(takeover, fd);
	return true;
}

static void hear_peer(struct takeover *takeover, int *peer, short events)
{
	if (!events || *peer < 0 || hear(takeover, *peer))
		return;
	control_share(takeover->control, peer == &takeover->predecessor ? NEIGHBOUR_BEFORE : NEIGHBOUR_AFTER, -1);
	if (peer == &takeover->predecessor)
		services_set_predecessor(takeover->services, -1);
	takeover->look_until_ms = now_ms() + LOOK_MS_MAX;
	if (peer == &takeover->successor && !takeover->left_ms) /* it failed before it was ready: another may try */
		close(*peer);
	*peer = -1;
}

/* Nobody is left, or whoever is has had drain_timeout. Through this process the one before it and the one after it know of each other: it stays
 * as long as both live. */
static void end_when_left(struct takeover *takeover)
{
	uint64_t since_ms = now_ms() - takeover->left_ms;
	unsigned clients = __atomic_load_n(&takeover->services->client_count, __ATOMIC_RELAXED);

	if (!takeover->left_ms || takeover->ended || since_ms < LEAVE_MS_MIN)
		return;
	if (takeover->predecessor >= 0 && takeover->successor >= 0)
		return;
	if (clients && (!takeover->config->drain_timeout || since_ms < takeover->config->drain_timeout))
		return;
	log_info("takeover", "sessions=%u msg=\"%s\"", clients, clients ? "drain_timeout is over" : "the last session has left");
	takeover->ended = true;
	kill(getpid(), SIGTERM);
}

/* Of the processes that wait at a listening socket over io_uring the kernel wakes one for a client. When that one is dying, or has stopped, nobody
 * else hears of him. */
static void look_for_clients(struct takeover *takeover)
{
	uint64_t now = now_ms();

	if (takeover_left(takeover) || now > takeover->look_until_ms || now < takeover->looked_ms + LOOK_MS)
		return;
	takeover->looked_ms = now;
	services_accept(takeover->services);
}

static void *run(void *argument)
{
	struct takeover *takeover = argument;

	pthread_setname_np(pthread_self(), "nanu-takeover");
	while (!__atomic_load_n(&takeover->stopping, __ATOMIC_RELAXED)) {
		struct pollfd fds[] = {
			{ .fd = takeover->listener, .events = POLLIN },
			{ .fd = takeover->successor, .events = POLLIN },
			{ .fd = takeover->predecessor, .events = POLLIN },
		};

		if (poll(fds, 3, POLL_MS) > 0) {
			hear_peer(takeover, &takeover->successor, fds[1].revents);
			hear_peer(takeover, &takeover->predecessor, fds[2].revents);
			if (fds[0].revents & POLLIN)
				accept_successor(takeover);
		}
		look_for_clients(takeover);
		end_when_left(takeover);
	}
	return NULL;
}

struct takeover *takeover_start(const struct config *config, struct services *services, struct control *control, struct http *http,
				const struct listeners *listeners, int peer)
{
	struct takeover *takeover = mem_calloc(1, sizeof(*takeover));
	struct listeners *copies = &takeover->listeners;

	*takeover = (struct takeover){ .config = config, .services = services, .control = control, .http = http, .successor = -1,
		.predecessor = peer, .kept = { -1, peer } };
	for (size_t i = 0; i < listeners->count; i++) {
		copies->fds[copies->count] = fcntl(listeners->fds[i], F_DUPFD_CLOEXEC, 0);
		copies->count += copies->fds[copies->count] >= 0;
	}
	copies->http_fd = listeners->http_fd < 0 ? -1 : fcntl(listeners->http_fd, F_DUPFD_CLOEXEC, 0);
	takeover->listener = listen_on_path(config->takeover_socket);
	note_socket(config);
	if (peer >= 0) {
		takeover->look_until_ms = now_ms() + LOOK_MS_MAX;
		services_set_predecessor(services, peer);
		control_share(control, NEIGHBOUR_BEFORE, peer);
		send_message(peer, "ready", 0, 0);
		control_follow(control);        /* what the other stored since this one read it */
	}
	if (pthread_create(&takeover->thread, NULL, run, takeover) != 0)
		takeover->thread = 0;
	return takeover;
}

void takeover_stop(struct takeover *takeover)
{
	if (!takeover)
		return;
	__atomic_store_n(&takeover->stopping, true, __ATOMIC_RELAXED);
	if (takeover->thread)
		pthread_join(takeover->thread, NULL);
	services_set_predecessor(takeover->services, -1);
	for (int i = 0; i < NEIGHBOUR_COUNT; i++)
		control_share(takeover->control, (enum neighbour)i, -1);
}

void takeover_free(struct takeover *takeover)
{
	if (!takeover)
		return;
	if (takeover->listener >= 0) {
		unlink(takeover->config->takeover_socket);
		close(takeover->listener);
	}
	close_copies(takeover);
	for (int i = 0; i < 2; i++)
		if (takeover->kept[i] >= 0)
			close(takeover->kept[i]);
	if (takeover->successor >= 0 && takeover->successor != takeover->kept[0])
		close(takeover->successor);
	mem_free(takeover);
}
