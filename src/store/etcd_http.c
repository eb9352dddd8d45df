#include "store/etcd_http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "store/store_kind.h"

enum { IDLE_MAX = 8, POLL_MS_MAX = 1000 };

struct channel {                        /* one connection, or a few: to each member that was spoken to */
	struct channel *next;
	CURLM *multi;
	CURL *easy;
};

struct etcd_http {
	char *ca_file, *cert_file, *key_file;
	pthread_mutex_t lock;
	struct channel *idle;
	unsigned idle_count;
	int interrupt_fd;               /* readable from the interrupt on, for ever */
	bool interrupted;               /* atomic */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool curl_ready;

static void start_curl(void)
{
	curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

int etcd_http_new(const char *ca_file, const char *cert_file, const char *key_file, struct etcd_http **ret_http, struct err *err)
{
	struct etcd_http *http;

	pthread_once(&curl_once, start_curl);
	if (!curl_ready)
		return err_set(err, ERR_CONFIG, "libcurl cannot be started");
	http = mem_calloc(1, sizeof(*http));
	http->ca_file = ca_file ? mem_strdup(ca_file) : NULL;
	http->cert_file = cert_file ? mem_strdup(cert_file) : NULL;
	http->key_file = key_file ? mem_strdup(key_file) : NULL;
	pthread_mutex_init(&http->lock, NULL);
	http->interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (http->interrupt_fd < 0) {
		etcd_http_free(http);
		return err_set(err, ERR_IO, "cannot make an eventfd: %m");
	}
	*ret_http = http;
	return 0;
}

static void channel_free(struct channel *channel)
{
	curl_easy_cleanup(channel->easy);
	curl_multi_cleanup(channel->multi);
	mem_free(channel);
}

void etcd_http_free(struct etcd_http *http)
{
	if (!http)
		return;
	while (http->idle) {
		struct channel *channel = http->idle;

		http->idle = channel->next;
		channel_free(channel);
	}
	if (http->interrupt_fd >= 0)
		close(http->interrupt_fd);
	pthread_mutex_destroy(&http->lock);
	mem_free(http->ca_file);
	mem_free(http->cert_file);
	mem_free(http->key_file);
	mem_free(http);
}

static struct channel *take_channel(struct etcd_http *http)
{
	struct channel *channel;

	pthread_mutex_lock(&http->lock);
	channel = http->idle;
	if (channel) {
		http->idle = channel->next;
		http->idle_count--;
	}
	pthread_mutex_unlock(&http->lock);
	if (channel)
		return channel;
	channel = mem_calloc(1, sizeof(*channel));
	channel->multi = curl_multi_init();
	channel->easy = curl_easy_init();
	if (!channel->multi || !channel->easy)
		mem_die(sizeof(*channel));
	return channel;
}

static void give_channel(struct etcd_http *http, struct channel *channel)
{
	pthread_mutex_lock(&http->lock);
	if (http->idle_count < IDLE_MAX) {
		channel->next = http->idle;
		http->idle = channel;
		http->idle_count++;
		channel = NULL;
	}
	pthread_mutex_unlock(&http->lock);
	if (channel)
		channel_free(channel);
}

/* ---- one request ---- */

/* Whole lines go to line(); false: it is enough. */
static bool hear_lines(struct etcd_http_request *request)
{
	struct buf *answer = &request->answer;
	const char *end;

	while (answer->size && (end = memchr(answer->data, '\n', answer->size))) {
		size_t size = (size_t)(end - answer->data);
		bool more = request->line(request->argument, slice_make(answer->data, size));

		buf_drop_front(answer, size + 1);
		if (!more)
			return false;
	}
	return true;
}

/* libcurl's CURLOPT_WRITEFUNCTION: anything but the size ends the transfer. */
static size_t hear(char *data, size_t size, size_t count, void *argument)
{
	struct etcd_http_request *request = argument;

	buf_add(&request->answer, data, size * count);
	if (request->answer.failed)
		return 0;
	if (request->line)
		request->until_ms = request->stream_until_ms;
	return request->line && !hear_lines(request) ? 0 : size * count;
}

static struct curl_slist *headers_of(const struct etcd_http_request *request)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char text[1024];

	headers = curl_slist_append(headers, "Expect:");        /* no round trip before a long body */
	if (request->token) {
		snprintf(text, sizeof(text), "Authorization: %s", request->token);
		headers = curl_slist_append(headers, text);
	}
	/* A member that has lost its leader ends the stream, and does not keep silent. Source: etcd, rpctypes/metadatafields.go. */
	if (request->line)
		headers = curl_slist_append(headers, "Grpc-Metadata-hasleader: true");
	return headers;
}

static void set_up(const struct etcd_http *http, CURL *easy, struct etcd_http_request *request, struct curl_slist *headers, char *failure)
{
	curl_easy_reset(easy);          /* options; connections stay */
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, hear);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, failure);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");           /* whatever the environment says */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	if (http->ca_file) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);   /* these roots and no others */
	}
	if (http->cert_file)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, http->cert_file);
	if (http->key_file)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, http->key_file);
}

/* Runs the transfer until it is over or its time is. CURLE_OPERATION_TIMEDOUT, CURLE_ABORTED_BY_CALLBACK (interrupted) or its own end. */
static CURLcode transfer(struct etcd_http *http, CURLM *multi, const struct etcd_http_request *request)
{
	struct curl_waitfd interrupt = { .fd = http->interrupt_fd, .events = CURL_WAIT_POLLIN };
	int running = 1, left;

	for (;;) {
		uint64_t now;
		CURLMsg *message;

		curl_multi_perform(multi, &running);
		message = running ? NULL : curl_multi_info_read(multi, &left);
		if (!running)
			return message ? message->data.result : CURLE_RECV_ERROR;
		if (request->line && etcd_http_interrupted(http))
			return CURLE_ABORTED_BY_CALLBACK;
		now = store_now_ms();
		if (now >= request->until_ms)
			return CURLE_OPERATION_TIMEDOUT;
		curl_multi_poll(multi, &interrupt, request->line ? 1 : 0,
				request->until_ms - now < POLL_MS_MAX ? (int)(request->until_ms - now) : POLL_MS_MAX, NULL);
	}
}

static enum etcd_http_end end_of(const struct etcd_http *http, const struct etcd_http_request *request, CURL *easy, CURLcode code)
{
	long sent = 0;

	if (code == CURLE_OK)
		return ETCD_HTTP_ANSWERED;
	if (request->line && !request->answer.failed &&
	    (code == CURLE_WRITE_ERROR || code == CURLE_ABORTED_BY_CALLBACK ||
	     (code == CURLE_OPERATION_TIMEDOUT && store_now_ms() >= request->stream_until_ms)))
		return ETCD_HTTP_STOPPED;
	curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
	return sent ? ETCD_HTTP_LOST : ETCD_HTTP_NOT_SENT;
}

enum etcd_http_end etcd_http_post(struct etcd_http *http, struct etcd_http_request *request)
{
	struct channel *channel = take_channel(http);
	struct curl_slist *headers = headers_of(request);
	char failure[CURL_ERROR_SIZE] = "";
	enum etcd_http_end end;
	CURLcode code;

	request->status = 0;
	buf_init(&request->answer, STORE_ANSWER_SIZE_MAX);
	set_up(http, channel->easy, request, headers, failure);
	curl_multi_add_handle(channel->multi, channel->easy);
	code = transfer(http, channel->multi, request);
	curl_easy_getinfo(channel->easy, CURLINFO_RESPONSE_CODE, &request->status);
	end = end_of(http, request, channel->easy, code);
	/* An unfinished transfer takes its connection with it: no late answer can be taken for another's. */
	curl_multi_remove_handle(channel->multi, channel->easy);
	curl_slist_free_all(headers);
	give_channel(http, channel);
	snprintf(request->failure, sizeof(request->failure), "%s",
		 request->answer.failed ? "the answer is too long" : code == CURLE_OPERATION_TIMEDOUT ? "no answer in time" :
		 failure[0] ? failure : curl_easy_strerror(code));
	return end;
}

void etcd_http_interrupt(struct etcd_http *http)
{
	uint64_t one = 1;

	__atomic_store_n(&http->interrupted, true, __ATOMIC_RELAXED);
	(void)!write(http->interrupt_fd, &one, sizeof(one));
}

bool etcd_http_interrupted(const struct etcd_http *http)
{
	return __atomic_load_n(&http->interrupted, __ATOMIC_RELAXED);
}
