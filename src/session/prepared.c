/* prepared: the names that a session gave to statements and portals. */
#include "base/limits.h"
#include "base/mem.h"
#include "session/session.h"

static void prepared_free(struct prepared *prepared)
{
	if (!prepared)
		return;
	statement_unref(prepared->statement);
	plan_unref(prepared->plan);
	mem_free(prepared->name);
	mem_free(prepared);
}

struct prepared *prepared_find(struct session *session, struct slice name)
{
	return name.size ? map_get(&session->prepared, name) : session->unnamed;
}

struct prepared *prepared_add(struct session *session, struct slice name, struct statement *statement, struct plan *plan, struct slice sql,
			      bool from_sql)
{
	struct prepared *prepared = mem_calloc(1, sizeof(*prepared));

	prepared->name = mem_strndup(name.data, name.size);
	prepared->statement = statement_ref(statement);
	prepared->plan = plan_ref(plan);
	prepared->sql = sql;
	prepared->from_sql = from_sql;
	prepared_remove(session, name);
	if (name.size)
		map_set(&session->prepared, name, prepared);
	else
		session->unnamed = prepared;
	return prepared;
}

void prepared_remove(struct session *session, struct slice name)
{
	if (name.size) {
		prepared_free(map_remove(&session->prepared, name));
	} else {
		prepared_free(session->unnamed);
		session->unnamed = NULL;
	}
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
	buf_release(&portal->bind);
	mem_free(portal->name);
	mem_free(portal);
}

struct portal *portal_add(struct session *session, struct slice name)
{
	struct portal *portal = mem_calloc(1, sizeof(*portal));

	portal_remove(session, name);
	portal->name = mem_strndup(name.data, name.size);
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

void portals_clear(struct session *session)
{
	struct list_node *node;

	while ((node = list_first(&session->portals)))
		portal_free(session, CONTAINER_OF(node, struct portal, place));
}
