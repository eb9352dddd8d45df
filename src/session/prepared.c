/* prepared: the names that a session gave to statements and portals. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "session/session.h"

/* What a message says, as a text in the same memory as what it names. */
static char *text_behind(void *end, struct slice bytes)
{
	char *text = end;

	if (bytes.size)
		memcpy(text, bytes.data, bytes.size);
	text[bytes.size] = '\0';
	return text;
}

void prepared_free(struct prepared *prepared)
{
	if (!prepared)
		return;
	statement_unref(prepared->statement);
	plan_unref(prepared->plan);
	mem_free(prepared);
}

struct prepared *prepared_find(struct session *session, struct slice name)
{
	return name.size ? map_get(&session->prepared, name) : session->unnamed;
}

struct prepared *prepared_add(struct session *session, struct slice name, struct statement *statement, struct plan *plan, struct slice sql,
			      bool from_sql)
{
	struct prepared *prepared = mem_alloc(sizeof(*prepared) + name.size + 1);

	*prepared = (struct prepared){ .name = text_behind(prepared + 1, name) };
	prepared->statement = statement_ref(statement);
	prepared->plan = plan_ref(plan);
	prepared->sql = sql;
	prepared->from_sql = from_sql;
	prepared_put(session, prepared);
	return prepared;
}

void prepared_renew(struct session *session, struct prepared *prepared)
{
	struct plan *plan;

	if (prepared->plan->snapshot_version == session->snapshot->version && !session->redefined.size)
		return;
	plan = units_plan(session, prepared->sql);
	plan_unref(prepared->plan);
	prepared->plan = plan;
}

struct prepared *prepared_take(struct session *session, struct slice name)
{
	struct prepared *prepared = session->unnamed;

	if (name.size)
		return map_remove(&session->prepared, name);
	session->unnamed = NULL;
	return prepared;
}

void prepared_put(struct session *session, struct prepared *prepared)
{
	if (!prepared)
		return;
	prepared_remove(session, slice_of(prepared->name));
	if (prepared->name[0])
		map_set(&session->prepared, slice_of(prepared->name), prepared);
	else
		session->unnamed = prepared;
}

void prepared_remove(struct session *session, struct slice name)
{
	prepared_free(prepared_take(session, name));
}

void prepared_remove_all(struct session *session)
{
	size_t position = 0;
	struct slice name;
	void *prepared;

	while (map_next(&session->prepared, &position, &name, &prepared))
		prepared_free(prepared);
	map_release(&session->prepared);
}

void prepared_release(struct session *session)
{
	prepared_remove_all(session);
	prepared_free(session->unnamed);
	session->unnamed = NULL;
}

/* ---- texts that name them ---- */

struct renamed *renamed_new(const struct rewrite *rewrite, struct slice old_text, struct slice new_text, const char *name,
			    const char *copy)
{
	struct renamed *renamed = mem_calloc(1, sizeof(*renamed));

	renamed->refs = 1;
	renamed->rewrite = *rewrite;
	renamed->old = slice_make(mem_strndup(old_text.data, old_text.size), old_text.size);
	renamed->name = mem_strdup(name);
	snprintf(renamed->copy, sizeof(renamed->copy), "%s", copy);
	renamed->new = slice_make(mem_strndup(new_text.data, new_text.size), new_text.size);
	return renamed;
}

struct renamed *renamed_ref(struct renamed *renamed)
{
	if (renamed)
		renamed->refs++;
	return renamed;
}

void renamed_unref(struct renamed *renamed)
{
	if (!renamed || --renamed->refs > 0)
		return;
	mem_free((void *)(uintptr_t)renamed->old.data);
	mem_free((void *)(uintptr_t)renamed->new.data);
	mem_free(renamed->name);
	mem_free(renamed);
}

void renamed_copy(const char *copy, struct slice name, struct slice text, struct buf *out)
{
	size_t size = strlen(copy);

	for (size_t i = 0; i < text.size; i++) {
		buf_add_u8(out, (uint8_t)text.data[i]);
		if (text.data[i] != '"' || text.size - i < size + 2 || memcmp(text.data + i + 1, copy, size) != 0 || text.data[i + 1 + size] != '"')
			continue;
		buf_add_slice(out, name);
		i += size;
	}
}

void renamed_error(const struct renamed *renamed, bool utf8, struct slice body, struct buf *out)
{
	struct slice position = error_field(body, 'P'), name = slice_of(renamed->name), rest = body;
	size_t begin = frame_begin(out, 'E'), value = 0;

	for (size_t i = 0; i < position.size; i++)
		value = value * 10 + (size_t)(position.data[i] - '0');
	if (position.size) {
		renamed_copy(renamed->copy, name, slice_make(body.data, (size_t)(position.data - body.data)), out);
		buf_printf(out, "%zu", rewrite_position(&renamed->rewrite, renamed->old, renamed->new, utf8, value));
		rest.data = position.data + position.size;
		rest.size = (size_t)(body.data + body.size - rest.data);
	}
	renamed_copy(renamed->copy, name, rest, out);
	frame_end(out, begin);
}

/* ---- portals ---- */

struct portal *portal_find(struct session *session, struct slice name)
{
	LIST_EACH(&session->portals, node) {
		struct portal *portal = CONTAINER_OF(node, struct portal, place);

		if (slice_is(name, portal->name))
			return portal;
	}
	return NULL;
}

static void portal_free(struct session *session, struct portal *portal)
{
	list_remove(&session->portals, &portal->place);
	plan_unref(portal->plan);
	statement_unref(portal->statement);
	statement_unref(portal->prepares);
	renamed_unref(portal->renamed);
	buf_release(&portal->bind);
	mem_free(portal);
}

struct portal *portal_add(struct session *session, struct slice name)
{
	struct portal *portal = mem_alloc(sizeof(*portal) + name.size + 1);

	portal_remove(session, name);
	*portal = (struct portal){ .name = text_behind(portal + 1, name) };
	buf_init(&portal->bind, STATEMENT_SIZE_MAX);
	list_push_front(&session->portals, &portal->place);
	return portal;
}

void portal_remove(struct session *session, struct slice name)
{
	struct portal *portal = portal_find(session, name);

	if (portal)
		portal_free(session, portal);
}

void portals_lose(struct session *session)
{
	struct list_node *node = list_first(&session->portals);

	while (node) {
		struct portal *portal = CONTAINER_OF(node, struct portal, place);

		node = list_next(&session->portals, node);
		if (portal->kind == PORTAL_LEG || portal->kind == PORTAL_RENAMED)
			portal_free(session, portal);
	}
}

void portals_clear(struct session *session)
{
	struct list_node *node;

	while ((node = list_first(&session->portals)))
		portal_free(session, CONTAINER_OF(node, struct portal, place));
}
