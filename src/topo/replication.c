#include "topo/replication.h"

#include <ctype.h>
#include <string.h>

static const char *const mode_names[] = { [REPLICATION_ASYNC] = "async", [REPLICATION_SEMI_SYNC] = "semi-sync", [REPLICATION_SYNC] = "sync" };
static const char *const state_names[] = { [REPLICATION_OK] = "ok", [REPLICATION_DEGRADED] = "degraded", [REPLICATION_BLOCKED] = "blocked" };

const char *replication_mode_name(enum replication_mode mode)
{
	return mode_names[mode];
}

bool replication_mode_read(const char *name, enum replication_mode *ret_mode)
{
	for (int i = 0; i <= REPLICATION_SYNC; i++) {
		if (strcmp(name, mode_names[i]) != 0)
			continue;
		*ret_mode = (enum replication_mode)i;
		return true;
	}
	return false;
}

const char *replication_state_name(enum replication_state state)
{
	return state_names[state];
}

/* Behind `list`: "name", with what is in it doubled where it must be. */
static const char *add_name(struct arena *arena, const char *list, const char *name)
{
	char *quoted = arena_alloc(arena, 2 * strlen(name) + 1), *at = quoted;

	for (; *name; name++) {
		if (*name == '"')
			*at++ = '"';
		*at++ = *name;
	}
	*at = '\0';
	return arena_printf(arena, "%s%s\"%s\"", list, *list ? ", " : "", quoted);
}

void replication_slot(const char *name, char ret_slot[REPLICATION_SLOT_SIZE])
{
	size_t size = 0;

	for (; *name && size < REPLICATION_SLOT_SIZE - 1; name++) {
		unsigned char letter = (unsigned char)*name;

		ret_slot[size++] = isascii(letter) && isalnum(letter) ? (char)tolower(letter) : '_';
	}
	ret_slot[size] = '\0';
}

const char *replication_names(const struct replication_rule *replication, const char *const *replicas, const bool *streams, size_t count,
			      struct arena *arena, enum replication_state *ret_state)
{
	bool all = replication->mode == REPLICATION_SYNC;
	size_t wanted = all ? count : replication->count, streaming = 0;
	const char *list = "";

	*ret_state = REPLICATION_OK;
	if (replication->mode == REPLICATION_ASYNC)
		return "";
	for (size_t i = 0; i < count; i++)
		streaming += streams[i];
	if (streaming < wanted) {
		*ret_state = replication->degrades ? REPLICATION_DEGRADED : REPLICATION_BLOCKED;
		wanted = replication->degrades ? streaming : wanted;
	}
	/* Those that are to be waited for all must be those that stream; of any, the others may come back into it by themselves. */
	for (size_t i = 0; i < count; i++)
		if (!all || streams[i] || !replication->degrades)
			list = add_name(arena, list, replicas[i]);
	return wanted ? arena_printf(arena, "%s %zu (%s)", all ? "FIRST" : "ANY", wanted, list) : "";
}

const char *replication_list(const char *const *replicas, size_t count, unsigned wanted, bool all, struct arena *arena)
{
	const char *list = "";

	for (size_t i = 0; i < count; i++)
		list = add_name(arena, list, replicas[i]);
	return wanted ? arena_printf(arena, "%s %u (%s)", all ? "FIRST" : "ANY", wanted, list) : "";
}
