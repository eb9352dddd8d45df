#include "route/node_status.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "route/aside.h"
#include "route/feeds.h"
#include "route/history.h"
#include "route/node_load.h"

enum {
	SAMPLES_MAX = 1024,
	FRESH_US_MAX = 2000000,
	COMPARED_US_MAX = 200000,       /* a server that was restarted meanwhile, and shows less, takes longer */
	DEMAND_GAP_US = 250,            /* between two samples */
	STARTED_US_MAX = 1000000,       /* by which two answers when one server was started may differ */
};
enum { WORDS = offsetof(struct node_seen, failed_us) / sizeof(uint64_t), SERVING_WORDS = sizeof(struct node_serving) / sizeof(uint64_t) };

_Static_assert(offsetof(struct node_seen, failed_us) % sizeof(uint64_t) == 0, "it is copied word by word");

struct position { uint64_t lsn, us, first_us; };        /* all that was shown before `us` ends before `lsn`, where it stood at `first_us` already */

struct node_status {
	unsigned refs;                  /* atomic */
	unsigned version;               /* atomic: odd while `words` are written */
	uint64_t id;
	uint64_t words[WORDS];          /* atomic, each: a struct node_seen up to failed_us */
	uint64_t serving[SERVING_WORDS];        /* the same: a struct node_serving */
	struct aside aside;
	uint64_t permit_us, hold_us;    /* atomic */
	pthread_mutex_t writing;        /* `words` */
	pthread_mutex_t demanding;
	pthread_cond_t demanded;
	uint64_t demanded_us, demand_due_us;    /* as of when it should be known to be, and when to see to it; of `demanding` */
	uint64_t demanded_shown_us;     /* the same, of a primary; of which demanded_us is when a sample should have begun */
	bool demands_replicas;          /* a primary: it is demanded for their sake */
	uint64_t demand_gap_us;         /* until it is looked for again, where it was not so yet */
	uint64_t begun_us;              /* of the newest sample */
	bool roused;
	pthread_mutex_t lock;           /* of the samples and what follows, which only those who ask look at */
	struct feeds *feeds;
	struct history history;         /* where it left earlier timelines */
	struct shown shown;             /* a primary */
	uint32_t timeline;              /* of the samples */
	uint64_t system;                /* the same */
	size_t count;
	struct position samples[SAMPLES_MAX];   /* in order of both */
	struct position started;        /* a primary, the last time that it was: only about then */
	struct node_load load;
};

static uint64_t next_incarnation(void)
{
	static uint64_t last;

	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

static uint64_t next_id(void)
{
	static uint64_t last;

	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

struct node_status *node_status_new(void)
{
	struct node_status *status = mem_calloc(1, sizeof(*status));
	pthread_condattr_t attributes;

	status->refs = 1;
	status->id = next_id();
	status->permit_us = status->hold_us = UINT64_MAX;
	status->demand_due_us = UINT64_MAX;
	pthread_mutex_init(&status->lock, NULL);
	pthread_mutex_init(&status->writing, NULL);
	pthread_mutex_init(&status->demanding, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);        /* env_system()'s */
	pthread_cond_init(&status->demanded, &attributes);
	pthread_condattr_destroy(&attributes);
	return status;
}

uint64_t node_status_permit(const struct node_status *status)
{
	return __atomic_load_n(&status->permit_us, __ATOMIC_ACQUIRE);
}

void node_status_permit_until(struct node_status *status, uint64_t until_us)
{
	__atomic_store_n(&status->permit_us, until_us, __ATOMIC_RELEASE);
}

uint64_t node_status_hold(const struct node_status *status)
{
	return __atomic_load_n(&status->hold_us, __ATOMIC_ACQUIRE);
}

void node_status_hold_from(struct node_status *status, uint64_t from_us)
{
	__atomic_store_n(&status->hold_us, from_us, __ATOMIC_RELEASE);
}

void node_status_guard(struct node_status *status, bool has_agent)
{
	if (!has_agent)
		node_status_permit_until(status, UINT64_MAX);
	else if (node_status_permit(status) == UINT64_MAX)
		node_status_permit_until(status, 0);
}

struct node_status *node_status_ref(struct node_status *status)
{
	__atomic_add_fetch(&status->refs, 1, __ATOMIC_RELAXED);
	return status;
}

void node_status_unref(struct node_status *status)
{
	if (!status || __atomic_sub_fetch(&status->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	feeds_unref(status->feeds);
	pthread_mutex_destroy(&status->lock);
	pthread_mutex_destroy(&status->writing);
	pthread_mutex_destroy(&status->demanding);
	pthread_cond_destroy(&status->demanded);
	mem_free(status);
}

struct node_load *node_status_load(struct node_status *status)
{
	return &status->load;
}

/* ---- what anybody sees: a sequence lock, with one writer at a time ---- */

static uint64_t serves_until(const struct node_seen *seen)
{
	bool may = seen->role == SEEN_REPLICA ? !seen->excluded && seen->follows : seen->role == SEEN_PRIMARY;

	return seen->reachable && may ? seen->sampled_us + FRESH_US_MAX : 0;
}

static void publish(struct node_status *status, const struct node_seen *seen)
{
	uint64_t words[WORDS], serving[SERVING_WORDS] = { serves_until(seen), seen->as_of_us, seen->incarnation, seen->follows, seen->delay_us,
							       seen->returned_us };

	memcpy(words, seen, sizeof(words));
	__atomic_store_n(&status->version, status->version + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (int i = 0; i < WORDS; i++)
		__atomic_store_n(&status->words[i], words[i], __ATOMIC_RELAXED);
	for (int i = 0; i < SERVING_WORDS; i++)
		__atomic_store_n(&status->serving[i], serving[i], __ATOMIC_RELAXED);
	__atomic_store_n(&status->version, status->version + 1, __ATOMIC_RELEASE);
}

struct node_seen node_status_read(const struct node_status *status)
{
	uint64_t words[WORDS];
	struct node_seen seen;
	unsigned before, after;

	do {
		before = __atomic_load_n(&status->version, __ATOMIC_ACQUIRE);
		for (int i = 0; i < WORDS; i++)
			words[i] = __atomic_load_n(&status->words[i], __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = __atomic_load_n(&status->version, __ATOMIC_RELAXED);
	} while (before & 1 || before != after);
	memcpy(&seen, words, sizeof(words));
	seen.failed_us = __atomic_load_n(&status->aside.failed_us, __ATOMIC_RELAXED);
	seen.aside_us = __atomic_load_n(&status->aside.until_us, __ATOMIC_RELAXED);
	seen.trial_us = seen.aside_us ? __atomic_load_n(&status->aside.trial_us, __ATOMIC_RELAXED) : 0;
	seen.failures = seen.aside_us ? __atomic_load_n(&status->aside.failures, __ATOMIC_RELAXED) : 0;
	return seen;
}

bool node_status_serves(const struct node_status *status, uint64_t now_us, struct node_serving *ret)
{
	unsigned before, after;

	do {
		before = __atomic_load_n(&status->version, __ATOMIC_ACQUIRE);
		ret->until_us = __atomic_load_n(&status->serving[0], __ATOMIC_RELAXED);
		ret->as_of_us = __atomic_load_n(&status->serving[1], __ATOMIC_RELAXED);
		ret->incarnation = __atomic_load_n(&status->serving[2], __ATOMIC_RELAXED);
		ret->follows = __atomic_load_n(&status->serving[3], __ATOMIC_RELAXED);
		ret->delay_us = __atomic_load_n(&status->serving[4], __ATOMIC_RELAXED);
		ret->returned_us = __atomic_load_n(&status->serving[5], __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = __atomic_load_n(&status->version, __ATOMIC_RELAXED);
	} while (before & 1 || before != after);
	return ret->until_us > now_us && ret->until_us - FRESH_US_MAX > __atomic_load_n(&status->aside.failed_us, __ATOMIC_RELAXED) &&
	       aside_open(&status->aside, now_us);
}

uint64_t node_status_id(const struct node_status *status)
{
	return status->id;
}

bool node_status_failed(struct node_status *status, uint64_t asked_us, uint64_t now_us)
{
	return aside_failed(&status->aside, asked_us, now_us);
}

bool node_status_has_failed(const struct node_status *status)
{
	return __atomic_load_n(&status->aside.until_us, __ATOMIC_RELAXED) != 0;
}

bool node_status_ask(struct node_status *status, uint64_t now_us, bool *ret_trial)
{
	return aside_ask(&status->aside, now_us, ret_trial);
}

void node_status_worked(struct node_status *status)
{
	aside_worked(&status->aside);
}

uint64_t node_seen_lag_us(const struct node_seen *seen, uint64_t now_us)
{
	if (seen->role != SEEN_REPLICA || !seen->compared || !seen->reachable)
		return UINT64_MAX;
	if (!seen->stands && now_us > seen->sampled_us)
		now_us = seen->sampled_us;
	return seen->lacks_us && now_us > seen->lacks_us ? now_us - seen->lacks_us : 0;
}

bool node_seen_fit(const struct node_seen *seen, uint64_t now_us)
{
	return seen->role == SEEN_REPLICA && serves_until(seen) > now_us && seen->sampled_us > seen->failed_us && now_us >= seen->aside_us &&
	       now_us >= seen->trial_us;
}

/* ---- who asks it ---- */

/* The older a sample, the less its exact time matters: of the older half that one goes whose place is the narrowest for its age. So what is kept reaches
 * back to the first, and its gaps are a few hundredths of how long ago they are. */
static void thin_out(struct node_status *status)
{
	const struct position *samples = status->samples;
	uint64_t newest_us = samples[status->count - 1].us, width = UINT64_MAX, age = 1;
	size_t least = 1;

	for (size_t i = 1; i < SAMPLES_MAX / 2; i++) {
		uint64_t this_width = samples[i + 1].us - samples[i - 1].us, this_age = newest_us - samples[i - 1].us;

		if ((double)this_width * (double)age >= (double)width * (double)this_age)
			continue;
		least = i;
		width = this_width;
		age = this_age;
	}
	status->count--;
	memmove(&status->samples[least], &status->samples[least + 1], (status->count - least) * sizeof(status->samples[0]));
}

/* As of when it shows what others may have shown; and whether its replicas could tell more. */
static bool remember(struct node_status *status, const struct node_sample *sample, uint64_t *ret_shown_us)
{
	struct position *newest;
	bool in_doubt;

	pthread_mutex_lock(&status->lock);
	if (status->timeline != sample->timeline || status->system != sample->system) {
		status->count = 0;      /* another history */
		shown_forget(&status->shown);
	}
	while (status->count && status->samples[status->count - 1].lsn > sample->inserted)
		status->count--;        /* that much was lost when the server was; what it kept of earlier times ends before its earlier samples still */
	status->timeline = sample->timeline;
	status->system = sample->system;
	if (sample->started_us > status->started.us + STARTED_US_MAX)
		status->started = (struct position){ .lsn = sample->started_lsn, .us = sample->started_us };
	newest = status->count ? &status->samples[status->count - 1] : NULL;
	if (newest && newest->lsn == sample->inserted) {
		newest->us = sample->begun_us;
	} else {
		if (status->count == SAMPLES_MAX)
			thin_out(status);
		status->samples[status->count++] = (struct position){ sample->inserted, sample->begun_us, sample->begun_us };
	}
	shown_sampled(&status->shown, sample->begun_us, sample->flushed, &sample->running);
	in_doubt = shown_in_doubt(&status->shown);
	*ret_shown_us = status->shown.as_of_us;
	pthread_mutex_unlock(&status->lock);
	return in_doubt;
}

bool node_status_in_doubt(struct node_status *primary)
{
	bool in_doubt;

	pthread_mutex_lock(&primary->lock);
	in_doubt = shown_in_doubt(&primary->shown);
	pthread_mutex_unlock(&primary->lock);
	return in_doubt;
}

bool node_status_doubts(struct node_status *primary, uint32_t timeline, uint64_t replayed, struct doubts *ret_doubts)
{
	const struct doubts *doubts;
	bool any;

	pthread_mutex_lock(&primary->lock);
	doubts = shown_doubts(&primary->shown);
	any = doubts && primary->timeline == timeline && doubts->lsn <= replayed;
	if (any)
		*ret_doubts = *doubts;
	pthread_mutex_unlock(&primary->lock);
	return any;
}

bool node_status_old_doubts(struct node_status *primary, uint64_t before_us, struct doubts *ret_doubts)
{
	const struct doubts *doubts;
	bool any;

	pthread_mutex_lock(&primary->lock);
	doubts = shown_doubts(&primary->shown);
	any = doubts && primary->shown.sought_us <= before_us;
	if (any)
		*ret_doubts = *doubts;
	pthread_mutex_unlock(&primary->lock);
	return any;
}

void node_status_history(struct node_status *status, const struct history *history)
{
	pthread_mutex_lock(&status->lock);
	status->history = *history;
	pthread_mutex_unlock(&status->lock);
}

bool node_status_ancestors(struct node_status *status, struct history *ret_history)
{
	pthread_mutex_lock(&status->lock);
	*ret_history = status->history;
	pthread_mutex_unlock(&status->lock);
	return ret_history->timeline == 1 || ret_history->count > 0;
}

void node_status_take_feeds(struct node_status *status, struct feeds *feeds)
{
	struct feeds *before;

	pthread_mutex_lock(&status->lock);
	before = status->feeds;
	status->feeds = feeds;
	pthread_mutex_unlock(&status->lock);
	feeds_unref(before);
}

struct feeds *node_status_feeds(struct node_status *status)
{
	struct feeds *feeds;

	pthread_mutex_lock(&status->lock);
	feeds = feeds_ref(status->feeds);
	pthread_mutex_unlock(&status->lock);
	return feeds;
}

/* Whether the history that the samples are of has all that `timeline` had before `lsn`. */
static bool descends(const struct node_status *primary, uint32_t timeline, uint64_t lsn)
{
	uint64_t end;

	return primary->timeline == timeline || (history_fork(&primary->history, timeline, &end) && lsn <= end);
}

enum position_state node_status_position(struct node_status *primary, uint32_t timeline, uint64_t lsn, uint64_t *ret_us)
{
	enum position_state state = POSITION_AHEAD;

	pthread_mutex_lock(&primary->lock);
	if (primary->count && timeline <= primary->timeline) {
		size_t i = primary->count;

		while (i > 0 && primary->samples[i - 1].lsn >= lsn)
			i--;
		if (!descends(primary, timeline, lsn)) {
			state = POSITION_LOST;
		} else if (i < primary->count) {
			state = POSITION_KNOWN;
			*ret_us = primary->samples[i].us;
		}
	}
	pthread_mutex_unlock(&primary->lock);
	return state;
}

bool node_status_newest(struct node_status *primary, uint32_t *ret_timeline, uint64_t *ret_lsn, uint64_t *ret_us)
{
	bool known;

	pthread_mutex_lock(&primary->lock);
	known = primary->count > 0;
	if (known) {
		*ret_timeline = primary->timeline;
		*ret_lsn = primary->samples[primary->count - 1].lsn;
		*ret_us = primary->samples[primary->count - 1].us;
	}
	pthread_mutex_unlock(&primary->lock);
	return known;
}

/* When about the first that comes after `lsn` was written, of what one sample has and the one before it has not. A server that was stopped in between
 * wrote until it was last seen, and again when it was started. Under the lock. */
static uint64_t written_us(const struct node_status *primary, const struct position *after, uint64_t lsn)
{
	const struct position *started = &primary->started;
	struct position before = after[-1];
	double gap_us;

	if (started->us > before.us && started->us <= after->first_us) {
		if (lsn < started->lsn || started->lsn >= after->lsn)
			return before.us;
		before.us = started->us;
		before.lsn = started->lsn > before.lsn ? started->lsn : before.lsn;
	}
	gap_us = (double)(after->first_us - before.us);
	return before.us + (uint64_t)(lsn > before.lsn ? gap_us * (double)(lsn - before.lsn) / (double)(after->lsn - before.lsn) : gap_us / 2);
}

/* As of when a replica with this sample shows what the primary has shown. One on another timeline may show what the primary never had; of a primary
 * that was not seen yet nobody knows. */
static void compare(struct node_status *primary, const struct node_sample *sample, const struct node_seen *before, struct node_seen *seen)
{
	uint64_t lacked_us = before->follows == primary->id && before->replayed == sample->inserted && before->timeline == sample->timeline ? before->lacks_us : 0;

	pthread_mutex_lock(&primary->lock);
	if (!primary->count) {
		seen->follows = primary->id;
	} else if (primary->timeline == sample->timeline && primary->system == sample->system) {
		uint64_t newest = primary->samples[primary->count - 1].lsn;
		size_t i = primary->count, known = primary->count;

		while (i > 0 && primary->samples[i - 1].lsn > sample->inserted)
			i--;
		while (known > 0 && primary->samples[known - 1].first_us > seen->sampled_us)
			known--;
		seen->follows = primary->id;
		seen->compared = i > 0;
		seen->as_of_us = i && !sample->hides ? primary->samples[i - 1].us : 0;
		if (i == 0 || i >= known)
			seen->lacks_us = 0;
		else            /* where it stays, the samples of then told best */
			seen->lacks_us = lacked_us ? lacked_us : written_us(primary, &primary->samples[i], sample->inserted);
		seen->lag_bytes = newest > sample->inserted ? newest - sample->inserted : 0;
	}
	pthread_mutex_unlock(&primary->lock);
}

/* What was demanded is so, or is looked for again: a little later each time, until the next sample comes anyway. `as_of_us`: of a replica; of a primary,
 * when its sample began, and as of when it shows what others do. True: its replicas are needed for more. */
static bool fulfil(struct node_status *status, uint64_t as_of_us, uint64_t shown_us, bool in_doubt, uint64_t begun_us)
{
	bool demanded;

	pthread_mutex_lock(&status->demanding);
	demanded = status->demand_due_us != UINT64_MAX && (in_doubt || status->demands_replicas);
	status->begun_us = begun_us;
	status->demands_replicas &= as_of_us < status->demanded_us;
	if (as_of_us >= status->demanded_us && shown_us >= status->demanded_shown_us) {
		status->demand_due_us = UINT64_MAX;
	} else if (status->demand_due_us != UINT64_MAX) {
		status->demand_due_us = begun_us + status->demand_gap_us;
		status->demand_gap_us *= 2;
	}
	pthread_mutex_unlock(&status->demanding);
	return demanded;
}

bool node_status_sampled(struct node_status *status, struct node_status *primary, const struct node_sample *sample)
{
	bool is_primary = sample->role == SEEN_PRIMARY;
	uint64_t shown_us = 0;
	bool in_doubt = is_primary && remember(status, sample, &shown_us);
	struct node_seen before, seen;

	pthread_mutex_lock(&status->writing);
	before = node_status_read(status);
	seen = (struct node_seen){ .reachable = true, .incarnation = before.incarnation ? before.incarnation : next_incarnation(), .role = sample->role,
		.timeline = sample->timeline, .system = sample->system, .flushed = sample->flushed, .replayed = is_primary ? sample->flushed : sample->inserted,
		.delay_us = is_primary ? 0 : sample->delay_us, .sampled_us = sample->begun_us, .as_of_us = shown_us, .hides = sample->hides };
	if (!is_primary && primary != status)
		compare(primary, sample, &before, &seen);
	seen.stands = seen.lacks_us && before.reachable && before.replayed == seen.replayed;
	if (!is_primary && sample->max_lag_us) {
		uint64_t lag_us = node_seen_lag_us(&seen, sample->begun_us);

		seen.excluded = lag_us > (before.excluded ? sample->max_lag_us / 2 : sample->max_lag_us);
		seen.served = before.served || !seen.excluded;
		seen.returned_us = before.excluded && before.served && !seen.excluded ? sample->begun_us : before.returned_us;
		if (seen.excluded || sample->begun_us >= seen.returned_us + NODE_RETURN_US)
			seen.returned_us = 0;
	}
	publish(status, &seen);
	pthread_mutex_unlock(&status->writing);
	return fulfil(status, is_primary ? sample->begun_us : seen.as_of_us, is_primary ? shown_us : UINT64_MAX, in_doubt, sample->begun_us);
}

void node_status_compare(struct node_status *replica, struct node_status *primary, uint64_t now_us)
{
	struct node_seen seen;

	pthread_mutex_lock(&replica->writing);
	seen = node_status_read(replica);
	if (seen.reachable && seen.role == SEEN_REPLICA && seen.sampled_us + COMPARED_US_MAX > now_us) {
		struct node_sample sample = { .timeline = seen.timeline, .system = seen.system, .inserted = seen.replayed, .hides = seen.hides };
		struct node_seen before = seen;

		compare(primary, &sample, &before, &seen);
		publish(replica, &seen);
	}
	pthread_mutex_unlock(&replica->writing);
}

void node_status_silent(struct node_status *status)
{
	struct node_seen seen;

	pthread_mutex_lock(&status->writing);
	seen = node_status_read(status);
	seen.reachable = false;
	seen.incarnation = next_incarnation();
	publish(status, &seen);
	pthread_mutex_unlock(&status->writing);
	pthread_mutex_lock(&status->demanding);
	status->demand_due_us = UINT64_MAX;
	pthread_mutex_unlock(&status->demanding);
}

/* ---- demands ---- */

/* Under its lock. */
static void make_due(struct node_status *status, uint64_t due_us)
{
	if (due_us < status->begun_us + DEMAND_GAP_US)
		due_us = status->begun_us + DEMAND_GAP_US;
	if (due_us >= status->demand_due_us)
		return;
	status->demand_due_us = due_us;
	pthread_cond_signal(&status->demanded);
}

void node_status_demand(struct node_status *status, uint64_t as_of_us, uint64_t due_us)
{
	pthread_mutex_lock(&status->demanding);
	if (as_of_us > status->demanded_us) {
		status->demanded_us = as_of_us;
		status->demand_gap_us = DEMAND_GAP_US;
	}
	status->demands_replicas = true;
	make_due(status, due_us);
	pthread_mutex_unlock(&status->demanding);
}

void node_status_demand_shown(struct node_status *primary, uint64_t as_of_us, uint64_t now_us)
{
	pthread_mutex_lock(&primary->demanding);
	if (as_of_us > primary->demanded_shown_us) {
		primary->demanded_shown_us = as_of_us;
		primary->demand_gap_us = DEMAND_GAP_US;
	}
	make_due(primary, now_us);
	pthread_mutex_unlock(&primary->demanding);
}

/* Who waits is to know soon whether it is what was sought. */
static void look_again(struct node_status *primary, uint64_t now_us)
{
	pthread_mutex_lock(&primary->demanding);
	if (primary->demand_due_us != UINT64_MAX)
		make_due(primary, now_us);
	pthread_mutex_unlock(&primary->demanding);
}

void node_status_told(struct node_status *primary, const struct doubts *committed, uint64_t now_us)
{
	pthread_mutex_lock(&primary->lock);
	shown_told(&primary->shown, committed);
	pthread_mutex_unlock(&primary->lock);
	look_again(primary, now_us);
}

void node_status_cleared(struct node_status *primary, const struct doubts *open, uint64_t now_us)
{
	pthread_mutex_lock(&primary->lock);
	shown_cleared(&primary->shown, open);
	pthread_mutex_unlock(&primary->lock);
	look_again(primary, now_us);
}

void node_status_await(struct node_status *status, uint64_t due_us, bool demands)
{
	pthread_mutex_lock(&status->demanding);
	while (!status->roused) {
		uint64_t us = demands && status->demand_due_us < due_us ? status->demand_due_us : due_us;
		struct timespec until = { .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000 };

		if (pthread_cond_timedwait(&status->demanded, &status->demanding, &until) == ETIMEDOUT)
			break;
	}
	status->roused = false;
	pthread_mutex_unlock(&status->demanding);
}

void node_status_rouse(struct node_status *status)
{
	pthread_mutex_lock(&status->demanding);
	status->roused = true;
	pthread_cond_signal(&status->demanded);
	pthread_mutex_unlock(&status->demanding);
}

uint64_t wal_end_of_record(uint64_t inserted, uint64_t block_size, uint64_t segment_size)
{
	enum { SHORT_HEADER_SIZE = 24, LONG_HEADER_SIZE = 40 };         /* of a page; of the first of a segment */
	uint64_t page = inserted - inserted % block_size;
	uint64_t header = page % segment_size == 0 ? LONG_HEADER_SIZE : SHORT_HEADER_SIZE;

	return inserted - page == header ? page : inserted;
}
