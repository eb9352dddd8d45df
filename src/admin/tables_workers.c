#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "admin/tables.h"
#include "net/env.h"
#include "route/snapshot.h"
#include "topo/config.h"
#include "topo/topology.h"

static const char *transaction_text(char tx_status)
{
	return tx_status == 'T' ? "open" : tx_status == 'E' ? "failed" : "none";
}

void fill_pools(struct filling *filling)
{
	for (unsigned i = 0; i < filling->reports->count; i++) {
		for (size_t j = 0; j < filling->reports->items[i].pool_count; j++) {
			const struct report_pool *pool = &filling->reports->items[i].pools[j];

			row_int(filling, i);
			row_text(filling, pool->node);
			row_text(filling, pool->database);
			row_text(filling, pool->user);
			row_size(filling, pool->idle);
			row_size(filling, pool->lent);
			row_size(filling, pool->opening);
			row_size(filling, pool->cleaning);
			row_size(filling, pool->waiting);
			row_int(filling, pool->size_max);
			row_int(filling, pool->used);
			row_size(filling, pool->opened_total);
			row_size(filling, pool->failed_total);
			row_size(filling, pool->lent_total);
			row_size(filling, pool->wait_total);
			row_size(filling, pool->wait_us / 1000);
			row_text(filling, pool->last_failure);
			if (pool->aside_us)
				row_size(filling, pool->aside_us / 1000 + 1);
			else
				row_null(filling);
			row_end(filling);
		}
	}
}

void fill_backends(struct filling *filling)
{
	for (unsigned i = 0; i < filling->reports->count; i++) {
		for (size_t j = 0; j < filling->reports->items[i].backend_count; j++) {
			const struct report_backend *backend = &filling->reports->items[i].backends[j];

			row_int(filling, i);
			row_text(filling, backend->node);
			row_text(filling, backend->database);
			row_text(filling, backend->user);
			row_int(filling, backend->pid);
			row_text(filling, backend->state);
			row_text(filling, transaction_text(backend->tx_status));
			if (backend->session)
				row_int(filling, backend->session);
			else
				row_null(filling);
			row_bool(filling, backend->dirty);
			row_size(filling, backend->prepared);
			row_size(filling, backend->queries);
			row_size(filling, backend->age_us / 1000);
			row_end(filling);
		}
	}
}

void fill_sessions(struct filling *filling)
{
	for (unsigned i = 0; i < filling->reports->count; i++) {
		for (size_t j = 0; j < filling->reports->items[i].sessions_told; j++) {
			const struct report_session *session = &filling->reports->items[i].sessions[j];

			row_int(filling, i);
			row_int(filling, session->number);
			row_int(filling, worker_pid(i, session->number));
			row_text(filling, session->user);
			row_text(filling, session->database);
			row_text(filling, session->peer);
			row_text(filling, session->application_name);
			row_text(filling, session->state);
			row_text(filling, transaction_text(session->tx_status));
			row_text(filling, session->pins);
			row_size(filling, session->channels);
			row_size(filling, session->prepared);
			row_size(filling, session->settings);
			row_size(filling, session->legs);
			row_text(filling, session->shards);
			row_text(filling, session->server_pids);
			row_size(filling, session->age_us / 1000);
			row_size(filling, session->statements);
			row_end(filling);
		}
	}
}

/* ---- counters ---- */

/* In the order of nanu.workers' columns behind uptime_ms. */
static const struct { const char *name; size_t offset; unsigned divisor; } counters[] = {
	{ "sessions", offsetof(struct report, session_count), 1 },
	{ "sessions_total", offsetof(struct report, counters.sessions_total), 1 },
	{ "statements", offsetof(struct report, statements), 1 },
	{ "transactions", offsetof(struct report, counters.transactions), 1 },
	{ "errors", offsetof(struct report, counters.errors), 1 },
	{ "refused", offsetof(struct report, counters.refused), 1 },
	{ "fanouts", offsetof(struct report, counters.fanouts), 1 },
	{ "replica_reads", offsetof(struct report, counters.replica_reads), 1 },
	{ "replica_retries", offsetof(struct report, counters.replica_retries), 1 },
	{ "hedged_reads", offsetof(struct report, counters.hedged_reads), 1 },
	{ "hedges_won", offsetof(struct report, counters.hedges_won), 1 },
	{ "rows_merged", offsetof(struct report, counters.rows_merged), 1 },
	{ "plan_hits", offsetof(struct report, plan_hits), 1 },
	{ "plan_misses", offsetof(struct report, plan_misses), 1 },
	{ "plans", offsetof(struct report, plans), 1 },
	{ "received_bytes", offsetof(struct report, counters.received_bytes), 1 },
	{ "sent_bytes", offsetof(struct report, sent_bytes), 1 },
	{ "statement_ms", offsetof(struct report, counters.statement_us), 1000 },
};

enum { COUNTER_COUNT = sizeof(counters) / sizeof(counters[0]) };

static uint64_t counter_of(const struct report *report, size_t counter)
{
	return *(const uint64_t *)(const void *)((const char *)report + counters[counter].offset);
}

static uint64_t uptime_ms(const struct reports *reports)
{
	return reports->count ? reports->items[0].uptime_us / 1000 : 0;
}

void fill_workers(struct filling *filling)
{
	for (unsigned i = 0; i < filling->reports->count; i++) {
		const struct report *report = &filling->reports->items[i];

		row_int(filling, i);
		row_text(filling, report->engine);
		row_size(filling, report->uptime_us / 1000);
		for (size_t j = 0; j < COUNTER_COUNT; j++)
			row_size(filling, counter_of(report, j) / counters[j].divisor);
		row_end(filling);
	}
}

void fill_stats(struct filling *filling)
{
	const struct admin_table *workers = &admin_tables[tables_find("workers")];

	row_text(filling, "uptime_ms");
	row_size(filling, uptime_ms(filling->reports));
	row_text(filling, "since the router began");
	row_end(filling);
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		uint64_t sum = 0;

		for (unsigned j = 0; j < filling->reports->count; j++)
			sum += counter_of(&filling->reports->items[j], i);
		row_text(filling, counters[i].name);
		row_size(filling, sum / counters[i].divisor);
		row_text(filling, workers->columns[workers->column_count - COUNTER_COUNT + i].description);
		row_end(filling);
	}
}

void fill_reads(struct filling *filling)
{
	for (unsigned level = 0; level < READ_LEVEL_COUNT; level++) {
		if (level == CONSISTENCY_SESSION)
			continue;
		for (size_t i = 0; i < READ_CHOICE_COUNT; i++) {
			const struct read_choice_name *name = &read_choice_names[i];

			row_text(filling, consistency_names[level]);
			row_text(filling, name->role);
			row_text(filling, name->reason);
			row_size(filling, reports_reads(filling->reports, level, name->choice));
			row_text(filling, name->description);
			row_end(filling);
		}
	}
}

void fill_router(struct filling *filling)
{
	uint64_t sessions = 0, up_ms = uptime_ms(filling->reports);

	for (unsigned i = 0; i < filling->reports->count; i++)
		sessions += filling->reports->items[i].session_count;
	row_text(filling, NANU_VERSION);
	row_int(filling, getpid());
	row_text(filling, arena_printf(filling->arena, "%s:%u", filling->config->listen_host, filling->config->listen_port));
	row_size(filling, env_system()->wall_us(env_system()->world) - up_ms * 1000);
	row_size(filling, up_ms);
	row_int(filling, filling->reports->count);
	row_size(filling, sessions);
	row_size(filling, filling->snapshot->topology->epoch);
	row_size(filling, filling->snapshot->version);
	row_text(filling, filling->store.kind);
	row_text(filling, filling->store.state);
	row_end(filling);
}

void fill_routers(struct filling *filling)
{
	for (size_t i = 0; i < filling->store.router_count; i++) {
		const struct router_row *row = &filling->store.routers[i];
		size_t name_size = strcspn(row->name, "/");

		row_text(filling, arena_strndup(filling->arena, row->name, name_size));
		row_text(filling, row->name[name_size] ? row->name + name_size + 1 : "");
		row_text(filling, row->address);
		row_int(filling, row->pid);
		if (row->heard)
			row_size(filling, row->epoch);
		else
			row_null(filling);
		row_bool(filling, row->heard);
		row_bool(filling, row->self);
		row_end(filling);
	}
}
