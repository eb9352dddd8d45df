#include "admin/report.h"

#include <string.h>

#include "backend/pool.h"
#include "backend/quota.h"
#include "backend/settings.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "session/listen.h"
#include "session/session.h"
#include "session/visit.h"
#include "topo/topology.h"

enum { REPORT_BLOCK_SIZE = 16 << 10 };

/* ---- pools ---- */

static void tell_pool(struct report *report, const struct pool *pool, uint64_t now_us)
{
	const struct err *failure = &pool->last_failure;
	const struct quota *quota = pool->permits.quotas[PERMIT_POOL];

	report->pools[report->pool_count++] = (struct report_pool){
		.node = arena_strdup(&report->arena, pool->node), .database = arena_strdup(&report->arena, pool->database),
		.user = arena_strdup(&report->arena, pool->user), .idle = pool->idle.count, .lent = pool->lent.count,
		.opening = pool->opening.count, .cleaning = pool->cleaning.count + pool->retiring.count, .waiting = pool->waiting.count,
		.size_max = __atomic_load_n(&quota->limit, __ATOMIC_RELAXED), .used = __atomic_load_n(&quota->used, __ATOMIC_RELAXED),
		.opened_total = pool->opened_count, .failed_total = pool->failed_count, .lent_total = pool->lent_count,
		.wait_total = pool->wait_count, .wait_us = pool->wait_us,
		.last_failure = failure->code ? arena_strdup(&report->arena, failure->message) : NULL,
		.unreachable = failure->code == ERR_CONNECT || failure->code == ERR_BACKEND_LOST,
		.aside_us = pool->aside.until_us > now_us ? pool->aside.until_us - now_us : 0,
	};
	memcpy(report->pools[report->pool_count - 1].statements, pool->statements, sizeof(pool->statements));
}

static void tell_backends(struct report *report, const struct pool *pool, const struct list *list, uint64_t now_us)
{
	LIST_EACH(list, node) {
		const struct backend *backend = CONTAINER_OF(node, struct backend, place);
		const struct session *holder = backend->state == BACKEND_LENT && backend->leg ? backend->held_by : NULL;

		report->backends[report->backend_count++] = (struct report_backend){
			.node = arena_strdup(&report->arena, pool->node), .database = arena_strdup(&report->arena, pool->database),
			.user = arena_strdup(&report->arena, pool->user), .state = backend->apart ? backend->apart : backend_state_name(backend->state),
			.tx_status = backend->tx_status, .pid = backend->cancel_pid, .session = holder ? holder->number : 0,
			.dirty = backend->dirty, .prepared = backend->prepared.count, .queries = backend->queries,
			.age_us = now_us - backend->opened_us,
		};
	}
}

static void tell_pools(struct report *report, const struct worker *worker, unsigned wanted)
{
	uint64_t now_us = loop_now_us(worker->loop);
	size_t backends = 0;

	report->pools = arena_calloc(&report->arena, worker->pools.all.count + 1, sizeof(*report->pools));
	LIST_EACH(&worker->pools.all, node) {
		const struct pool *pool = CONTAINER_OF(node, struct pool, place);

		tell_pool(report, pool, now_us);
		backends += pool_count(pool);
	}
	if (!(wanted & REPORT_BACKENDS))
		return;
	report->backends = arena_calloc(&report->arena, backends + 1, sizeof(*report->backends));
	LIST_EACH(&worker->pools.all, node) {
		const struct pool *pool = CONTAINER_OF(node, struct pool, place);
		const struct list *lists[] = { &pool->opening, &pool->idle, &pool->lent, &pool->cleaning, &pool->retiring, &pool->apart };

		for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
			tell_backends(report, pool, lists[i], now_us);
	}
}

/* ---- sessions ---- */

static const char *pins_text(struct arena *arena, unsigned pins)
{
	static const struct { unsigned pin; const char *name; } names[] = {
		{ PIN_TEMPORARY, "temporary tables" }, { PIN_ADVISORY, "advisory locks" }, { PIN_CURSOR, "cursors" }, { PIN_LISTEN, "listen" },
		{ PIN_SETTINGS, "settings" }, { PIN_MODE, "pool_mode" },
	};
	const char *text = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (pins & names[i].pin)
			text = arena_printf(arena, "%s%s%s", text, *text ? ", " : "", names[i].name);
	return text;
}

static const char *shards_text(struct arena *arena, const struct session *session)
{
	const char *text = "";

	LIST_EACH(&session->legs, node) {
		const struct leg *leg = CONTAINER_OF(node, struct leg, place);
		const struct topology *topology = session->snapshot->topology;
		const struct database *database = &topology->databases[session->database];

		text = arena_printf(arena, "%s%s%s", text, *text ? ", " : "", topology->shards[database->shards[leg->shard]].name);
	}
	return text;
}

/* Whom the backends are known as on their nodes. */
static const char *server_pids_text(struct arena *arena, const struct session *session)
{
	const char *text = "";

	LIST_EACH(&session->legs, node) {
		const struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->backend)
			text = arena_printf(arena, "%s%s%u", text, *text ? ", " : "", leg->backend->cancel_pid);
	}
	return text;
}

static const char *copy(struct arena *arena, const char *text)
{
	return text ? arena_strdup(arena, text) : NULL;
}

static void tell_sessions(struct report *report, const struct worker *worker)
{
	static const char *const states[SESSION_STATE_COUNT_] = { "login", "ready", "working", "closed" };
	uint64_t now_us = loop_now_us(worker->loop);

	report->sessions = arena_calloc(&report->arena, worker->sessions.count + 1, sizeof(*report->sessions));
	LIST_EACH(&worker->sessions, node) {
		const struct session *session = CONTAINER_OF(node, struct session, place);

		report->sessions[report->sessions_told++] = (struct report_session){
			.number = session->number, .user = copy(&report->arena, session->user),
			.database = copy(&report->arena, session->database_name), .peer = arena_strdup(&report->arena, session_peer(session).text),
			.state = states[session->state], .pins = pins_text(&report->arena, session->pins),
			.shards = session->snapshot && session->database >= 0 ? shards_text(&report->arena, session) : "",
			.application_name = session->params ? copy(&report->arena, params_get(session->params, "application_name").data) : NULL,
			.server_pids = server_pids_text(&report->arena, session),
			.tx_status = session->tx_status, .channels = listen_count(session), .prepared = session->prepared.count,
			.settings = session->settings ? session->settings->count : 0, .legs = session->legs.count,
			.age_us = now_us - session->since_us, .statements = session->statements,
		};
	}
}

static enum report_doing doing(const struct session *session)
{
	if (session->state == SESSION_LOGIN)
		return DOING_LOGIN;
	if (session->state == SESSION_WORKING)
		return DOING_STATEMENTS;
	return session->tx_status == 'I' ? DOING_NOTHING : DOING_NOTHING_IN_TRANSACTION;
}

static void tell_sums(struct report *report, const struct worker *worker)
{
	report->sent_bytes = worker->counters.sent_bytes;
	LIST_EACH(&worker->sessions, node) {
		const struct session *session = CONTAINER_OF(node, struct session, place);

		report->doing[doing(session)]++;
		report->sent_bytes += session->stream.sent_bytes;
	}
}

static void tell_holds(struct report *report, const struct worker *worker)
{
	size_t position = 0;
	const char *name;
	enum hold what;

	report->holds = arena_calloc(&report->arena, worker->pools.holds.count + 1, sizeof(*report->holds));
	while (pools_next_hold(&worker->pools, &position, &what, &name))
		report->holds[report->hold_count++] = (struct report_hold){ what, arena_strdup(&report->arena, name) };
}

/* ---- a worker ---- */

static void tell(struct worker *worker, void *argument)
{
	struct reports *reports = argument;
	struct report *report = &reports->items[worker->index];

	report->engine = loop_engine_name(worker->loop);
	report->counters = worker->counters;
	for (size_t i = 0; i < STMT_KIND_COUNT_; i++)
		report->statements += worker->counters.statements[i];
	report->plan_hits = worker->plans.hits;
	report->plan_misses = worker->plans.misses;
	report->plans = worker->plans.plans.count;
	report->uptime_us = loop_now_us(worker->loop) - worker->started_us;
	report->session_count = worker->sessions.count;
	if (reports->wanted & (REPORT_POOLS | REPORT_BACKENDS))
		tell_pools(report, worker, reports->wanted);
	if (reports->wanted & REPORT_HOLDS)
		tell_holds(report, worker);
	if (reports->wanted & REPORT_SESSIONS)
		tell_sessions(report, worker);
	if (reports->wanted & REPORT_SUMS)
		tell_sums(report, worker);
}

static void prepare(struct reports *reports, const struct services *services, unsigned wanted)
{
	*reports = (struct reports){ .wanted = wanted, .count = services->worker_count };
	reports->items = mem_calloc(reports->count + 1, sizeof(*reports->items));
	for (unsigned i = 0; i < reports->count; i++)
		arena_init(&reports->items[i].arena, REPORT_BLOCK_SIZE);
}

void reports_init(struct reports *reports, struct services *services, unsigned wanted)
{
	prepare(reports, services, wanted);
	services_visit(services, tell, reports);
}

void reports_release(struct reports *reports)
{
	for (unsigned i = 0; i < reports->count; i++)
		arena_release(&reports->items[i].arena);
	mem_free(reports->items);
	*reports = (struct reports){ 0 };
}

static void release(void *argument)
{
	struct reports *reports = argument;

	reports_release(reports);
	mem_free(reports);
}

struct visit *reports_visit(struct services *services, unsigned wanted, const struct reports **ret_reports)
{
	struct reports *reports = mem_alloc(sizeof(*reports));

	prepare(reports, services, wanted);
	*ret_reports = reports;
	return visit_new(services, tell, reports, release);
}

bool reports_hold(const struct reports *reports, enum hold what, const char *name)
{
	const struct report *report = &reports->items[0];

	for (size_t i = 0; i < report->hold_count; i++)
		if (report->holds[i].what == what && strcmp(report->holds[i].name, name) == 0)
			return true;
	return false;
}

uint64_t reports_reads(const struct reports *reports, unsigned level, enum read_choice choice)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < reports->count; i++)
		sum += reports->items[i].counters.reads[level][choice];
	return sum;
}
