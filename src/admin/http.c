#include "admin/http.h"

#include <jansson.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/http_endpoints.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/env.h"

enum { LOOK_MS = 1000 };                /* for connections whose time is over */

struct visitor {                        /* one connection */
	struct list_node place;
	int fd;
	uint64_t until_us;
	bool ended;                     /* it was shut down; libmicrohttpd has not noticed yet */
};

struct http {
	struct endpoints *endpoints;
	struct MHD_Daemon *daemon;
	pthread_t thread;
	int wake_fd;
	bool leaving, stopping;         /* atomic */
	bool left;
	struct list visitors;           /* of struct visitor: who asked last is last */
};

static uint64_t now_us(void)
{
	return env_system()->now_us(env_system()->world);
}

/* ---- connections ---- */

static void end_visitor(struct visitor *visitor)
{
	visitor->ended = true;
	shutdown(visitor->fd, SHUT_RDWR);       /* libmicrohttpd hears of it, and closes */
}

static void end_slow(struct http *http)
{
	uint64_t now = now_us();

	LIST_EACH(&http->visitors, node) {
		struct visitor *visitor = CONTAINER_OF(node, struct visitor, place);

		if (visitor->until_us > now)
			break;
		if (!visitor->ended)
			end_visitor(visitor);
	}
}

static void make_room(struct http *http)
{
	size_t living = http->visitors.count;

	LIST_EACH(&http->visitors, node) {
		struct visitor *visitor = CONTAINER_OF(node, struct visitor, place);

		if (living < HTTP_CONNECTIONS_MAX)
			return;
		if (!visitor->ended)
			end_visitor(visitor);
		living--;
	}
}

static void visited(struct http *http, struct visitor *visitor)
{
	visitor->until_us = now_us() + HTTP_TURN_MS_MAX * UINT64_C(1000);
	list_push_back(&http->visitors, &visitor->place);
}

static void connection_changed(void *context, struct MHD_Connection *connection, void **slot, enum MHD_ConnectionNotificationCode what)
{
	struct http *http = context;
	struct visitor *visitor = *slot;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		make_room(http);
		visitor = mem_calloc(1, sizeof(*visitor));
		visitor->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		visited(http, visitor);
		*slot = visitor;
	} else if (visitor) {
		list_remove(&http->visitors, &visitor->place);
		mem_free(visitor);
		*slot = NULL;
	}
}

static void request_completed(void *context, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode how)
{
	struct visitor *visitor = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	struct http *http = context;

	if (!visitor || how != MHD_REQUEST_TERMINATED_COMPLETED_OK)
		return;
	list_remove(&http->visitors, &visitor->place);
	visited(http, visitor);
}

/* ---- requests ---- */

static enum MHD_Result say(const struct http *http, struct MHD_Connection *connection, struct page *page)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer_with_free_callback(page->body.size, page->body.data, mem_free);
	if (!response) {
		buf_release(&page->body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page->content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (page->status == HTTP_BAD_METHOD)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (http->left)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	result = MHD_queue_response(connection, page->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result take_parameter(void *context, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value, size_t value_size)
{
	struct request *request = context;
	bool whole = strlen(key) == key_size && (!value || strlen(value) == value_size);

	if (!whole || request->parameter_count == REQUEST_PARAMETERS_MAX) {
		request->bad = true;
		return MHD_NO;
	}
	request->parameters[request->parameter_count++] = (struct parameter){ key, value ? value : "" };
	return MHD_YES;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
			      const char *body, size_t *body_size, void **slot)
{
	static char begun;
	struct http *http = context;
	struct request request = { .path = path };
	struct page page;

	request.reading = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	if (request.reading && !*slot) {        /* its headers; a body may follow */
		*slot = &begun;
		return MHD_YES;
	}
	if (*body_size && request.reading) {
		*body_size = 0;         /* nobody reads it */
		return MHD_YES;
	}
	MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, take_parameter, &request);
	endpoints_answer(http->endpoints, &request, http->left, &page);
	return say(http, connection, &page);
}

/* ---- the thread ---- */

static void take_leave(struct http *http)
{
	int fd = http->left ? -1 : MHD_quiesce_daemon(http->daemon);

	http->left = true;
	if (fd >= 0)
		close(fd);
}

static int wait_ms(const struct http *http)
{
	unsigned long long wanted;
	int ms = list_empty(&http->visitors) ? -1 : LOOK_MS;

	if (MHD_get_timeout(http->daemon, &wanted) == MHD_YES && (ms < 0 || wanted < (unsigned long long)ms))
		ms = wanted > LOOK_MS ? LOOK_MS : (int)wanted;
	return ms;
}

static void *run(void *argument)
{
	struct http *http = argument;
	int epoll_fd = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	uint64_t count;

	pthread_setname_np(pthread_self(), "nanu-http");
	while (!__atomic_load_n(&http->stopping, __ATOMIC_ACQUIRE)) {
		struct pollfd fds[] = { { .fd = epoll_fd, .events = POLLIN }, { .fd = http->wake_fd, .events = POLLIN } };

		poll(fds, 2, wait_ms(http));
		if (fds[1].revents)
			(void)!read(http->wake_fd, &count, sizeof(count));
		if (__atomic_load_n(&http->leaving, __ATOMIC_ACQUIRE))
			take_leave(http);
		MHD_run(http->daemon);
		end_slow(http);
	}
	return NULL;
}

/* ---- life ---- */

static void complain(void *context, const char *format, va_list args)
{
	char text[256], quoted[300];
	size_t size;

	vsnprintf(text, sizeof(text), format, args);
	size = strlen(text);
	if (size && text[size - 1] == '\n')
		text[size - 1] = '\0';
	log_debug("http", "msg=\"%s\"", log_quote(text, quoted, sizeof(quoted)));
}

static void http_free(struct http *http)
{
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	endpoints_free(http->endpoints);
	if (http->wake_fd >= 0)
		close(http->wake_fd);
	mem_free(http);
}

int http_start(const struct http_source *source, int fd, struct http **ret_http, struct err *err)
{
	struct http *http = mem_calloc(1, sizeof(*http));

	list_init(&http->visitors);
	http->endpoints = endpoints_new(source);
	http->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (http->wake_fd >= 0)
		http->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, http,
						MHD_OPTION_EXTERNAL_LOGGER, complain, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
						MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX + HTTP_CONNECTIONS_ROOM,
						MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_REQUEST_SIZE_MAX,
						MHD_OPTION_NOTIFY_CONNECTION, connection_changed, http,
						MHD_OPTION_NOTIFY_COMPLETED, request_completed, http, MHD_OPTION_END);
	if (!http->daemon) {
		http_free(http);        /* `fd` may be closed, or not: the program ends */
		return err_set(err, ERR_IO, "cannot answer HTTP: %m");
	}
	if (pthread_create(&http->thread, NULL, run, http) != 0) {
		http_free(http);
		return err_set(err, ERR_NOMEM, "cannot start the thread that answers HTTP");
	}
	*ret_http = http;
	return 0;
}

static void wake(struct http *http, bool *flag)
{
	uint64_t one = 1;

	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
	(void)!write(http->wake_fd, &one, sizeof(one));
}

void http_leave(struct http *http)
{
	if (http)
		wake(http, &http->leaving);
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	wake(http, &http->stopping);
	pthread_join(http->thread, NULL);
	http_free(http);
}
