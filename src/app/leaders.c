#include "app/leaders.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

#include "agent/link.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "ha/permit.h"
#include "net/env.h"
#include "net/mutual_tls.h"
#include "route/snapshot.h"
#include "topo/config.h"

enum { LED_MS = 300, OTHERS_MS = 2000, SEEK_MS = 20, HELD_MS = 10, TIMEOUT_MS = 1000, AGENT_SIZE = 512, FAILURES_TOLD = 5 };

struct shard_led {
	char name[NAME_SIZE_MAX];
	uint64_t epoch, change;         /* of the latest record; 0: none was seen */
	bool writable;
	char leader[NAME_SIZE_MAX];
	bool permitted;                 /* as was told last */
	bool seeks;                     /* all of its agents are asked */
};

struct asked {                          /* a node's agent */
	struct shard_led *shard;
	char node[NAME_SIZE_MAX], agent[AGENT_SIZE];   /* agent: HOST:PORT */
	struct node_status *status;     /* a reference */
	CURL *curl;                     /* NULL before it is asked first */
	struct buf body;
	uint64_t asked_us, due_us;
	bool under_way;
	unsigned failures;              /* since it was heard */
};

struct round { struct shard_led shards[SHARDS_MAX]; size_t shard_count; struct asked asked[NODES_MAX]; size_t count; };

struct leaders {
	struct leaders_calls calls;
	char *router;
	struct mutual_tls *tls;         /* NULL: links are plain */
	CURLM *multi;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	bool stopping;
	struct round *next;             /* to be taken by the thread; NULL: nothing new */
	struct round *round;            /* changed by the thread alone, and under the lock */
};

static uint64_t now_us(void)
{
	const struct env *env = env_system();

	return env->now_us(env->world);
}

/* ---- whom to ask ---- */

static void round_free(struct round *round)
{
	for (size_t i = 0; round && i < round->count; i++) {
		curl_easy_cleanup(round->asked[i].curl);
		buf_release(&round->asked[i].body);
		node_status_unref(round->asked[i].status);
	}
	mem_free(round);
}

static struct shard_led *shard_of(struct round *round, const char *name)
{
	struct shard_led *shard;

	for (size_t i = 0; i < round->shard_count; i++)
		if (strcmp(round->shards[i].name, name) == 0)
			return &round->shards[i];
	shard = &round->shards[round->shard_count++];
	snprintf(shard->name, sizeof(shard->name), "%s", name);
	return shard;
}

static const char *agent_of(const struct config *config, const char *node)
{
	for (unsigned i = 0; i < config->nodes_count; i++)
		if (strcmp(config->nodes[i].name, node) == 0)
			return config->nodes[i].agent;
	return NULL;
}

static struct round *round_new(const struct config *config, const struct snapshot *snapshot)
{
	const struct topology *topology = snapshot->topology;
	struct round *round = mem_calloc(1, sizeof(*round));

	for (size_t i = 0; i < topology->node_count; i++) {
		const char *agent = agent_of(config, topology->nodes[i].name);
		struct node_status *status = snapshot->statuses[i];
		struct asked *asked;

		node_status_guard(status, agent != NULL);
		if (!agent)
			continue;
		asked = &round->asked[round->count++];
		asked->shard = shard_of(round, topology->shards[topology->nodes[i].shard].name);
		asked->status = node_status_ref(status);
		snprintf(asked->node, sizeof(asked->node), "%s", topology->nodes[i].name);
		snprintf(asked->agent, sizeof(asked->agent), "%s", agent);
		buf_init(&asked->body, AGENT_BODY_SIZE_MAX);
	}
	return round;
}

static bool same(const struct round *a, const struct round *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->asked[i].status != b->asked[i].status || strcmp(a->asked[i].agent, b->asked[i].agent) != 0 ||
		    strcmp(a->asked[i].shard->name, b->asked[i].shard->name) != 0)
			return false;
	return true;
}

void leaders_follow(struct leaders *leaders, const struct config *config, const struct snapshot *snapshot)
{
	struct round *round = round_new(config, snapshot), *unused = round;

	pthread_mutex_lock(&leaders->lock);
	if (!same(leaders->next ? leaders->next : leaders->round, round)) {
		unused = leaders->next;
		leaders->next = round;
	}
	pthread_mutex_unlock(&leaders->lock);
	round_free(unused);
	curl_multi_wakeup(leaders->multi);
}

/* What is known of a shard stays known. */
static void take_next(struct leaders *leaders)
{
	struct round *old = leaders->round, *next;

	pthread_mutex_lock(&leaders->lock);
	next = leaders->next;
	if (next) {
		for (size_t i = 0; i < old->shard_count; i++)
			for (size_t j = 0; j < next->shard_count; j++)
				if (strcmp(old->shards[i].name, next->shards[j].name) == 0)
					next->shards[j] = old->shards[i];
		leaders->round = next;
		leaders->next = NULL;
	}
	pthread_mutex_unlock(&leaders->lock);
	if (!next)
		return;
	for (size_t i = 0; i < old->count; i++)
		if (old->asked[i].under_way)
			curl_multi_remove_handle(leaders->multi, old->asked[i].curl);
	round_free(old);
}

/* ---- asking ---- */

static void say_lent(struct leaders *leaders, struct asked *asked)
{
	uint64_t hold_us = node_status_hold(asked->status);
	struct permit_question question = { .lent = now_us() >= hold_us ? leaders->calls.lent(leaders->calls.program, asked->node, hold_us) : -1 };
	char *text;

	snprintf(question.router, sizeof(question.router), "%s", leaders->router);
	text = permit_question_to_json(&question);
	curl_easy_setopt(asked->curl, CURLOPT_COPYPOSTFIELDS, text);
	mem_free(text);
}

static void ask(struct leaders *leaders, struct asked *asked)
{
	if (!asked->curl) {
		asked->curl = link_new(leaders->tls, asked->agent, PERMIT_PATH, TIMEOUT_MS, &asked->body);
		curl_easy_setopt(asked->curl, CURLOPT_PRIVATE, asked);
	}
	say_lent(leaders, asked);
	buf_clear(&asked->body);
	asked->asked_us = now_us();
	asked->under_way = curl_multi_add_handle(leaders->multi, asked->curl) == CURLM_OK;
}

static bool leads(const struct asked *asked)
{
	return strcmp(asked->shard->leader, asked->node) == 0;
}

/* Under the lock. True: that is news. */
static bool learn(struct leaders *leaders, struct shard_led *shard, const struct record *record)
{
	const struct leadership *leadership = &record->leadership;
	const char *leader = leadership->leader == LEADER_NOBODY ? "" : record->members[leadership->leader];

	if (leadership->epoch < shard->epoch || (leadership->epoch == shard->epoch && leadership->change <= shard->change))
		return false;
	for (size_t i = 0; i < leaders->round->count; i++)
		if (leaders->round->asked[i].shard == shard && strcmp(leaders->round->asked[i].node, leader) != 0)
			node_status_permit_until(leaders->round->asked[i].status, 0);
	shard->epoch = leadership->epoch;
	shard->change = leadership->change;
	shard->writable = leadership->writable;
	snprintf(shard->leader, sizeof(shard->leader), "%s", leader);
	return true;
}

/* True: it was held, and is not any more. */
static bool hold(struct asked *asked, const struct permit_answer *answer)
{
	bool held = node_status_hold(asked->status) != UINT64_MAX, holds = answer->hold_us != UINT64_MAX;

	if (holds && !held)
		node_status_hold_from(asked->status, asked->asked_us + answer->hold_us);
	else if (!holds && held)
		node_status_hold_from(asked->status, UINT64_MAX);
	return held && !holds;
}

static void answered(struct leaders *leaders, struct asked *asked)
{
	struct permit_answer *answer = mem_alloc(sizeof(*answer));
	struct err err;
	bool news = false, released = false;

	if (permit_answer_from_json(asked->body.data, asked->body.size, answer, &err) == 0 && answer->revision && strcmp(answer->member, asked->node) == 0) {
		pthread_mutex_lock(&leaders->lock);
		news = learn(leaders, asked->shard, &answer->record);
		if (answer->permit_us && leads(asked) && answer->record.leadership.epoch == asked->shard->epoch)
			node_status_permit_until(asked->status, asked->asked_us + answer->permit_us);
		released = hold(asked, answer);
		pthread_mutex_unlock(&leaders->lock);
	}
	mem_free(answer);
	if (news)
		leaders->calls.changed(leaders->calls.program);
	if (released)
		leaders->calls.permitted(leaders->calls.program);
}

/* Until it is asked again. What it is held for begins and ends in time only if it is asked often. */
static unsigned pause_ms(const struct asked *asked)
{
	if (node_status_hold(asked->status) != UINT64_MAX)
		return now_us() >= node_status_hold(asked->status) ? HELD_MS : SEEK_MS;
	return asked->shard->seeks ? SEEK_MS : leads(asked) ? LED_MS : OTHERS_MS;
}

static void note(struct asked *asked, CURLcode result)
{
	if (result == CURLE_OK && asked->failures >= FAILURES_TOLD)
		log_info("leaders", "agent=%s msg=\"it is heard\"", asked->agent);
	asked->failures = result == CURLE_OK ? 0 : asked->failures + 1;
	if (asked->failures == FAILURES_TOLD)
		log_warn("leaders", "agent=%s msg=\"it is not heard: %s\"", asked->agent, curl_easy_strerror(result));
}

static void finish(struct leaders *leaders, CURL *curl, CURLcode result)
{
	struct asked *asked;

	curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&asked);
	curl_multi_remove_handle(leaders->multi, curl);
	asked->under_way = false;
	note(asked, result);
	if (result == CURLE_OK)
		answered(leaders, asked);
	asked->due_us = asked->asked_us + pause_ms(asked) * UINT64_C(1000);
}

/* ---- permits ---- */

static void say(const struct shard_led *shard)
{
	if (shard->permitted)
		log_info("leaders", "shard=%s node=%s epoch=%llu msg=\"it leads, and takes writes\"", shard->name, shard->leader, (unsigned long long)shard->epoch);
	else
		log_warn("leaders", "shard=%s epoch=%llu msg=\"no agent says that its node leads: statements for the primary wait\"", shard->name,
			 (unsigned long long)shard->epoch);
}

/* A permit that is not renewed in time is sought before it ends. Returns when to look again. */
static uint64_t look_at(struct leaders *leaders, struct shard_led *shard, uint64_t now)
{
	bool seeks = true, permitted = false;
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < leaders->round->count; i++) {
		struct asked *asked = &leaders->round->asked[i];
		uint64_t until = node_status_permit(asked->status);

		if (asked->shard != shard || !leads(asked) || until <= now)
			continue;
		permitted = true;
		next = until;
		seeks = now > asked->asked_us + 2 * LED_MS * UINT64_C(1000) || !shard->writable || node_status_hold(asked->status) <= now;
	}
	for (size_t i = 0; seeks && !shard->seeks && i < leaders->round->count; i++)
		if (leaders->round->asked[i].shard == shard)
			leaders->round->asked[i].due_us = now;
	shard->seeks = seeks;
	if (permitted != shard->permitted) {
		shard->permitted = permitted;
		say(shard);
		leaders->calls.permitted(leaders->calls.program);
	}
	return next;
}

static unsigned turn(struct leaders *leaders)
{
	struct round *round = leaders->round;
	uint64_t now = now_us(), next = now + OTHERS_MS * UINT64_C(1000);
	int running, left;
	CURLMsg *message;

	for (size_t i = 0; i < round->count; i++)
		if (!round->asked[i].under_way && round->asked[i].due_us <= now)
			ask(leaders, &round->asked[i]);
	curl_multi_perform(leaders->multi, &running);
	while ((message = curl_multi_info_read(leaders->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			finish(leaders, message->easy_handle, message->data.result);
	now = now_us();
	for (size_t i = 0; i < round->shard_count; i++) {
		uint64_t ends = look_at(leaders, &round->shards[i], now);

		next = ends < next ? ends : next;
	}
	for (size_t i = 0; i < round->count; i++)
		if (!round->asked[i].under_way && round->asked[i].due_us < next)
			next = round->asked[i].due_us;
	return next > now ? (unsigned)((next - now) / 1000 + 1) : 0;
}

static void *thread(void *argument)
{
	struct leaders *leaders = argument;

	pthread_setname_np(pthread_self(), "nanu-leaders");
	while (!__atomic_load_n(&leaders->stopping, __ATOMIC_RELAXED)) {
		take_next(leaders);
		curl_multi_poll(leaders->multi, NULL, 0, (int)turn(leaders), NULL);
	}
	return NULL;
}

bool leaders_read(struct leaders *leaders, const char *name, struct leader_seen *ret)
{
	bool known = false;

	pthread_mutex_lock(&leaders->lock);
	for (size_t i = 0; i < leaders->round->shard_count; i++) {
		const struct shard_led *shard = &leaders->round->shards[i];

		if (strcmp(shard->name, name) != 0 || !shard->epoch)
			continue;
		*ret = (struct leader_seen){ .epoch = shard->epoch, .writable = shard->writable };
		snprintf(ret->node, sizeof(ret->node), "%s", shard->leader);
		known = true;
	}
	pthread_mutex_unlock(&leaders->lock);
	return known;
}

/* ---- life ---- */

int leaders_new(const struct config *config, struct leaders **ret_leaders, struct err *err)
{
	struct leaders *leaders = mem_calloc(1, sizeof(*leaders));
	int rc = config_check_agents(config, err);

	if (rc == 0)
		rc = link_tls(config, &leaders->tls, err);
	if (rc < 0) {
		mem_free(leaders);
		return rc;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	pthread_mutex_init(&leaders->lock, NULL);
	leaders->round = mem_calloc(1, sizeof(*leaders->round));
	leaders->multi = curl_multi_init();
	*ret_leaders = leaders;
	return 0;
}

int leaders_start(struct leaders *leaders, const char *router, const struct leaders_calls *calls, struct err *err)
{
	leaders->calls = *calls;
	leaders->router = mem_strdup(router);
	leaders->started = pthread_create(&leaders->thread, NULL, thread, leaders) == 0;
	return leaders->started ? 0 : err_set(err, ERR_NOMEM, "cannot start the control plane's threads");
}

void leaders_stop(struct leaders *leaders)
{
	__atomic_store_n(&leaders->stopping, true, __ATOMIC_RELAXED);
	curl_multi_wakeup(leaders->multi);
	if (leaders->started)
		pthread_join(leaders->thread, NULL);
	leaders->started = false;
}

void leaders_free(struct leaders *leaders)
{
	if (!leaders)
		return;
	for (size_t i = 0; i < leaders->round->count; i++)
		if (leaders->round->asked[i].under_way)
			curl_multi_remove_handle(leaders->multi, leaders->round->asked[i].curl);
	round_free(leaders->round);
	round_free(leaders->next);
	curl_multi_cleanup(leaders->multi);
	mutual_tls_free(leaders->tls);
	mem_free(leaders->router);
	pthread_mutex_destroy(&leaders->lock);
	mem_free(leaders);
}
