#include "agent/peers.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/guard.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "catalog/ask.h"
#include "net/address.h"
#include "net/mutual_tls.h"

enum { FAILURES_TOLD = 5, DRAIN_MS_MAX = 3600000 };

struct peer {
	struct peers *peers;
	int member;
	const char *address;
	char failure[CURL_ERROR_SIZE];  /* libcurl's words for the last one */
	unsigned failures;              /* since it was heard */
	bool told[CURL_LAST];           /* of these since then, the log knows */
	pthread_t thread;
	bool started;
};

struct peers {
	struct peers_calls calls;
	const char *self;
	const struct mutual_tls *tls;
	unsigned timeout_ms;
	struct MHD_Daemon *daemon;
	size_t count;
	struct peer *peers;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
};

/* ---- the text ---- */

static const char *const condition_names[] = { [MEMBER_DOWN] = "down", [MEMBER_STANDBY] = "standby", [MEMBER_PRIMARY] = "primary", [MEMBER_UNKNOWN] = "unknown" };

static json_t *state_json(const struct member_state *state)
{
	return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:o, s:I, s:I, s:I}", "node", condition_names[state->node], "same_history",
			 state->lineage == LINEAGE_SAME, "clean", state->clean, "sick", state->sick, "receiving", state->receiving, "streaming",
			 state->streaming, "flushed", json_sprintf("%X/%X", (unsigned)(state->flushed >> 32), (unsigned)state->flushed), "frozen",
			 (json_int_t)state->frozen, "epoch", (json_int_t)state->epoch, "change", (json_int_t)state->change);
}

static enum member_condition read_condition(const char *name)
{
	for (int i = 0; name && i < MEMBER_UNKNOWN; i++)
		if (strcmp(condition_names[i], name) == 0)
			return (enum member_condition)i;
	return MEMBER_UNKNOWN;
}

static void read_state(const json_t *json, struct member_state *state)
{
	const char *node = json_string_value(json_object_get(json, "node")), *flushed = json_string_value(json_object_get(json, "flushed"));

	*state = (struct member_state){
		.node = read_condition(node),
		.lineage = json_is_true(json_object_get(json, "same_history")) ? LINEAGE_SAME : LINEAGE_OWN,
		.clean = json_is_true(json_object_get(json, "clean")),
		.sick = json_is_true(json_object_get(json, "sick")),
		.receiving = json_is_true(json_object_get(json, "receiving")),
		.streaming = json_is_true(json_object_get(json, "streaming")),
		.flushed = flushed ? ask_lsn(flushed) : 0,
		.frozen = (uint64_t)json_integer_value(json_object_get(json, "frozen")),
		.epoch = (uint64_t)json_integer_value(json_object_get(json, "epoch")),
		.change = (uint64_t)json_integer_value(json_object_get(json, "change")),
	};
}

static void add_record(json_t *json, const struct record *record, uint64_t revision)
{
	char *text;

	if (!revision)
		return;
	text = record_to_json(record);
	json_object_set_new(json, "revision", json_integer((json_int_t)revision));
	json_object_set_new(json, "record", json_loads(text, 0, NULL));
	mem_free(text);
}

/* One that cannot be read was not sent. */
static uint64_t read_record(const json_t *json, struct record *record)
{
	const json_t *member = json_object_get(json, "record");
	char *text = member ? json_dumps(member, JSON_COMPACT) : NULL;
	struct err err;
	bool known = text && record_from_json(text, record, &err) == 0;

	free(text);
	return known ? (uint64_t)json_integer_value(json_object_get(json, "revision")) : 0;
}

static char *dump(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT), *copy = mem_strdup(text ? text : "");

	free(text);
	json_decref(json);
	return copy;
}

/* ---- asking ---- */

static char *question_text(const struct peers *peers, const struct peer_question *question)
{
	json_t *json = json_pack("{s:s}", "from", peers->self);

	add_record(json, &question->record, question->revision);
	if (question->freeze)
		json_object_set_new(json, "freeze", json_true());
	if (question->vouch)
		json_object_set_new(json, "vouch", json_integer((json_int_t)question->vouch));
	return dump(json);
}

/* Who refuses our certificate hangs up, and what libcurl finds then depends on who is faster. A newer libcurl may have more codes. */
static CURLcode kind_of(CURLcode code)
{
	return code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING || code >= CURL_LAST ? CURLE_RECV_ERROR : code;
}

/* What goes on is logged, once for each kind of failure, and so is its end. */
static void note(struct peer *peer, CURLcode code)
{
	char quoted[2 * CURL_ERROR_SIZE];
	bool *told = &peer->told[kind_of(code)];

	if (code == CURLE_OK) {
		if (peer->failures >= FAILURES_TOLD)
			log_info("agent", "peer=%s msg=\"it is heard\"", peer->address);
		peer->failures = 0;
		memset(peer->told, 0, sizeof(peer->told));
		return;
	}
	if (++peer->failures < FAILURES_TOLD || *told)
		return;
	*told = true;
	log_warn("agent", "peer=%s msg=\"it is not heard: %s\"", peer->address,
		 log_quote(*peer->failure ? peer->failure : curl_easy_strerror(code), quoted, sizeof(quoted)));
}

static void ask_peer(struct peer *peer, CURL *curl, const struct peer_question *question, struct buf *body)
{
	const struct peers *peers = peer->peers;
	uint64_t asked_at = guard_now();
	char *text = question_text(peers, question);
	struct peer_answer answer = { 0 };
	CURLcode code;
	json_t *json;

	buf_clear(body);
	*peer->failure = '\0';
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	code = curl_easy_perform(curl);
	note(peer, code);
	if (code == CURLE_OK) {
		json = json_loadb(body->data, body->size, 0, NULL);
		if (json_is_object(json_object_get(json, "state"))) {
			read_state(json_object_get(json, "state"), &answer.state);
			answer.revision = read_record(json, &answer.record);
			answer.vouched = json_is_true(json_object_get(json, "vouched"));
			peers->calls.answered(peers->calls.program, peer->member, asked_at, question, &answer);
		}
		json_decref(json);
	}
	mem_free(text);
}

static void *peer_main(void *argument)
{
	struct peer *peer = argument;
	struct peers *peers = peer->peers;
	struct peer_question question;
	struct buf body;
	CURL *curl;

	buf_init(&body, AGENT_BODY_SIZE_MAX);
	curl = link_new(peers->tls, peer->address, "/member", peers->timeout_ms, &body);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, peer->failure);
	pthread_mutex_lock(&peers->lock);
	while (!peers->stopping) {
		struct timespec until;
		unsigned wait_ms;

		pthread_mutex_unlock(&peers->lock);
		memset(&question, 0, sizeof(question));
		wait_ms = peers->calls.question(peers->calls.program, peer->member, &question);
		ask_peer(peer, curl, &question, &body);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += wait_ms % 1000 * 1000000L;
		until.tv_sec += wait_ms / 1000 + until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&peers->lock);
		if (!peers->stopping)
			pthread_cond_clockwait(&peers->wake, &peers->lock, CLOCK_MONOTONIC, &until);
	}
	pthread_mutex_unlock(&peers->lock);
	curl_easy_cleanup(curl);
	buf_release(&body);
	return NULL;
}

/* ---- answering ---- */

/* Takes `text`. */
static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	mem_free(text);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
	return respond(connection, status, dump(json_pack("{s:s}", "error", why)));
}

static enum MHD_Result answer_question(struct peers *peers, struct MHD_Connection *connection, const struct buf *body)
{
	json_t *json = json_loadb(body->data, body->size, 0, NULL), *reply;
	const char *from = json_string_value(json_object_get(json, "from"));
	struct peer_question question = { 0 };
	struct peer_answer answer = { 0 };

	question.revision = read_record(json, &question.record);
	question.freeze = json_is_true(json_object_get(json, "freeze"));
	question.vouch = (uint64_t)json_integer_value(json_object_get(json, "vouch"));
	if (!from || !peers->calls.asked(peers->calls.program, from, &question, &answer)) {
		json_decref(json);
		return refuse(connection, MHD_HTTP_BAD_REQUEST, "no member of this shard asks so");
	}
	json_decref(json);
	reply = json_pack("{s:s, s:o, s:b}", "member", peers->self, "state", state_json(&answer.state), "vouched", answer.vouched);
	add_record(reply, &answer.record, answer.revision);
	return respond(connection, MHD_HTTP_OK, dump(reply));
}

static enum MHD_Result answer_router(struct peers *peers, struct MHD_Connection *connection, const struct buf *body)
{
	struct permit_answer answer = { 0 };
	struct permit_question question;
	struct err err;

	if (permit_question_from_json(body->data, body->size, &question, &err) < 0)
		return refuse(connection, MHD_HTTP_BAD_REQUEST, err.message);
	peers->calls.permit(peers->calls.program, &question, &answer);
	return respond(connection, MHD_HTTP_OK, permit_answer_to_json(&answer));
}

static enum MHD_Result answer_handover(struct peers *peers, struct MHD_Connection *connection, const struct buf *body)
{
	static const char *const phases[] = {
		[HANDOVER_NONE] = "none", [HANDOVER_ANNOUNCED] = "announced", [HANDOVER_DRAINS] = "drains", [HANDOVER_SHUTS_DOWN] = "shuts down"
	};
	json_t *json = json_loadb(body->data, body->size, 0, NULL);
	const char *to = json_string_value(json_object_get(json, "to"));
	json_int_t drain_ms = json_integer_value(json_object_get(json, "drain_ms"));
	struct handover handover;
	struct err err;
	int rc;

	if (!json_is_object(json) || drain_ms < 0 || drain_ms > DRAIN_MS_MAX) {
		json_decref(json);
		return refuse(connection, MHD_HTTP_BAD_REQUEST, "drain_ms is at most an hour");
	}
	rc = peers->calls.hand_over(peers->calls.program, to ? to : "", (uint64_t)drain_ms * 1000, &handover, &err);
	json_decref(json);
	if (rc < 0)
		return refuse(connection, MHD_HTTP_CONFLICT, err.message);
	return respond(connection, MHD_HTTP_OK, dump(json_pack("{s:s, s:b, s:s, s:b, s:s}", "phase", phases[handover.phase], "ended", handover.ended_at != 0, "to",
							       peers->calls.name_of(peers->calls.program, handover.heir), "done", handover.done, "outcome", handover.outcome)));
}

static enum MHD_Result handle(void *argument, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *data,
			      size_t *size, void **place)
{
	static const struct { const char *path; enum MHD_Result (*answer)(struct peers *, struct MHD_Connection *, const struct buf *); } pages[] = {
		{ "/member", answer_question }, { PERMIT_PATH, answer_router }, { "/handover", answer_handover },
	};
	const struct peers *peers = argument;
	size_t page = 0;
	struct buf *body = *place;

	(void)version;
	if (peers->tls && !body && !mutual_tls_knows(connection))
		return MHD_NO;
	while (page < sizeof(pages) / sizeof(pages[0]) && strcmp(url, pages[page].path) != 0)
		page++;
	if (page == sizeof(pages) / sizeof(pages[0]) || strcmp(method, MHD_HTTP_METHOD_POST) != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "POST /member, " PERMIT_PATH " or /handover");
	if (!body) {
		*place = body = mem_alloc(sizeof(*body));
		buf_init(body, AGENT_BODY_SIZE_MAX);
		return MHD_YES;
	}
	if (*size) {
		buf_add(body, data, *size);
		*size = 0;
		return body->failed ? MHD_NO : MHD_YES;
	}
	return pages[page].answer(argument, connection, body);
}

static void handled(void *argument, struct MHD_Connection *connection, void **place, enum MHD_RequestTerminationCode code)
{
	struct buf *body = *place;

	(void)argument, (void)connection, (void)code;
	if (!body)
		return;
	buf_release(body);
	mem_free(body);
}

static int listen_at(const char *listen_address, int *ret_fd, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *found = NULL;
	char host[ADDRESS_HOST_SIZE];
	const char *port = address_split(listen_address, host, sizeof(host));
	int fd, yes = 1, rc;

	if (!port)
		return err_set(err, ERR_CONFIG, "\"%s\" is no HOST:PORT", listen_address);
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc != 0)
		return err_set(err, ERR_CONFIG, "cannot find %s: %s", host, gai_strerror(rc));
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 ||
	    listen(fd, SOMAXCONN) < 0) {
		rc = err_set(err, ERR_IO, "cannot listen at %s: %m", listen_address);
		if (fd >= 0)
			close(fd);
	}
	freeaddrinfo(found);
	*ret_fd = fd;
	return rc;
}

static int start_answering(struct peers *peers, const char *listen_address, struct err *err)
{
	struct MHD_OptionItem secure[MUTUAL_TLS_OPTIONS] = { { .option = MHD_OPTION_END } };
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL;
	int fd = -1, rc = listen_at(listen_address, &fd, err);

	if (rc < 0)
		return rc;
	if (peers->tls) {
		flags |= MHD_USE_TLS;
		mutual_tls_answer(peers->tls, secure);
	}
	peers->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, peers, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, handled, NULL,
					 MHD_OPTION_CONNECTION_TIMEOUT, 10U, MHD_OPTION_CONNECTION_LIMIT, (unsigned)AGENT_CONNECTIONS_MAX,
					 MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)AGENT_ADDRESS_CONNECTIONS_MAX, MHD_OPTION_ARRAY, secure, MHD_OPTION_END);
	if (peers->daemon)
		return 0;
	close(fd);
	return err_set(err, ERR_IO, "cannot answer at %s", listen_address);
}

/* ---- life ---- */

static int start_asking(struct peers *peers, const char *const *addresses, struct err *err)
{
	for (size_t i = 0; i < peers->count; i++) {
		struct peer *peer = &peers->peers[i];

		if (!addresses[i])
			continue;
		peer->peers = peers;
		peer->member = (int)i;
		peer->address = addresses[i];
		peer->started = pthread_create(&peer->thread, NULL, peer_main, peer) == 0;
		if (!peer->started)
			return err_set(err, ERR_NOMEM, "cannot start a thread");
	}
	return 0;
}

int peers_start(const char *self, const char *listen_address, const char *const *addresses, size_t count, const struct mutual_tls *tls, unsigned timeout_ms,
		const struct peers_calls *calls, struct peers **ret_peers, struct err *err)
{
	struct peers *peers = mem_calloc(1, sizeof(*peers));
	int rc;

	peers->calls = *calls;
	peers->self = self;
	peers->tls = tls;
	peers->timeout_ms = timeout_ms;
	peers->count = count;
	peers->peers = mem_calloc(count, sizeof(*peers->peers));
	pthread_mutex_init(&peers->lock, NULL);
	pthread_cond_init(&peers->wake, NULL);
	rc = start_answering(peers, listen_address, err);
	if (rc == 0)
		rc = start_asking(peers, addresses, err);
	if (rc < 0) {
		peers_stop(peers);
		return rc;
	}
	*ret_peers = peers;
	return 0;
}

void peers_stop(struct peers *peers)
{
	if (!peers)
		return;
	pthread_mutex_lock(&peers->lock);
	peers->stopping = true;
	pthread_cond_broadcast(&peers->wake);
	pthread_mutex_unlock(&peers->lock);
	for (size_t i = 0; i < peers->count; i++) {
		if (peers->peers[i].started)
			pthread_join(peers->peers[i].thread, NULL);
	}
	if (peers->daemon)
		MHD_stop_daemon(peers->daemon);
	pthread_mutex_destroy(&peers->lock);
	pthread_cond_destroy(&peers->wake);
	mem_free(peers->peers);
	mem_free(peers);
}
