#include "session/slow.h"

#include <stdio.h>
#include <string.h>

#include "backend/statement.h"
#include "base/log.h"
#include "route/snapshot.h"
#include "session/session.h"

enum { TEXT_SIZE_MAX = 1200, NAME_TEXT_SIZE = 160 };

/* The text of the segment's first statement; `*ret_count`: how many there are. */
static struct slice statement_text(struct session *session, size_t *ret_count)
{
	struct slice text = { "", 0 };

	*ret_count = 0;
	for (size_t i = 0; i < session->unit_count; i++) {
		const struct unit *unit = &session->units[i];
		struct cursor cursor = cursor_of(unit->size ? unit_body(session, unit) : (struct slice){ "", 0 });
		struct slice found = { NULL, 0 }, name;
		const struct prepared *prepared;

		if (unit->kind == UNIT_QUERY) {
			found = cursor_cstr(&cursor);
		} else if (unit->kind == UNIT_BIND) {
			cursor_cstr(&cursor);
			name = cursor_cstr(&cursor);
			prepared = cursor.failed ? NULL : prepared_find(session, name);
			if (prepared)
				found = prepared->statement->text;
		} else if (unit->kind == UNIT_PARSE) {
			cursor_cstr(&cursor);
			found = cursor_cstr(&cursor);
		}
		*ret_count += unit->kind == UNIT_QUERY || unit->kind == UNIT_EXECUTE;
		if (!text.size && found.data)
			text = found;
	}
	return text;
}

static void shard_names(const struct session *session, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	LIST_EACH(&session->legs, node) {
		const struct shard *shard = session_shard(session, CONTAINER_OF(node, struct leg, place)->shard);
		int more = snprintf(out + used, size - used, "%s%s", used ? "," : "", shard->name);

		used += (size_t)more < size - used ? (size_t)more : 0;
	}
}

/* The whole characters of `text` that fit. */
static const char *quote(struct slice text, char *out, size_t size, char *copy, size_t copy_size)
{
	size_t end = text.size < copy_size - 1 ? text.size : copy_size - 1;

	while (end < text.size && end > 0 && ((unsigned char)text.data[end] & 0xc0) == 0x80)
		end--;
	memcpy(copy, text.data, end);
	copy[end] = '\0';
	return log_quote(copy, out, size);
}

void slow_log(struct session *session)
{
	uint64_t took_us = loop_now_us(session->worker->loop) - session->segment_us;
	char text[TEXT_SIZE_MAX], copy[TEXT_SIZE_MAX / 2], user[NAME_TEXT_SIZE], database[NAME_TEXT_SIZE], shards[NAME_TEXT_SIZE * 2];
	struct slice statement;
	size_t count;

	if (session->policy->log_min_duration_statement == SETTING_OFF || took_us < (uint64_t)session->policy->log_min_duration_statement * 1000)
		return;
	statement = statement_text(session, &count);
	if (!count)
		return;
	shard_names(session, shards, sizeof(shards));
	log_info("slow", "session=%u.%u peer=%s user=\"%s\" database=\"%s\" shards=%s duration_ms=%llu.%03llu failed=%s statements=%zu bytes=%zu"
		 " statement=\"%s\"", session->worker->index, session->number, session_peer(session).text,
		 log_quote(session->user, user, sizeof(user)), log_quote(session->database_name, database, sizeof(database)), shards,
		 (unsigned long long)took_us / 1000, (unsigned long long)took_us % 1000, session->failed ? "true" : "false", count,
		 statement.size, quote(statement, text, sizeof(text), copy, sizeof(copy)));
}
