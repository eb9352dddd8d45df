/* cursors: which shard has the cursor that DECLARE made, so that FETCH, MOVE, CLOSE and Describe find it.
 *
 * A name that is noted and gone on its server is refused there, as one server would refuse it. */
#include <string.h>

#include "base/mem.h"
#include "session/session.h"
#include "session/units.h"

struct cursor_place {
	struct list_node place;         /* in session->cursors */
	char *name;
	int shard;
	bool hold;                      /* WITH HOLD: it outlives its transaction */
};

static struct cursor_place *find(const struct session *session, struct slice name)
{
	LIST_EACH(&session->cursors, node) {
		struct cursor_place *cursor = CONTAINER_OF(node, struct cursor_place, place);

		if (slice_is(name, cursor->name))
			return cursor;
	}
	return NULL;
}

static void forget(struct session *session, struct cursor_place *cursor)
{
	list_remove(&session->cursors, &cursor->place);
	mem_free(cursor->name);
	mem_free(cursor);
}

void cursors_note(struct session *session, const struct leg *leg, const struct shape *shape)
{
	struct cursor_place *cursor;

	if (!shape->name || (shape->kind != STMT_DECLARE && shape->kind != STMT_CLOSE))
		return;
	cursor = find(session, slice_of(shape->name));
	if (cursor)
		forget(session, cursor);
	if (shape->kind == STMT_CLOSE || !leg)
		return;
	cursor = mem_calloc(1, sizeof(*cursor));
	cursor->name = mem_strdup(shape->name);
	cursor->shard = leg->shard;
	cursor->hold = shape->cursor_hold;
	list_push_front(&session->cursors, &cursor->place);
}

void cursors_end_tx(struct session *session)
{
	struct list_node *node = list_first(&session->cursors);

	while (node) {
		struct cursor_place *cursor = CONTAINER_OF(node, struct cursor_place, place);

		node = list_next(&session->cursors, node);
		if (!cursor->hold)
			forget(session, cursor);
	}
}

void cursors_clear(struct session *session)
{
	struct list_node *node;

	while ((node = list_first(&session->cursors)))
		forget(session, CONTAINER_OF(node, struct cursor_place, place));
}

int cursors_shard(struct session *session, struct slice name)
{
	const struct cursor_place *cursor = find(session, name);

	return cursor && leg_find(session, cursor->shard) ? cursor->shard : units_any_shard(session);
}

int cursors_statement_shard(struct session *session, const struct shape *shape)
{
	if (shape->name && (shape->kind == STMT_FETCH || shape->kind == STMT_CLOSE))
		return cursors_shard(session, slice_of(shape->name));
	return units_any_shard(session);
}
