#include "agent/member.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/actor.h"
#include "agent/peers.h"
#include "agent/probe.h"
#include "base/log.h"
#include "base/mem.h"
#include "ha/record.h"
#include "store/store.h"
#include "topo/topology.h"

enum {
	TICK_MS = 40, HURRY_MS = 10, STORE_MS = 150, RULE_TURNS = 4, PEERS_MS = 150, PEERS_SOON_MS = 40, PROBE_MS = 100, GUARD_US = 1000000, KEY_SIZE = 256, PATH_SIZE = 4096,
	BEHIND_MAX = 16 << 20,          /* bytes: a standby that is further behind does not count as streaming */
};

enum store_state { STORE_FINE, STORE_AWAY, STORE_OLD };          /* OLD: restored from a copy that is older than what was seen */

struct member {
	const struct member_options *options;
	char key[KEY_SIZE];
	struct actor *actor;
	struct probe *probe;
	struct peers *peers;

	pthread_mutex_t lock;
	pthread_cond_t wake;            /* the threads that wait for the store, and the swapper */
	struct record record;           /* whole; situation.record is its leadership */
	struct situation situation;
	struct memory memory;
	struct handover handover;
	struct decision decision;       /* the last one */
	struct probed probed;
	uint64_t absent_at;             /* when the store was asked last and had no record; 0: it has one, or is away */
	bool swap_wanted;
	struct record swap;             /* what it is to become */
	uint64_t swap_revision;         /* what it is then */
	enum store_state store;
	uint64_t old_revision;          /* what the record has there */
	uint64_t rule_epoch;            /* of the topology that the rule was read from */
	struct { uint64_t frozen, epoch, change; } kept;
	bool stopping;
	bool strange;                   /* the record's members are not ours; it was logged */
	const char *why;
};

/* ---- what is kept on disk ---- */

static void state_path(const struct member *member, char path[PATH_SIZE], const char *ending)
{
	snprintf(path, PATH_SIZE, "%s/state%s", member->options->folder, ending);
}

static void read_state(struct member *member)
{
	unsigned long long frozen = 0, epoch = 0, change = 0;
	char path[PATH_SIZE];
	FILE *file;

	state_path(member, path, "");
	file = fopen(path, "re");
	if (!file)
		return;
	if (fscanf(file, "frozen %llu epoch %llu change %llu", &frozen, &epoch, &change) == 3) {
		member->memory.frozen = member->kept.frozen = frozen;
		member->situation.record.epoch = member->kept.epoch = epoch;
		member->situation.record.change = member->kept.change = change;
	}
	fclose(file);
}

/* Before anybody is told of it. False: it could not be kept. */
static bool keep(struct member *member)
{
	const struct situation *s = &member->situation;
	char path[PATH_SIZE], fresh[PATH_SIZE];
	FILE *file;
	bool well;

	if (member->kept.frozen == member->memory.frozen && member->kept.epoch == s->record.epoch && member->kept.change == s->record.change)
		return true;
	state_path(member, path, "");
	state_path(member, fresh, ".new");
	file = fopen(fresh, "we");
	well = file && fprintf(file, "frozen %" PRIu64 " epoch %" PRIu64 " change %" PRIu64 "\n", member->memory.frozen, s->record.epoch, s->record.change) > 0 &&
	       fflush(file) == 0 && fsync(fileno(file)) == 0;
	if (file)
		fclose(file);
	if (!well || rename(fresh, path) < 0) {
		log_error("agent", "file=%s msg=\"cannot be written: %s\"", path, strerror(errno));
		return false;
	}
	member->kept.frozen = member->memory.frozen;
	member->kept.epoch = s->record.epoch;
	member->kept.change = s->record.change;
	return true;
}

/* ---- what it sees ---- */

/* Clients wait for what comes next. */
static bool hurries(const struct member *member)
{
	const struct situation *s = &member->situation;

	return member->handover.phase != HANDOVER_NONE ||
	       (s->revision && (s->record.leader == LEADER_NOBODY || !s->record.writable) && guard_now() < s->seen_at + s->profile->lease_us);
}

/* What a node that has crashed has beyond its last checkpoint shows when it is up. A standby may follow until then; a primary of an older timeline is
 * rewound, which does nothing if there is nothing to be undone. */
static enum lineage lineage(const struct member *member, uint64_t *ret_flushed)
{
	const struct record *record = &member->record;
	const struct probed *probed = &member->probed;
	enum lineage found = record_lineage(record, &probed->history, probed->flushed, record->leadership.leader == member->situation.self, ret_flushed);

	if (actor_unfinished(member->actor))
		return LINEAGE_OWN;
	if (probed->running || probed->clean)
		return found;
	if (postgres_is_standby(&member->options->postgres))
		return LINEAGE_SAME;
	return probed->history.timeline == record->eras[record->era_count - 1].timeline ? found : LINEAGE_OWN;
}

/* A wrong data folder, or port: none of the shard's business. */
static bool is_foreign(const struct member *member)
{
	return member->probed.known && member->situation.revision && member->probed.system != member->record.system;
}

static void look(struct member *member)
{
	struct situation *s = &member->situation;
	const struct probed *probed = &member->probed;
	struct member_state *own = &s->own;
	int leader = s->record.leader;
	bool from_leader = leader != LEADER_NOBODY && actor_follows(member->actor, probed) == leader;

	*own = (struct member_state){ .node = MEMBER_UNKNOWN, .lineage = LINEAGE_SAME, .epoch = s->record.epoch, .change = s->record.change };
	own->clean = !probed->running && probed->clean;
	own->sick = probed->sick;
	if (!probed->known || is_foreign(member))
		return;
	own->node = probed->running ? probed->node : MEMBER_DOWN;
	if (!s->revision)
		return;
	own->lineage = lineage(member, &own->flushed);
	own->receiving = probed->receiving && from_leader;
	own->streaming = probed->receiving && s->record.flushed < own->flushed + BEHIND_MAX;
	own->frozen = probed->running && (from_leader || (probed->has_receiver && !*probed->upstream)) ? 0 : member->memory.frozen;
	s->waits_for = actor_waits_for(member->actor, &member->record, probed);
	if (own->node == MEMBER_PRIMARY && !probed->waits)
		s->waits_for.leader = LEADER_NOBODY;
}

static void found(void *program, const struct probed *probed)
{
	struct member *member = program;

	pthread_mutex_lock(&member->lock);
	member->probed = *probed;
	pthread_mutex_unlock(&member->lock);
}

static void acted(void *program)
{
	const struct member *member = program;

	probe_now(member->probe);
}

static bool learn(struct member *member, const struct record *seen, uint64_t revision, uint64_t now)
{
	bool news = revision != member->situation.revision;
	struct record record = *seen;

	if (!record_arrange(&record, member->options->names, member->options->count)) {
		if (!member->strange)
			log_error("agent", "shard=%s msg=\"the shard's record has a member that the configuration does not have: nothing is done\"", member->options->shard);
		member->strange = true;
		return false;
	}
	member->strange = false;
	if (!decide_learn(&member->situation, &record.leadership, revision, now))
		return false;
	if (news) {
		member->record = record;
		pthread_cond_broadcast(&member->wake);
	}
	return true;
}

/* ---- the store ---- */

static void wait_ms(struct member *member, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms % 1000 * 1000000L;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (!member->stopping)
		pthread_cond_clockwait(&member->wake, &member->lock, CLOCK_MONOTONIC, &until);
}

/* Under the lock. */
static void found_store(struct member *member, enum store_state how, const char *why)
{
	static const char *const words[] = {
		[STORE_FINE] = "the store answers, and knows what was seen",
		[STORE_AWAY] = "the store is away",
		[STORE_OLD] = "the store went back to an older copy of the record: nobody is elected before who leads has put it right",
	};
	char quoted[600];

	if (member->store != how)
		log_write(how == STORE_FINE ? LOG_INFO : LOG_WARN, "agent", "shard=%s msg=\"%s\" why=\"%s\"", member->options->shard, words[how],
			  log_quote(why, quoted, sizeof(quoted)));
	member->store = how;
}

static void read_store(struct member *member)
{
	uint64_t asked_at = guard_now(), known;
	struct store_entry entry;
	struct record record;
	struct err err;

	pthread_mutex_lock(&member->lock);
	known = member->situation.revision;
	pthread_mutex_unlock(&member->lock);
	if (store_get(member->options->store, member->key, &entry, &err) < 0) {
		pthread_mutex_lock(&member->lock);
		found_store(member, STORE_AWAY, err.message);
		pthread_mutex_unlock(&member->lock);
		return;
	}
	if (entry.value && record_from_json(entry.value, &record, &err) < 0) {
		log_error("agent", "shard=%s msg=\"%s\"", member->options->shard, err.message);
		mem_free(entry.value);
		return;
	}
	pthread_mutex_lock(&member->lock);
	member->absent_at = entry.value ? 0 : asked_at;
	if (entry.value && learn(member, &record, entry.revision, guard_now()))
		member->situation.read_at = asked_at;
	member->old_revision = entry.revision;
	found_store(member, entry.revision < known ? STORE_OLD : STORE_FINE, "");
	pthread_mutex_unlock(&member->lock);
	mem_free(entry.value);
}

/* How the shard is replicated is a part of the topology, which the routers keep. Without one it is asynchronous. */
static void read_rule(struct member *member)
{
	struct topology *topology = NULL;
	struct store_entry entry;
	struct err err;
	int shard;

	if (store_get(member->options->store, STORE_KEY_TOPOLOGY, &entry, &err) < 0)
		return;
	if (entry.value && topology_from_json(entry.value, &topology, &err) == 0) {
		shard = topology_shard(topology, member->options->shard);
		pthread_mutex_lock(&member->lock);
		if (shard >= 0 && topology->epoch >= member->rule_epoch) {
			member->situation.rule = topology->shards[shard].replication;
			member->rule_epoch = topology->epoch;
		}
		member->situation.rule_unknown = false;
		pthread_mutex_unlock(&member->lock);
		topology_unref(topology);
	} else if (entry.value) {
		log_error("agent", "shard=%s msg=\"the topology in the store cannot be read: %s\"", member->options->shard, err.message);
	} else {
		pthread_mutex_lock(&member->lock);
		member->situation.rule_unknown = false;
		pthread_mutex_unlock(&member->lock);
	}
	mem_free(entry.value);
}

static void *reader_main(void *argument)
{
	struct member *member = argument;

	pthread_mutex_lock(&member->lock);
	for (unsigned turn = 0; !member->stopping; turn++) {
		pthread_mutex_unlock(&member->lock);
		read_store(member);
		if (turn % RULE_TURNS == 0)
			read_rule(member);
		pthread_mutex_lock(&member->lock);
		wait_ms(member, hurries(member) ? PEERS_SOON_MS : STORE_MS);
	}
	pthread_mutex_unlock(&member->lock);
	return NULL;
}

/* Under the lock, which is not held meanwhile. */
static void swap(struct member *member)
{
	struct situation *s = &member->situation;
	struct record next = member->swap;
	uint64_t revision = member->swap_revision, known = s->revision, began_at = guard_now(), fresh, epoch = s->record.epoch;
	struct err err;
	char *text;
	int rc;

	member->swap_wanted = false;
	pthread_mutex_unlock(&member->lock);
	text = record_to_json(&next);
	rc = record_from_json(text, &next, &err);       /* what nobody could read is not written */
	if (rc < 0)
		log_error("agent", "shard=%s msg=\"%s\"", member->options->shard, err.message);
	else
		rc = store_swap(member->options->store, member->key, revision, text, &fresh, &err);
	while (rc == 0 && fresh <= known && !member->stopping)  /* nobody heeds revisions that were there before it went back */
		rc = store_swap(member->options->store, member->key, fresh, text, &fresh, &err);
	mem_free(text);
	pthread_mutex_lock(&member->lock);
	s->swapping = false;
	if (rc < 0 && rc != ERR_CONFLICT)
		s->maybe_electable |= next.leadership.electable;
	if (rc < 0 || !learn(member, &next, fresh, guard_now()))
		return;
	s->read_at = began_at;
	if (s->record.leader == s->self && s->record.epoch == next.leadership.epoch && s->renewed_at < began_at)
		s->renewed_at = began_at;
	if (next.leadership.epoch != epoch)
		log_info("agent", "shard=%s epoch=%" PRIu64 " msg=\"it leads\"", member->options->shard, next.leadership.epoch);
}

static void *swapper_main(void *argument)
{
	struct member *member = argument;

	pthread_mutex_lock(&member->lock);
	while (!member->stopping) {
		if (member->swap_wanted)
			swap(member);
		else
			wait_ms(member, TICK_MS);
	}
	pthread_mutex_unlock(&member->lock);
	return NULL;
}

static void want_swap(struct member *member, const struct record *next)
{
	struct situation *s = &member->situation;

	/* As long as it leads beyond doubt nobody else has, and what it knows is the newest there was. */
	if (member->store == STORE_OLD && guard_now() >= member->decision.authority_until)
		return;
	member->swap = *next;
	member->swap_revision = member->store == STORE_OLD ? member->old_revision : s->revision;
	member->swap_wanted = true;
	s->swapping = true;
	s->maybe_resigned |= s->revision && next->leadership.leader == LEADER_NOBODY;
	pthread_cond_broadcast(&member->wake);
}

/* ---- the first record ---- */

/* All members answer, one of them is a primary, and it is this one. */
static bool may_begin(const struct member *member, uint64_t now)
{
	const struct situation *s = &member->situation;

	if (!member->absent_at || member->absent_at + s->profile->fresh_us < now || s->revision || s->swapping || !member->probed.known || !member->probed.running ||
	    member->probed.node != MEMBER_PRIMARY || member->kept.epoch)
		return false;
	for (size_t i = 0; i < member->options->count; i++)
		if ((int)i != s->self && (s->views[i].asked_at + s->profile->fresh_us < now || s->views[i].said.node == MEMBER_PRIMARY || s->views[i].said.node == MEMBER_UNKNOWN))
			return false;
	return true;
}

static void begin(struct member *member)
{
	const struct probed *probed = &member->probed;
	const struct history *history = &probed->history;
	struct record first = { .system = probed->system, .member_count = member->options->count };
	struct leadership *leadership = &first.leadership;
	uint64_t begins = 0;

	*leadership = (struct leadership){ .epoch = 1, .change = 1, .leader = member->situation.self, .heir = LEADER_NOBODY, .writable = true,
		.electable = UINT32_C(1) << member->situation.self, .flushed = probed->flushed, .quorum_count = 1 };
	leadership->quorums[0].leader = leadership->leader;
	for (size_t i = 0; i < first.member_count; i++)
		snprintf(first.members[i], sizeof(first.members[i]), "%s", member->options->names[i]);
	for (size_t i = 0; i < history->count; i++) {
		record_add_era(&first, history->ancestors[i].timeline, begins);
		begins = history->ancestors[i].end;
	}
	record_add_era(&first, history->timeline, begins);
	log_info("agent", "shard=%s msg=\"the shard has no record yet, and this node is its primary: it leads\"", member->options->shard);
	want_swap(member, &first);
}

/* ---- the peers ---- */

static unsigned question(void *program, int peer, struct peer_question *ret)
{
	struct member *member = program;
	const struct decision *d = &member->decision;
	unsigned next_ms;

	(void)peer;
	pthread_mutex_lock(&member->lock);
	ret->revision = member->situation.revision;
	ret->record = member->record;
	ret->freeze = d->ask_freeze;
	ret->vouch = d->ask_vouch ? member->situation.record.epoch : 0;
	next_ms = hurries(member) ? HURRY_MS : d->ask_freeze ? PEERS_SOON_MS : PEERS_MS;
	pthread_mutex_unlock(&member->lock);
	return next_ms;
}

static void answered(void *program, int peer, uint64_t asked_at, const struct peer_question *asked, const struct peer_answer *answer)
{
	struct member *member = program;
	struct situation *s = &member->situation;
	struct member_view *view = &s->views[peer];

	pthread_mutex_lock(&member->lock);
	if (answer->revision)
		learn(member, &answer->record, answer->revision, guard_now());
	view->asked_at = asked_at;
	view->said = answer->state;
	if (answer->vouched && asked->vouch == s->record.epoch && view->vouched_at < asked_at)
		view->vouched_at = asked_at;
	pthread_mutex_unlock(&member->lock);
}

static bool asked(void *program, const char *from, const struct peer_question *question, struct peer_answer *ret)
{
	struct member *member = program;
	struct situation *s = &member->situation;
	uint64_t now = guard_now();
	int asker = LEADER_NOBODY;

	for (size_t i = 0; i < member->options->count; i++)
		if (strcmp(member->options->names[i], from) == 0)
			asker = (int)i;
	if (asker == LEADER_NOBODY || asker == s->self)
		return false;
	pthread_mutex_lock(&member->lock);
	if (question->revision)
		learn(member, &question->record, question->revision, now);
	look(member);
	if (question->freeze && decide_freeze(s, &member->memory, question->revision, now) && !keep(member))
		member->memory.frozen = member->kept.frozen;
	if (question->vouch)
		ret->vouched = decide_vouch(s, &member->memory, asker, question->vouch, now);
	look(member);
	ret->state = s->own;
	ret->revision = s->revision;
	ret->record = member->record;
	pthread_mutex_unlock(&member->lock);
	return true;
}

/* Whoever leads next can know whom to hear: each commit waits for one of the record's quorums. */
static bool commits_are_known(const struct situation *s)
{
	for (size_t i = 0; i < s->record.quorum_count; i++)
		if (s->record.quorums[i].count == 0)
			return true;
	return s->waits_for.leader != LEADER_NOBODY;
}

/* As long as its authority lasts, and its node takes writes. */
static uint64_t permit_us(const struct member *member, uint64_t now)
{
	const struct situation *s = &member->situation;
	const struct decision *d = &member->decision;

	if (s->record.leader != s->self || !s->record.writable || s->own.node != MEMBER_PRIMARY || d->node != WISH_PRIMARY || d->authority_until <= now ||
	    !commits_are_known(s))
		return 0;
	return (d->authority_until - now) / 100 * 98;   /* clocks' rates are trusted to 1 % */
}

static void permit(void *program, const struct permit_question *question, struct permit_answer *ret)
{
	struct member *member = program;
	uint64_t now = guard_now();

	pthread_mutex_lock(&member->lock);
	look(member);
	handover_heard(&member->handover, question->router, question->lent, now);
	ret->hold_us = handover_hold_us(&member->handover, now);
	snprintf(ret->member, sizeof(ret->member), "%s", member->options->names[member->options->self]);
	ret->permit_us = permit_us(member, now);
	ret->revision = member->situation.revision;
	ret->record = member->record;
	pthread_mutex_unlock(&member->lock);
}

static const char *name_of(void *program, int number)
{
	const struct member *member = program;

	return number == LEADER_NOBODY ? "" : member->options->names[number];
}

static int hand_over(void *program, const char *to, uint64_t drain_us, struct handover *ret, struct err *err)
{
	struct member *member = program;
	int heir = LEADER_NOBODY, rc = 0;

	for (size_t i = 0; i < member->options->count; i++)
		if (strcmp(member->options->names[i], to) == 0)
			heir = (int)i;
	if (*to && heir == LEADER_NOBODY)
		return err_set(err, ERR_WRONG_STATE, "shard \"%s\" has no node \"%s\"", member->options->shard, to);
	pthread_mutex_lock(&member->lock);
	if (drain_us)
		rc = handover_begin(&member->handover, &member->situation, member->options->names, heir, drain_us, guard_now(), err);
	*ret = member->handover;
	pthread_mutex_unlock(&member->lock);
	if (rc == 0 && drain_us)
		log_info("agent", "shard=%s heir=%s msg=\"it is asked to hand over\"", member->options->shard, member->options->names[ret->heir]);
	return rc;
}

/* ---- the loop ---- */

/* The decision's leadership, with what else belongs to it. */
static void plan_swap(struct member *member)
{
	struct record next = member->record;

	next.leadership = member->decision.record;
	if (next.leadership.writable && !member->record.leadership.writable) {
		const struct history *history = &member->probed.history;

		record_add_era(&next, history->timeline, history->count ? history->ancestors[history->count - 1].end : 0);
	}
	want_swap(member, &next);
}

/* Under the lock. */
static void tick(struct member *member)
{
	struct decision *d = &member->decision;
	uint64_t now = guard_now();

	look(member);
	handover_step(&member->handover, &member->situation, member->options->names, now);
	if (may_begin(member, now)) {
		begin(member);
		return;
	}
	member->situation.may_start = actor_may_start(member->actor);
	*d = decide(&member->situation, &member->memory, now);
	keep(member);
	if (d->authority_until)
		guard_until(member->options->guard, d->authority_until);
	if (is_foreign(member))
		d->why = "the node is of another database system than the shard: it is left as it is";
	if (d->why && (!member->why || strcmp(d->why, member->why) != 0))
		log_info("agent", "shard=%s epoch=%" PRIu64 " msg=\"%s\"", member->options->shard, member->situation.record.epoch, d->why);
	member->why = d->why;
	if (d->swap)
		plan_swap(member);
}

static void run(struct member *member, const volatile sig_atomic_t *stop)
{
	uint64_t checked_at = 0;

	while (!*stop) {
		struct decision d;
		struct probed probed;
		bool hurry, foreign;

		if (guard_now() >= checked_at + GUARD_US) {
			guard_check(member->options->guard);
			checked_at = guard_now();
		}
		pthread_mutex_lock(&member->lock);
		tick(member);
		d = member->decision;
		hurry = hurries(member);
		foreign = is_foreign(member);
		probed = member->probed;
		actor_want(member->actor, &d, &member->record, member->situation.rule.mode == REPLICATION_SYNC, &probed);
		pthread_mutex_unlock(&member->lock);
		if (d.node == WISH_STOPPED && probed.running && !foreign && !postgres_is_standby(&member->options->postgres)) {
			log_warn("agent", "shard=%s msg=\"the node is stopped at once: %s\"", member->options->shard, d.why ? d.why : "another one leads");
			guard_stop_node(member->options->postgres.data, 150);
			probe_now(member->probe);
		}
		if (d.node == WISH_SHUT_DOWN || (hurry && d.node == WISH_LEAVE))
			probe_now(member->probe);
		pthread_mutex_lock(&member->lock);
		wait_ms(member, hurry ? HURRY_MS : TICK_MS);
		pthread_mutex_unlock(&member->lock);
	}
}

static void prepare(struct member *member, const struct member_options *options)
{
	struct situation *s = &member->situation;

	member->options = options;
	snprintf(member->key, sizeof(member->key), RECORD_KEY_PREFIX "%s", options->shard);
	pthread_mutex_init(&member->lock, NULL);
	pthread_cond_init(&member->wake, NULL);
	s->profile = options->profile;
	s->self = (int)options->self;
	s->members = (UINT32_C(1) << options->count) - 1;
	s->loss_bytes_max = options->loss_bytes_max;
	s->rule_unknown = true;
	s->record.leader = s->heir = LEADER_NOBODY;
	read_state(member);
}

int member_run(const struct member_options *options, const volatile sig_atomic_t *stop, struct err *err)
{
	struct member *member = mem_calloc(1, sizeof(*member));
	struct peers_calls calls = { .program = member, .question = question, .answered = answered, .asked = asked, .permit = permit, .name_of = name_of,
		.hand_over = hand_over };
	const char *others[MEMBERS_MAX];
	pthread_t reader, swapper;
	bool reads, swaps = false;
	int rc;

	prepare(member, options);
	for (size_t i = 0; i < options->count; i++)
		others[i] = i == options->self ? NULL : options->agents[i];
	rc = probe_start(&options->postgres, PROBE_MS, 2000000, found, member, &member->probe, err);
	if (rc == 0)
		rc = actor_start(options, acted, member, &member->actor, err);
	if (rc == 0)
		rc = peers_start(options->names[options->self], options->agents[options->self], others, options->count, options->tls,
				 (unsigned)(options->profile->fresh_us / 1000), &calls, &member->peers, err);
	reads = rc == 0 && pthread_create(&reader, NULL, reader_main, member) == 0;
	swaps = reads && pthread_create(&swapper, NULL, swapper_main, member) == 0;
	if (swaps)
		run(member, stop);
	else if (rc == 0)
		rc = err_set(err, ERR_NOMEM, "cannot start a thread");
	pthread_mutex_lock(&member->lock);
	member->stopping = true;
	pthread_cond_broadcast(&member->wake);
	pthread_mutex_unlock(&member->lock);
	store_interrupt(options->store);
	if (swaps)
		pthread_join(swapper, NULL);
	if (reads)
		pthread_join(reader, NULL);
	peers_stop(member->peers);
	actor_stop(member->actor);
	probe_stop(member->probe);
	pthread_mutex_destroy(&member->lock);
	pthread_cond_destroy(&member->wake);
	mem_free(member);
	return rc;
}
