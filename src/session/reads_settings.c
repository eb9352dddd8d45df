/* reads_settings: what a session's reads are to be like, of its settings, its policy and a statement's hint. See reads.h. */
#include <string.h>
#include <strings.h>

#include "base/duration.h"
#include "base/mem.h"
#include "place/hash.h"
#include "route/hint.h"
#include "session/own_settings.h"
#include "session/reads.h"
#include "session/samples.h"
#include "session/session.h"
#include "session/side.h"

enum { USERS_SIZE = 1 << 14 };

/* ---- whom nanu.user names ---- */

/* When somebody who may be this one was ready last after he wrote; users share a place now and then, which asks for more than is needed. */
static uint64_t users_wrote_us[USERS_SIZE];     /* atomic, each */

static uint64_t *user_place(const char *database, const char *user)
{
	uint64_t hash = hash_bytes_extended(user, strlen(user), hash_bytes_extended(database, strlen(database), 0));

	return &users_wrote_us[hash % USERS_SIZE];
}

void reads_user_wrote(uint64_t *place, uint64_t at_us)
{
	uint64_t before = __atomic_load_n(place, __ATOMIC_RELAXED);

	while (before < at_us && !__atomic_compare_exchange_n(place, &before, at_us, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/* ---- the settings ---- */

static const char *value_for(const struct session *session, const struct hint *hint, const char *name)
{
	const char *text = hint_value(hint, name);

	return text ? text : own_value(session, name);
}

static uint64_t duration_of(const struct session *session, const struct hint *hint, const char *name, unsigned initial_ms)
{
	const char *text = value_for(session, hint, name);
	uint64_t us = initial_ms * UINT64_C(1000);

	return text && !duration_read(text, &us) ? 0 : us;
}

/* -1: set_config() may have been given anything. */
static int read_level_of(const struct session *session, const struct hint *hint)
{
	const char *text = value_for(session, hint, OWN_CONSISTENCY);

	return text ? own_choice(consistency_names, text) : (int)session->policy->consistency;
}

enum consistency reads_level(const struct session *session, const struct hint *hint)
{
	int level = read_level_of(session, hint);

	return level < 0 ? CONSISTENCY_STRONG : (enum consistency)level;
}

void reads_read_settings(struct session *session, const struct hint *hint)
{
	const struct policy *policy = session->policy;
	struct reads *reads = session->reads;
	const char *fallback = value_for(session, hint, OWN_READ_FALLBACK), *user = own_value(session, OWN_USER);
	const char *isolation = own_value(session, "default_transaction_isolation"), *by = value_for(session, hint, OWN_READ_FROM);
	int read_level = read_level_of(session, hint);
	int read_from = by ? own_choice(read_from_names, by) : (int)policy->read_from;
	int read_fallback = fallback ? own_choice(read_fallback_names, fallback) : (int)policy->read_fallback;
	enum consistency before = reads->level;
	bool first = !reads->settings;

	reads->hinted = hint != NULL;
	settings_assign(&reads->settings, session->settings);
	settings_assign(&reads->local, session->local);
	reads->policy = policy;
	/* Where it is none, the primary serves. A standby knows nothing of SERIALIZABLE. */
	reads->level = read_level < 0 ? CONSISTENCY_STRONG : (enum consistency)read_level;
#ifdef NANU_TEST_LEVELS_ARE_EVENTUAL            /* what tests/history must find fault with */
	reads->level = CONSISTENCY_EVENTUAL;
#endif
	reads->by = read_from < 0 ? READ_FROM_PRIMARY : (enum read_from)read_from;
	/* Where strong reads are the replicas', nobody's are the primary's. */
	reads->chose_primary = reads->level == CONSISTENCY_STRONG ? policy->strong_reads == STRONG_READS_PRIMARY : reads->by == READ_FROM_PRIMARY;
	reads->primary = (isolation && strcasecmp(isolation, "serializable") == 0) || read_level < 0 || reads->chose_primary;
	reads->shares = policy->read_primary == TOGGLE_ON && reads->level != CONSISTENCY_STRONG && session->side != SIDE_REPLICA;
	if (reads->level != before && !first)   /* at another level several may have shown it what it has, and nobody noted when */
		reads_forget_shown(reads);
	reads->max_staleness_us = duration_of(session, hint, OWN_MAX_STALENESS, policy->max_staleness);
	reads->wait_us = duration_of(session, hint, OWN_READ_WAIT, policy->read_wait);
	reads->timeout_us = duration_of(session, NULL, "statement_timeout", 0);
	/* A replica may show a commit before the primary does: strong reads are all the replicas', or all the primary's. */
	reads->or_fails = read_fallback != READ_FALLBACK_PRIMARY || reads->level == CONSISTENCY_STRONG;
	if (reads->level == CONSISTENCY_STRONG && reads->wait_us < READS_SURE_US_MAX)
		reads->wait_us = READS_SURE_US_MAX;
	reads->user_wrote_us = user && user[0] ? user_place(session->database_name, user) : NULL;
	reads_token_read(session);
	reads->easy = !reads->primary && !reads->hinted && !reads_waits(reads);
}

void reads_make(struct session *session)
{
	session->reads = mem_calloc(1, sizeof(*session->reads));
	session->reads->session = session;
	reads_again_init(session->reads);
	if (session->statements) {
		reads_forget_shown(session->reads);
		session->reads->wrote_us = session->reads->read_us;
	}
}

void reads_begin(struct session *session)
{
	const struct policy *policy = session->policy;

	if (session->reads)
		session->reads->policy = NULL;  /* it is read anew */
	else if (policy->consistency != CONSISTENCY_STRONG || policy->strong_reads != STRONG_READS_PRIMARY || own_value(session, OWN_CONSISTENCY) ||
		 own_value(session, OWN_TOKEN) || own_value(session, OWN_USER))
		reads_make(session);
}

void reads_free(struct session *session)
{
	struct reads *reads = session->reads;

	if (!reads)
		return;
	samples_forget(session);
	settings_unref(reads->settings);
	settings_unref(reads->local);
	buf_release(&reads->held);
	mem_free(reads->read_from);
	mem_free(reads->token_us);
	mem_free(reads->token);
	mem_free(reads);
}

bool reads_outdated(const struct session *session)
{
	const struct reads *reads = session->reads;

	return reads->settings != session->settings || reads->local != session->local || reads->policy != session->policy;
}
