/* reads_token: nanu.token, and what another session's asks of this one's reads. See reads.h and token.h. */
#include <string.h>

#include "backend/users.h"
#include "base/mem.h"
#include "route/node_status.h"
#include "route/snapshot.h"
#include "session/own_settings.h"
#include "session/reads.h"
#include "session/session.h"

void reads_token_key(const struct session *session, uint8_t ret_key[TOKEN_KEY_SIZE])
{
	users_key(session->worker->services->users, "token", session->database_name, ret_key);
}

void reads_token_read(struct session *session)
{
	struct reads *reads = session->reads;
	const char *text = own_value(session, OWN_TOKEN);
	uint8_t key[TOKEN_KEY_SIZE];

	mem_free(reads->token);
	reads->token = NULL;
	if (!text || !text[0])
		return;
	reads->token = mem_alloc(sizeof(*reads->token));
	reads_token_key(session, key);
	if (token_read(key, text, reads->token, NULL) < 0)      /* set_config() may have been given anything */
		reads->token->count = 0;
	reads->token_open = UINT64_MAX;
}

static int token_lost(const struct session *session, int shard, struct err *err)
{
	err_set(err, ERR_WRONG_STATE, "the token speaks of changes that shard \"%s\" does not have", session_shard(session, shard)->name);
	err_hint(err, "They were lost when another node became its primary, or when it was restored. RESET nanu.token to read what there is.");
	return err->code;
}

/* The primary, asked since the token was given, has not come so far: nobody will. A token of a later timeline comes from a router that has heard of
 * another primary earlier, where it is not heard of for a while. */
static bool is_beyond(struct reads *reads, const struct token_position *position, const struct node_seen *primary)
{
	if (!position || primary->role != SEEN_PRIMARY || primary->sampled_us < reads_asked(reads))
		return false;
	return position->timeline <= primary->timeline || reads_now_us() >= reads_asked(reads) + READS_SURE_US_MAX;
}

/* As of when a replica of this shard shows all that the token saw: 1. 0: the primary has not been sampled since; the session is resumed. */
int reads_token_resolve(struct session *session, int shard, struct err *err)
{
	struct reads *reads = session->reads;
	struct node_status *primary = reads_primary(session, shard);
	const struct token_position *position;
	enum position_state state = POSITION_AHEAD;
	struct node_seen seen;

	if (!(reads->token_open >> shard & 1))
		return 1;
	seen = node_status_read(primary);
	position = token_find(reads->token, token_shard(session_shard(session, shard)->name), seen.system);
	reads->token_us[shard] = reads_asked(reads);
	/* Of other servers: the shard was made anew on these, and what the token saw is there, or came later. */
	if (seen.system && !position)
		state = POSITION_KNOWN;
	else if (position)
		state = node_status_position(primary, position->timeline, position->lsn, &reads->token_us[shard]);
	if (state == POSITION_KNOWN) {
		reads->token_open &= ~(UINT64_C(1) << shard);
		return 1;
	}
	if (state == POSITION_LOST || is_beyond(reads, position, &seen))
		return token_lost(session, shard, err);
	if (reads_now_us() >= reads_asked(reads) + READS_SURE_US_MAX) {
		err_set(err, ERR_NOT_NOW, "the primary of shard \"%s\" does not tell whether it has what the token saw", session_shard(session, shard)->name);
		err_hint(err, "Try again; SELECT * FROM nanu.replication tells how it is.");
		return err->code;
	}
	return reads_await(session, shard, reads_asked(reads), reads_asked(reads) + READS_SURE_US_MAX, err);
}

int reads_token(struct session *session, struct arena *arena, const char **ret_token, struct err *err)
{
	struct token token = { .count = session_shard_count(session) };
	uint8_t key[TOKEN_KEY_SIZE];
	uint64_t seen_us;

	if (!session->reads)
		reads_make(session);
	reads_ask_now(session);
	seen_us = session->reads->wrote_us > session->reads->read_us ? session->reads->wrote_us : session->reads->read_us;
	if (!reads_minds(session->reads))
		seen_us = reads_asked(session->reads);
	for (size_t i = 0; i < token.count; i++) {
		struct token_position *position = &token.positions[i];
		struct node_status *primary = reads_primary(session, (int)i);
		int rc = session->reads->token ? reads_token_resolve(session, (int)i, err) : 1;
		uint64_t sampled_us = 0;

		if (rc <= 0)
			return rc < 0 ? rc : OWN_WAITS;
		position->shard = token_shard(session_shard(session, (int)i)->name);
		position->system = node_status_read(primary).system;
		if (node_status_newest(primary, &position->timeline, &position->lsn, &sampled_us) && sampled_us >= seen_us &&
		    sampled_us >= session->reads->token_us[i] && position->system)
			continue;
		if (reads_now_us() >= reads_asked(session->reads) + READS_SURE_US_MAX) {
			err_set(err, ERR_NOT_NOW, "the primary of shard \"%s\" does not tell where it is",
				session_shard(session, (int)i)->name);
			err_hint(err, "Try again; SELECT * FROM nanu.replication tells how it is.");
			return err->code;
		}
		rc = reads_await(session, (int)i, reads_asked(session->reads), reads_asked(session->reads) + READS_SURE_US_MAX, err);
		return rc < 0 ? rc : OWN_WAITS;
	}
	reads_token_key(session, key);
	*ret_token = token_write(arena, key, &token);
	return 1;
}
