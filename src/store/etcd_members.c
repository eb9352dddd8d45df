#include "store/etcd_members.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/mem.h"
#include "store/etcd_http.h"
#include "store/store_kind.h"

enum { PAUSE_MS = 100, TOKEN_SIZE = 512, URL_SIZE = 512 };

struct etcd_members {
	struct etcd_http *http;
	char *urls[ETCD_MEMBERS_MAX];   /* "http://10.0.0.1:2379" */
	unsigned count;
	unsigned first;                 /* atomic: whom to ask first */
	unsigned timeout_ms, attempt_ms;        /* of one call; of one member's answer */
	char *user, *password;          /* or NULL */
	pthread_mutex_t lock;
	char token[TOKEN_SIZE];         /* ""; there is none. Under the lock */
};

/* ---- who they are ---- */

static bool is_url(const char *text)
{
	const char *host = strncmp(text, "http://", 7) == 0 ? text + 7 : strncmp(text, "https://", 8) == 0 ? text + 8 : NULL;

	return host && *host && !strpbrk(host, "/@?# ") && strlen(text) < URL_SIZE / 2;
}

static int read_hosts(struct etcd_members *members, const char *hosts, struct err *err)
{
	char *all = mem_strdup(hosts), *rest = all;
	int rc = 0;

	for (char *text = strsep(&rest, ","); text && rc == 0; text = strsep(&rest, ",")) {
		size_t size;

		text += strspn(text, " ");
		size = strcspn(text, " ");
		text[size] = '\0';
		if (size && text[size - 1] == '/')
			text[size - 1] = '\0';
		if (!is_url(text)) {
			rc = err_set(err, ERR_CONFIG, "etcd_hosts: \"%s\" is no address of a member", text);
			err_hint(err, "Write \"http://HOST:PORT\" or \"https://HOST:PORT\"; etcd_user and etcd_password say who logs in.");
		} else if (members->count == ETCD_MEMBERS_MAX) {
			rc = err_set(err, ERR_CONFIG, "etcd_hosts has more than %d members", ETCD_MEMBERS_MAX);
		} else {
			members->urls[members->count++] = mem_strdup(text);
		}
	}
	mem_free(all);
	return rc;
}

int etcd_members_new(const struct etcd_options *options, struct etcd_members **ret_members, struct err *err)
{
	struct etcd_members *members = mem_calloc(1, sizeof(*members));
	int rc;

	pthread_mutex_init(&members->lock, NULL);
	members->user = options->user ? mem_strdup(options->user) : NULL;
	members->password = mem_strdup(options->password ? options->password : "");
	members->timeout_ms = options->timeout_ms;
	rc = read_hosts(members, options->hosts, err);
	if (rc == 0)
		rc = etcd_http_new(options->ca_file, options->cert_file, options->key_file, &members->http, err);
	if (rc < 0) {
		etcd_members_free(members);
		return rc;
	}
	/* In the time of one call every member can be asked, and the first of them again. */
	members->attempt_ms = members->timeout_ms / (members->count + 1);
	*ret_members = members;
	return 0;
}

void etcd_members_free(struct etcd_members *members)
{
	if (!members)
		return;
	etcd_http_free(members->http);
	for (unsigned i = 0; i < members->count; i++)
		mem_free(members->urls[i]);
	mem_free(members->user);
	explicit_bzero(members->password, strlen(members->password));
	mem_free(members->password);
	explicit_bzero(members->token, sizeof(members->token));
	pthread_mutex_destroy(&members->lock);
	mem_free(members);
}

void etcd_members_interrupt(struct etcd_members *members)
{
	etcd_http_interrupt(members->http);
}

bool etcd_members_interrupted(const struct etcd_members *members)
{
	return etcd_http_interrupted(members->http);
}

void etcd_members_pause(void)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

	nanosleep(&pause, NULL);
}

/* ---- what a refusal means ---- */

enum verdict {
	NEXT,                           /* this member cannot, another may; it may have taken effect */
	LOG_IN,                         /* the token is not (any more) good */
	FINAL,                          /* err has it */
};

/* The numbers are those of gRPC (google.golang.org/grpc/codes), the texts etcd's (api/v3rpc/rpctypes/error.go). */
enum { INVALID_ARGUMENT = 3, NOT_FOUND = 5, PERMISSION_DENIED = 7, RESOURCE_EXHAUSTED = 8, FAILED_PRECONDITION = 9, OUT_OF_RANGE = 11,
	UNIMPLEMENTED = 12, UNAUTHENTICATED = 16 };

static enum verdict too_large(struct err *err)
{
	err_set(err, ERR_LIMIT, "the value is larger than etcd takes");
	err_hint(err, "etcd takes 1.5 MB in one request; its option --max-request-bytes raises that.");
	return FINAL;
}

static enum verdict judge(int code, const char *text, struct err *err)
{
	switch (code) {
	case INVALID_ARGUMENT:
		if (strstr(text, "user name is empty") || strstr(text, "auth revision") || strstr(text, "revision in header is old") ||
		    strstr(text, "revision of auth store is old"))
			return LOG_IN;
		if (strstr(text, "too large"))
			return too_large(err);
		if (strstr(text, "authentication failed"))
			err_set(err, ERR_AUTH, "etcd refuses etcd_user and etcd_password");
		else
			err_set(err, ERR_IO, "etcd refuses a request: %s", text);
		return FINAL;
	case UNAUTHENTICATED:
		return LOG_IN;
	case PERMISSION_DENIED:
		err_set(err, ERR_PERMISSION, "etcd permits etcd_user too little: %s", text);
		err_hint(err, "Grant it a role that may read and write everything under etcd_prefix.");
		return FINAL;
	case RESOURCE_EXHAUSTED:
		if (strstr(text, "larger than max"))
			return too_large(err);
		err_set(err, ERR_LIMIT, "etcd has no room: %s", text);
		err_hint(err, "Compact and defragment it, and disarm its alarm: etcdctl compact, defrag, alarm disarm.");
		return FINAL;
	case NOT_FOUND:
		err_set(err, ERR_NOT_FOUND, "the lease has ended");
		return FINAL;
	case FAILED_PRECONDITION:
		if (strstr(text, "authentication is not enabled")) {
			err_set(err, ERR_CONFIG, "etcd_user is given, but nobody can log in to etcd: its authentication is switched off");
			err_hint(err, "Leave etcd_user out, or have etcdctl auth enable.");
			return FINAL;
		}
		/* fall through */
	case OUT_OF_RANGE:
	case UNIMPLEMENTED:
		err_set(err, ERR_IO, "etcd refuses a request: %s", text);
		return FINAL;
	default:
		return NEXT;
	}
}

/* {"error": "…", "code": 3}, or, of what could have been a stream, {"error": {"message": "…", "grpc_code": 3}}. */
static const char *read_refusal(const json_t *answer, int *ret_code)
{
	const json_t *error = json_object_get(answer, "error");
	bool nested = json_is_object(error);
	const char *text = json_string_value(nested ? json_object_get(error, "message") : error);

	*ret_code = (int)json_integer_value(nested ? json_object_get(error, "grpc_code") : json_object_get(answer, "code"));
	return text ? text : "";
}

/* ---- one member ---- */

static void note(struct err *why, const struct etcd_members *members, unsigned member, const char *reason)
{
	err_set(why, ERR_IO, "%s: %s", members->urls[member], reason);
}

/* One request to one member: FINAL with *ret_answer or err set; NEXT with why it cannot, in `why`. */
static enum verdict post(struct etcd_members *members, unsigned member, const char *path, const char *body, const char *token, uint64_t until_ms,
			 json_t **ret_answer, bool *lost, struct err *why, struct err *err)
{
	char url[URL_SIZE];
	struct etcd_http_request request = { .url = url, .body = body, .token = token && *token ? token : NULL, .until_ms = until_ms };
	enum verdict verdict = NEXT;
	enum etcd_http_end end;
	json_t *answer;

	snprintf(url, sizeof(url), "%s/v3/%s", members->urls[member], path);
	end = etcd_http_post(members->http, &request);
	answer = end == ETCD_HTTP_ANSWERED ? json_loadb(request.answer.data ? request.answer.data : "", request.answer.size,
							JSON_DISABLE_EOF_CHECK, NULL) : NULL;
	if (request.answer.failed) {
		err_set(err, ERR_LIMIT, "etcd's answer has more than %d MB", STORE_ANSWER_SIZE_MAX >> 20);
		verdict = FINAL;
	} else if (end != ETCD_HTTP_ANSWERED) {
		*lost |= end != ETCD_HTTP_NOT_SENT;
		note(why, members, member, request.failure);
	} else if (!json_is_object(answer)) {
		note(why, members, member, request.status == 404 ? "no etcd of version 3.4 or later" : "an answer that is not etcd's");
	} else if (!json_object_get(answer, "error")) {
		*ret_answer = json_incref(answer);
		verdict = FINAL;
	} else {
		int code;
		const char *text = read_refusal(answer, &code);

		verdict = judge(code, text, err);
		note(why, members, member, text);
		*lost |= verdict == NEXT;
	}
	json_decref(answer);
	buf_release(&request.answer);
	return verdict;
}

static void take_token(struct etcd_members *members, char token[TOKEN_SIZE])
{
	pthread_mutex_lock(&members->lock);
	memcpy(token, members->token, TOKEN_SIZE);
	pthread_mutex_unlock(&members->lock);
}

static enum verdict log_in(struct etcd_members *members, unsigned member, uint64_t until_ms, char token[TOKEN_SIZE], struct err *why, struct err *err)
{
	json_t *request = json_pack("{s:s, s:s}", "name", members->user, "password", members->password), *answer = NULL;
	char *body = json_dumps(request, JSON_COMPACT);
	bool lost = false;
	enum verdict verdict = post(members, member, "auth/authenticate", body ? body : "", NULL, until_ms, &answer, &lost, why, err);

	json_decref(request);
	if (body)
		explicit_bzero(body, strlen(body));
	free(body);
	if (answer) {
		const char *given = json_string_value(json_object_get(answer, "token"));

		snprintf(token, TOKEN_SIZE, "%s", given ? given : "");
		pthread_mutex_lock(&members->lock);
		memcpy(members->token, token, TOKEN_SIZE);
		pthread_mutex_unlock(&members->lock);
		json_decref(answer);
	}
	return verdict;
}

static enum verdict must_log_in(struct err *err)
{
	err_set(err, ERR_AUTH, "etcd wants a user to log in");
	err_hint(err, "Set etcd_user and etcd_password.");
	return FINAL;
}

/* The same after logging in, and once more when the token has expired or the member has forgotten it. */
static enum verdict ask_one(struct etcd_members *members, unsigned member, const char *path, const char *body, json_t **ret_answer, bool *lost,
			    struct err *why, struct err *err)
{
	uint64_t until_ms = store_now_ms() + members->attempt_ms;
	char token[TOKEN_SIZE];
	enum verdict verdict = FINAL;
	bool fresh = false;

	take_token(members, token);
	for (int turn = 0; turn < 2; turn++) {
		if (members->user && (!*token || turn)) {
			verdict = log_in(members, member, until_ms, token, why, err);
			if (verdict != FINAL || err->code)
				return verdict;
			fresh = true;
		}
		verdict = post(members, member, path, body, token, until_ms, ret_answer, lost, why, err);
		if (verdict != LOG_IN || !members->user || fresh)
			break;
	}
	return verdict == LOG_IN ? must_log_in(err) : verdict;
}

/* ---- all of them ---- */

static void begin_with(struct etcd_members *members, unsigned member)
{
	__atomic_store_n(&members->first, member % members->count, __ATOMIC_RELAXED);
}

int etcd_members_ask(struct etcd_members *members, const char *path, const json_t *request, json_t **ret_answer, bool *lost, struct err *err)
{
	char *body = json_dumps(request, JSON_COMPACT);
	unsigned member = __atomic_load_n(&members->first, __ATOMIC_RELAXED), tries = 0;
	uint64_t until_ms = store_now_ms() + members->timeout_ms;
	struct err why = { 0 }, refusal = { 0 };
	enum verdict verdict;

	*ret_answer = NULL;
	do {
		if (tries && tries % members->count == 0)
			etcd_members_pause();
		verdict = ask_one(members, member, path, body ? body : "", ret_answer, lost, &why, &refusal);
		if (verdict == FINAL)
			begin_with(members, member);
		member = (member + 1) % members->count;
		tries++;
	} while (verdict != FINAL && store_now_ms() < until_ms);
	free(body);
	if (verdict == FINAL) {
		if (refusal.code && err)
			*err = refusal;
		return refusal.code;
	}
	err_set(err, ERR_IO, "etcd does not answer: %s", why.message);
	err_hint(err, "Statements go on; changes of the topology wait for etcd. The members are named by etcd_hosts.");
	return ERR_IO;
}

/* ---- streams ---- */

struct hearing {
	bool (*hear)(void *argument, const json_t *result);
	void *argument;
	bool enough, failed;
};

static bool hear_line(void *argument, struct slice line)
{
	struct hearing *hearing = argument;
	json_t *object = json_loadb(line.data, line.size, 0, NULL), *result = json_object_get(object, "result");

	if (result)
		hearing->enough = !hearing->hear(hearing->argument, result);
	else
		hearing->failed = true;
	json_decref(object);
	return !hearing->enough && !hearing->failed;
}

int etcd_members_stream(struct etcd_members *members, const char *path, const json_t *request, uint64_t until_ms,
			bool (*hear)(void *argument, const json_t *result), void *argument)
{
	unsigned member = __atomic_load_n(&members->first, __ATOMIC_RELAXED);
	char url[URL_SIZE], token[TOKEN_SIZE], *body = json_dumps(request, JSON_COMPACT);
	struct hearing hearing = { .hear = hear, .argument = argument };
	struct etcd_http_request post = {
		.url = url, .body = body ? body : "", .token = token, .until_ms = store_now_ms() + members->attempt_ms,
		.line = hear_line, .argument = &hearing, .stream_until_ms = until_ms,
	};
	enum etcd_http_end end;

	if (post.until_ms > until_ms)
		post.until_ms = until_ms;
	take_token(members, token);
	if (!*token)
		post.token = NULL;
	snprintf(url, sizeof(url), "%s/v3/%s", members->urls[member], path);
	end = etcd_http_post(members->http, &post);
	buf_release(&post.answer);
	free(body);
	if (hearing.enough || (end == ETCD_HTTP_STOPPED && !hearing.failed))
		return 0;
	begin_with(members, member + 1);
	return 1;
}
