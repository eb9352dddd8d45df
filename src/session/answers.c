/* answers: what the client must hear, in order; the queue that backend messages are matched with. */
#include "base/mem.h"
#include "session/session.h"

struct answer *answers_head(struct session *session)
{
	return session->answer_count ? &session->answers[session->answer_first] : NULL;
}

static void grow(struct session *session)
{
	uint32_t capacity = session->answer_capacity ? session->answer_capacity * 2 : ANSWERS_FIRST_CAPACITY;
	struct answer *answers = mem_alloc(capacity * sizeof(*answers));

	for (size_t i = 0; i < session->answer_count; i++)
		answers[i] = *answers_at(session, i);
	mem_free(session->answers);
	session->answers = answers;
	session->answer_capacity = capacity;
	session->answer_first = 0;
}

struct answer *answers_push(struct session *session, enum answer_kind kind)
{
	struct answer *answer;

	if (session->answer_count == session->answer_capacity)
		grow(session);
	answer = answers_at(session, session->answer_count++);
	*answer = (struct answer){ .kind = kind, .unit = (uint32_t)session->unit_at, .owes_parse = session->parse_owed };
	session->parse_owed = false;
	return answer;
}

static void drop_head(struct session *session)
{
	struct answer *head = answers_head(session);

	plan_unref(head->plan);
	statement_unref(head->statement);
	prepared_free(head->before);
	renamed_unref(head->renamed);
	session->answer_first = (session->answer_first + 1) % session->answer_capacity;
	session->answer_count--;
}

static void say_texts(struct session *session)
{
	struct answer *head;

	while ((head = answers_head(session)) && head->kind == ANSWER_TEXT) {
		session_write(session, slice_make(session->texts.data + head->text_offset, head->text_size));
		drop_head(session);
	}
	if (!session->answer_count)
		buf_release(&session->texts);
}

void answers_pop(struct session *session)
{
	drop_head(session);
	say_texts(session);
}

struct answer *answers_text(struct session *session, struct slice bytes)
{
	struct answer *answer;
	size_t offset = session->texts.size;

	if (session->parse_owed) {      /* only where nothing else is awaited */
		session->parse_owed = false;
		session_write(session, SLICE_LIT("1\0\0\0\4"));
	}
	if (!session->answer_count) {
		session_write(session, bytes);
		return NULL;
	}
	buf_add_slice(&session->texts, bytes);
	answer = answers_push(session, ANSWER_TEXT);
	answer->text_offset = (uint32_t)offset;
	answer->text_size = (uint32_t)bytes.size;
	return answer;
}

struct answer *answers_empty(struct session *session, char type)
{
	const char message[5] = { type, 0, 0, 0, 4 };

	return answers_text(session, slice_make(message, sizeof(message)));
}

void answers_note_undo(struct session *session, struct answer *answer, struct slice name, struct statement *registered, struct prepared *before)
{
	if (!answer) {
		prepared_free(before);
		return;
	}
	answer->statement = registered ? statement_ref(registered) : NULL;
	answer->registered = registered != NULL;
	answer->statement_name = arena_slice(&session->arena, name);
	answer->before = before;
}

/* A copy that a skipped Parse should have made was not made; a name that it should have given is not given. */
void answers_undo(struct session *session, struct answer *answer, bool tried)
{
	struct backend *backend = session->current ? session->current->backend : NULL;

	if (answer->kind == ANSWER_CLOSE && answer->statement) {
		if (backend && !backend_has_prepared(backend, answer->statement))
			backend_restore_prepared(backend, answer->statement);
		return;
	}
	if (backend && answer->statement && backend->unnamed == answer->statement) {
		statement_unref(backend->unnamed);
		backend->unnamed = NULL;
	}
	if (backend && answer->copy)
		backend_drop_prepared(backend, answer->statement);
	if (answer->registered) {
		struct prepared *prepared = prepared_find(session, answer->statement_name);

		if (prepared && prepared->statement == answer->statement)
			prepared_remove(session, answer->statement_name);
	}
	if (tried)                      /* a Parse that fails has taken away the unnamed statement before it */
		return;
	prepared_put(session, answer->before);
	answer->before = NULL;
}

static void undo_to_sync(struct session *session, bool tried)
{
	size_t count = 0;

	for (; count < session->answer_count; count++) {
		enum answer_kind kind = answers_at(session, count)->kind;

		if (kind == ANSWER_SYNC || kind == ANSWER_QUERY)
			break;
	}
	for (size_t i = count; i-- > 0;)        /* the last first, as names may have changed hands more than once */
		answers_undo(session, answers_at(session, i), tried && i == 0);
	while (count-- > 0)
		drop_head(session);
}

void answers_skip_to_sync(struct session *session)
{
	undo_to_sync(session, true);
}

void answers_take_back(struct session *session)
{
	undo_to_sync(session, false);
}

void answers_clear(struct session *session)
{
	while (session->answer_count)
		drop_head(session);
	buf_release(&session->texts);
}
