#include "agent/actor.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "catalog/ask.h"
#include "topo/replication.h"

enum { PATH_SIZE = 4096, STEP_MS = 50, ANSWER_MS = 5000, PROMOTE_MS = 10000, QUIT_MS = 150, RETRY_US = 1000000, CLONE_RETRY_US = 10000000, SLOTS_US = 1000000, UPSTREAM_SIZE = 2048 };

struct wanted {
	struct decision decision;
	struct record record;
	bool all;                       /* the shard's mode is sync */
	struct probed probed;
};

struct actor {
	const struct member_options *options;
	void (*acted)(void *program);
	void *program;
	char mark[PATH_SIZE];
	struct process process;         /* that this agent has started */
	uint64_t retry_at;              /* nothing that failed is tried again before */
	bool cloned;                    /* the last try to was a clone: it is not begun again at once */
	uint64_t slots_at;              /* when the members' slots were seen to last */
	char said[512];                 /* the last error, which is said once */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct wanted wanted;
	bool at_work;                   /* on a step, or what it has started does not show yet */
	bool stopping;
	pthread_t thread;
};

bool actor_may_start(struct actor *actor)
{
	enum wish wish;
	bool at_work;

	pthread_mutex_lock(&actor->lock);
	wish = actor->wanted.decision.node;
	at_work = actor->at_work;
	pthread_mutex_unlock(&actor->lock);
	return at_work || (wish != WISH_LEAVE && wish != WISH_STOPPED && wish != WISH_SHUT_DOWN) || postgres_running(&actor->options->postgres);
}

/* ---- names ---- */

/* libpq's, for a standby of this name. */
static void upstream_of(const struct actor *actor, int upstream, char ret[UPSTREAM_SIZE])
{
	const struct member_options *options = actor->options;

	if (upstream == LEADER_NOBODY)
		ret[0] = '\0';
	else
		snprintf(ret, UPSTREAM_SIZE, "%s application_name='%s'", options->conninfos[upstream], options->names[options->self]);
}

/* From one that does not lead, and so keeps no slots: it is no follower of that one. */
static void fetch_from(const struct actor *actor, int upstream, char ret[UPSTREAM_SIZE], char ret_slot[REPLICATION_SLOT_SIZE])
{
	snprintf(ret, UPSTREAM_SIZE, "%s application_name='%s fetches'", actor->options->conninfos[upstream], actor->options->names[actor->options->self]);
	ret_slot[0] = '\0';
}

int actor_follows(const struct actor *actor, const struct probed *probed)
{
	char text[UPSTREAM_SIZE];

	for (size_t i = 0; i < actor->options->count; i++) {
		upstream_of(actor, (int)i, text);
		if (strcmp(text, probed->upstream) == 0)
			return (int)i;
	}
	return LEADER_NOBODY;
}

bool actor_unfinished(const struct actor *actor)
{
	return access(actor->mark, F_OK) == 0;
}

/* As routers say it, too (topo/replication.h): `all` is mode sync. */
static const char *names_of(const struct record *record, const struct quorum *quorum, bool all, struct arena *arena)
{
	const char *names[MEMBERS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < record->member_count; i++)
		if (quorum->members >> i & 1)
			names[count++] = record->members[i];
	return replication_list(names, count, quorum->count, all, arena);
}

struct quorum actor_waits_for(const struct actor *actor, const struct record *record, const struct probed *probed)
{
	const struct leadership *leadership = &record->leadership;
	struct quorum found = { .leader = LEADER_NOBODY };
	struct arena arena;

	arena_init(&arena, 1024);
	if (!*probed->waits_for)
		found = (struct quorum){ .leader = (int)actor->options->self };
	for (size_t i = 0; i < leadership->quorum_count; i++)
		for (int all = 0; all < 2; all++)
			if (strcmp(names_of(record, &leadership->quorums[i], all, &arena), probed->waits_for) == 0)
				found = leadership->quorums[i];
	arena_release(&arena);
	found.leader = found.leader == LEADER_NOBODY ? LEADER_NOBODY : (int)actor->options->self;
	return found;
}

/* ---- steps ---- */

static int open_node(const char *conninfo, PGconn **ret_conn, struct err *err)
{
	*ret_conn = PQconnectdb(conninfo);
	if (PQstatus(*ret_conn) == CONNECTION_OK)
		return 0;
	err_set(err, ERR_CONNECT, "%s", PQerrorMessage(*ret_conn));
	PQfinish(*ret_conn);
	*ret_conn = NULL;
	return ERR_CONNECT;
}

static const char *own_slot(const struct actor *actor, char slot[REPLICATION_SLOT_SIZE])
{
	replication_slot(actor->options->names[actor->options->self], slot);
	return slot;
}

static int start(struct actor *actor, struct err *err)
{
	if (actor->process.pid)
		return 0;               /* it has only just been, and has not said that it runs yet */
	if (actor_unfinished(actor))
		return err_set(err, ERR_WRONG_STATE, "a rewind of the node was not brought to an end: it is not started");
	log_info("agent", "shard=%s msg=\"the node is started\"", actor->options->shard);
	return postgres_start(&actor->options->postgres, &actor->process, err);
}

static int start_standby(struct actor *actor, int upstream, struct err *err)
{
	char text[UPSTREAM_SIZE], slot[REPLICATION_SLOT_SIZE];
	int rc;

	upstream_of(actor, upstream, text);
	rc = postgres_follow(&actor->options->postgres, NULL, text, own_slot(actor, slot), err);
	return rc < 0 ? rc : start(actor, err);
}

/* Whether it has been told to wait for those whom its commits are to wait for. */
static bool is_told(const struct wanted *wanted)
{
	struct arena arena;
	bool told;

	arena_init(&arena, 1024);
	told = wanted->decision.wait_for.leader == LEADER_NOBODY ||
	       strcmp(names_of(&wanted->record, &wanted->decision.wait_for, wanted->all, &arena), wanted->probed.waits_for) == 0;
	arena_release(&arena);
	return told;
}

static int tell(const struct actor *actor, const struct wanted *wanted, PGconn *conn, struct err *err)
{
	struct arena arena;
	int rc;

	if (is_told(wanted))
		return 0;
	arena_init(&arena, 1024);
	rc = postgres_wait_for(&actor->options->postgres, conn, names_of(&wanted->record, &wanted->decision.wait_for, wanted->all, &arena), err);
	arena_release(&arena);
	actor->acted(actor->program);
	return rc;
}

/* The other members' slots, as an array. */
static void list_slots(const struct actor *actor, const struct record *record, struct buf *out)
{
	buf_init(out, BUF_SIZE_MAX);
	for (size_t i = 0; i < record->member_count; i++) {
		char slot[REPLICATION_SLOT_SIZE];

		if (strcmp(record->members[i], actor->options->names[actor->options->self]) == 0)
			continue;
		replication_slot(record->members[i], slot);
		buf_printf(out, "%c%s", out->size ? ',' : '{', slot);
	}
	buf_printf(out, "%s}", out->size ? "" : "{");
}

/* Those who follow the leader keep their place there, however long they are away; and a standby keeps no WAL for those that followed it once. */
static int see_to_slots(struct actor *actor, const struct wanted *wanted, PGconn *conn, struct err *err)
{
	static const char make[] = "SELECT pg_catalog.pg_create_physical_replication_slot(wanted, true) FROM pg_catalog.unnest($1::text[]) wanted"
				   " WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = wanted)";
	static const char drop[] = "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots"
				   " WHERE slot_name = ANY ($1::text[]) AND slot_type = 'physical' AND NOT active";
	PGresult *result;
	struct buf slots;
	int rc;

	list_slots(actor, &wanted->record, &slots);
	rc = ask(conn, wanted->decision.node == WISH_PRIMARY ? make : drop, slots.data, PGRES_TUPLES_OK, ANSWER_MS, &result, err);
	PQclear(result);
	buf_release(&slots);
	actor->slots_at = guard_now();
	return rc;
}

/* It leads, and its node is to be a primary as soon as it waits for whom its commits are to wait for. */
static int prepare(const struct actor *actor, const struct wanted *wanted, struct err *err)
{
	const struct postgres *postgres = &actor->options->postgres;
	const struct probed *probed = &wanted->probed;
	PGconn *conn = NULL;
	int rc = 0;

	if (wanted->record.leadership.leader != (int)actor->options->self || !probed->known || probed->node == MEMBER_PRIMARY ||
	    postgres_running(postgres) != probed->running || is_told(wanted))
		return 0;
	if (probed->running)
		rc = open_node(postgres->conninfo, &conn, err);
	if (rc == 0)
		rc = tell(actor, wanted, conn, err);
	PQfinish(conn);
	return rc;
}

/* A member that has got nothing from the last leaders does not know which timelines they had. */
static int promote(struct actor *actor, const struct wanted *wanted, PGconn *conn, struct err *err)
{
	const struct postgres *postgres = &actor->options->postgres;
	const struct record *record = &wanted->record;
	int rc = postgres_pass_timelines(postgres, wanted->probed.history.timeline, record->eras[record->era_count - 1].timeline, err);

	if (rc < 0)
		return rc;
	log_info("agent", "shard=%s epoch=%llu msg=\"the node is promoted\"", actor->options->shard, (unsigned long long)record->leadership.epoch);
	rc = postgres_promote(conn, err);
	if (rc == 0)
		rc = postgres_promoted(conn, PROMOTE_MS, err);
	actor->acted(actor->program);
	actor->slots_at = 0;            /* now: those who follow it look for theirs */
	return rc;
}

static int lead(struct actor *actor, const struct wanted *wanted, struct err *err)
{
	const struct postgres *postgres = &actor->options->postgres;
	const struct probed *probed = &wanted->probed;
	PGconn *conn;
	int rc;

	if (guard_now() >= wanted->decision.authority_until)
		return 0;
	if (!probed->known || postgres_running(postgres) != probed->running)
		return 0;               /* it has only just been started, or ended: how, is looked at first */
	if (!probed->running)
		return postgres_is_standby(postgres) ? start_standby(actor, LEADER_NOBODY, err) : start(actor, err);
	if (probed->node == MEMBER_PRIMARY && is_told(wanted) && guard_now() < actor->slots_at + SLOTS_US)
		return 0;
	rc = open_node(postgres->conninfo, &conn, err);
	if (rc < 0)
		return rc;
	rc = tell(actor, wanted, conn, err);
	/* Commits wait for those who follow it, and so for their slots; or for nobody. */
	if (rc == 0 && probed->node == MEMBER_STANDBY && wanted->decision.wait_for.count)
		rc = see_to_slots(actor, wanted, conn, err);
	if (rc == 0 && probed->node == MEMBER_STANDBY)
		rc = promote(actor, wanted, conn, err);
	if (rc == 0 && guard_now() >= actor->slots_at + SLOTS_US)
		rc = see_to_slots(actor, wanted, conn, err);
	PQfinish(conn);
	return rc;
}

static int follow(struct actor *actor, const struct wanted *wanted, struct err *err)
{
	const struct decision *d = &wanted->decision;
	const struct postgres *postgres = &actor->options->postgres;
	int upstream = d->node == WISH_STANDBY ? d->upstream : LEADER_NOBODY, rc;
	char text[UPSTREAM_SIZE], slot[REPLICATION_SLOT_SIZE];
	PGconn *conn;
	bool follows;

	if (!postgres_running(postgres))
		return start_standby(actor, upstream, err);
	own_slot(actor, slot);
	if (d->fetch)
		fetch_from(actor, d->upstream, text, slot);
	else
		upstream_of(actor, upstream, text);
	follows = strcmp(text, wanted->probed.upstream) == 0;
	if (!wanted->probed.known || !wanted->probed.running || wanted->probed.node != MEMBER_STANDBY || (follows && is_told(wanted) && guard_now() < actor->slots_at + SLOTS_US))
		return 0;
	rc = open_node(postgres->conninfo, &conn, err);
	if (rc < 0)
		return rc;
	rc = follows ? see_to_slots(actor, wanted, conn, err) : postgres_follow(postgres, conn, text, slot, err);
	if (rc == 0)
		rc = tell(actor, wanted, conn, err);
	PQfinish(conn);
	return rc;
}

/* pg_rewind looks for the source's timeline in its control file, which the first checkpoint behind a promotion writes. */
static int checkpoint(const char *conninfo, struct err *err)
{
	PGresult *result;
	PGconn *conn;
	int rc = open_node(conninfo, &conn, err);

	if (rc < 0)
		return rc;
	rc = ask(conn, "CHECKPOINT", NULL, PGRES_COMMAND_OK, 12 * ANSWER_MS, &result, err);
	PQclear(result);
	PQfinish(conn);
	return rc;
}

/* A rewind that fails leaves nothing that could be rewound again; it also needs WAL of the node's own that may be gone. */
static int rewind_node(struct actor *actor, const struct wanted *wanted, struct err *err)
{
	bool clones = actor->cloned = actor_unfinished(actor);
	const struct member_options *options = actor->options;
	int upstream = wanted->decision.upstream, rc;
	char text[UPSTREAM_SIZE], slot[REPLICATION_SLOT_SIZE], source[UPSTREAM_SIZE];

	if (!*actor->said)
		log_info("agent", "shard=%s source=%s msg=\"the node has another history: it is %s\"", options->shard, options->names[upstream],
			 clones ? "cloned, as it could not be rewound" : "rewound");
	snprintf(source, sizeof(source), "%s", options->sources[upstream]);
	upstream_of(actor, upstream, text);
	rc = checkpoint(options->conninfos[upstream], err);
	if (rc < 0)
		return rc;
	guard_stop_node(options->postgres.data, QUIT_MS);
	process_reap(&actor->process);
	rc = clones ? postgres_clone(&options->postgres, source, text, own_slot(actor, slot), actor->mark, err)
		    : postgres_rewind(&options->postgres, source, text, own_slot(actor, slot), actor->mark, err);
	return rc < 0 ? rc : start(actor, err);
}

static int step(struct actor *actor, const struct wanted *wanted, struct err *err)
{
	switch (wanted->decision.node) {
	case WISH_LEAVE:
		return prepare(actor, wanted, err);
	case WISH_STOPPED:
		return 0;
	case WISH_SHUT_DOWN:
		postgres_shut_down(&actor->options->postgres);
		return 0;
	case WISH_PRIMARY:
		return lead(actor, wanted, err);
	case WISH_STANDBY:
	case WISH_FROZEN:
		return follow(actor, wanted, err);
	case WISH_REWOUND:
		return rewind_node(actor, wanted, err);
	}
	return 0;
}

static void say_failure(struct actor *actor, const struct err *err)
{
	char quoted[600];

	actor->retry_at = guard_now() + (actor->cloned ? CLONE_RETRY_US : RETRY_US);
	if (strcmp(actor->said, err->message) == 0)
		return;
	snprintf(actor->said, sizeof(actor->said), "%s", err->message);
	log_warn("agent", "shard=%s msg=\"%s\"", actor->options->shard, log_quote(err->message, quoted, sizeof(quoted)));
	if (*err->detail)
		log_warn("agent", "shard=%s msg=\"%s\"", actor->options->shard, log_quote(err->detail, quoted, sizeof(quoted)));
}

static void *actor_main(void *argument)
{
	struct actor *actor = argument;
	struct wanted *wanted = mem_alloc(sizeof(*wanted));

	pthread_mutex_lock(&actor->lock);
	while (!actor->stopping) {
		struct timespec until;
		struct err err;

		*wanted = actor->wanted;
		actor->at_work = true;
		pthread_mutex_unlock(&actor->lock);
		if (actor->process.pid && !process_running(&actor->process))
			process_reap(&actor->process);
		if (guard_now() >= actor->retry_at) {
			memset(&err, 0, sizeof(err));
			if (step(actor, wanted, &err) < 0) {
				say_failure(actor, &err);
			} else {
				actor->said[0] = '\0';
				actor->cloned = false;
			}
		}
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += STEP_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&actor->lock);
		actor->at_work = actor->process.pid && !postgres_running(&actor->options->postgres);
		if (!actor->stopping)
			pthread_cond_clockwait(&actor->wake, &actor->lock, CLOCK_MONOTONIC, &until);
	}
	pthread_mutex_unlock(&actor->lock);
	mem_free(wanted);
	return NULL;
}

/* ---- life ---- */

int actor_start(const struct member_options *options, void (*acted)(void *program), void *program, struct actor **ret_actor, struct err *err)
{
	struct actor *actor = mem_calloc(1, sizeof(*actor));

	actor->options = options;
	actor->acted = acted;
	actor->program = program;
	actor->process = PROCESS_NONE;
	snprintf(actor->mark, sizeof(actor->mark), "%s/" GUARD_MARK, options->folder);
	pthread_mutex_init(&actor->lock, NULL);
	pthread_cond_init(&actor->wake, NULL);
	actor->wanted.decision.node = WISH_LEAVE;
	if (pthread_create(&actor->thread, NULL, actor_main, actor) != 0) {
		mem_free(actor);
		return err_set(err, ERR_NOMEM, "cannot start a thread");
	}
	*ret_actor = actor;
	return 0;
}

void actor_want(struct actor *actor, const struct decision *decision, const struct record *record, bool all, const struct probed *probed)
{
	bool other;

	pthread_mutex_lock(&actor->lock);
	other = actor->wanted.decision.node != decision->node || actor->wanted.decision.upstream != decision->upstream;
	actor->wanted.decision = *decision;
	actor->wanted.record = *record;
	actor->wanted.all = all;
	actor->wanted.probed = *probed;
	if (other)
		pthread_cond_signal(&actor->wake);
	pthread_mutex_unlock(&actor->lock);
}

void actor_stop(struct actor *actor)
{
	if (!actor)
		return;
	pthread_mutex_lock(&actor->lock);
	actor->stopping = true;
	pthread_cond_signal(&actor->wake);
	pthread_mutex_unlock(&actor->lock);
	pthread_join(actor->thread, NULL);
	pthread_mutex_destroy(&actor->lock);
	pthread_cond_destroy(&actor->wake);
	mem_free(actor);
}
