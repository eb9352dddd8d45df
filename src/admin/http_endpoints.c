#include "admin/http_endpoints.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/http.h"
#include "admin/metrics.h"
#include "admin/report.h"
#include "admin/scene.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/env.h"
#include "route/snapshot.h"
#include "session/visit.h"
#include "topo/config.h"

enum { SCENE_BLOCK_SIZE = 64 << 10, BODY_SIZE_MAX = 1 << 20, ERROR_SIZE = 256 };

enum { TAKES_DATABASE = 1, TAKES_SHARD = 2, TAKES_MAX_LAG = 4 };

static const char JSON[] = "application/json", EXPOSITION[] = "text/plain; version=0.0.4; charset=utf-8";

static const struct endpoint {
	const char *path;
	unsigned takes;                 /* parameters */
	unsigned wanted;                /* of REPORT_… */
	unsigned (*probe)(const struct scene *scene, const struct question *question, json_t *body);    /* NULL: metrics */
} all[] = {
	{ "/health", 0, REPORT_HOLDS, probe_health },
	{ "/ready", TAKES_DATABASE | TAKES_SHARD, REPORT_HOLDS, probe_ready },
	{ "/primary", TAKES_DATABASE | TAKES_SHARD, REPORT_HOLDS, probe_primary },
	{ "/replica", TAKES_DATABASE | TAKES_SHARD | TAKES_MAX_LAG, REPORT_HOLDS, probe_replica },
	{ "/metrics", 0, REPORT_HOLDS | REPORT_POOLS | REPORT_SUMS, NULL },
};

struct endpoints {
	struct http_source source;
	struct visit *overdue;          /* that some worker has not answered in time; NULL: all have */
	struct buf metrics;             /* as they were made last; empty: never */
	uint64_t metrics_us;            /* when that was */
};

struct endpoints *endpoints_new(const struct http_source *source)
{
	struct endpoints *endpoints = mem_calloc(1, sizeof(*endpoints));

	endpoints->source = *source;
	buf_init(&endpoints->metrics, METRICS_SIZE_MAX);
	return endpoints;
}

void endpoints_free(struct endpoints *endpoints)
{
	if (!endpoints)
		return;
	visit_unref(endpoints->overdue);
	buf_release(&endpoints->metrics);
	mem_free(endpoints);
}

/* ---- replies ---- */

static void page_json(struct page *page, unsigned status, json_t *body)
{
	char *text = json_dumps(body, JSON_INDENT(2) | JSON_ENSURE_ASCII);

	page->status = status;
	page->content_type = JSON;
	buf_init(&page->body, BODY_SIZE_MAX);
	if (text)
		buf_printf(&page->body, "%s\n", text);
	free(text);
	json_decref(body);
}

static void page_error(struct page *page, unsigned status, const char *hint, const char *format, ...) __attribute__((format(printf, 4, 5)));

static void page_error(struct page *page, unsigned status, const char *hint, const char *format, ...)
{
	char text[ERROR_SIZE];
	va_list args;
	json_t *body;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	body = json_pack("{s:s, s:[s]}", "status", "failed", "reasons", text);
	if (hint)
		json_object_set_new(body, "hint", json_string(hint));
	page_json(page, status, body);
}

/* ---- parameters ---- */

/* HTTP_OK, or the page is made. */
static unsigned read_parameters(const struct endpoint *endpoint, const struct request *request, struct question *question, struct page *page)
{
	static const char hint[] = "/ready and /primary take database and shard; /replica takes these and max_lag.";

	*question = (struct question){ 0 };
	for (size_t i = 0; i < request->parameter_count; i++) {
		const struct parameter *parameter = &request->parameters[i];

		if (endpoint->takes & TAKES_DATABASE && strcmp(parameter->name, "database") == 0 && !question->database) {
			question->database = parameter->value;
		} else if (endpoint->takes & TAKES_SHARD && strcmp(parameter->name, "shard") == 0 && !question->shard) {
			question->shard = parameter->value;
		} else if (endpoint->takes & TAKES_MAX_LAG && strcmp(parameter->name, "max_lag") == 0 && !question->lag_given) {
			question->lag_given = true;
			if (!duration_read(parameter->value, &question->lag_us_max)) {
				page_error(page, HTTP_BAD_REQUEST, "Write it as PostgreSQL does: 500ms, 5s, 1min.", "max_lag is no length of time");
				return HTTP_BAD_REQUEST;
			}
		} else {
			page_error(page, HTTP_BAD_REQUEST, hint, "a parameter is not known, or is given twice");
			return HTTP_BAD_REQUEST;
		}
	}
	if (!request->bad)
		return HTTP_OK;
	page_error(page, HTTP_BAD_REQUEST, hint, "there are too many parameters, or one has a zero byte in it");
	return HTTP_BAD_REQUEST;
}

/* ---- metrics ---- */

static void page_metrics(const struct endpoints *endpoints, struct page *page)
{
	page->status = HTTP_OK;
	page->content_type = EXPOSITION;
	buf_init(&page->body, METRICS_SIZE_MAX);
	buf_add_slice(&page->body, buf_slice(&endpoints->metrics));
}

static void make_metrics(struct endpoints *endpoints, const struct scene *scene, struct page *page)
{
	buf_clear(&endpoints->metrics);
	endpoints->metrics_us = scene->now_us;
	metrics_write(scene, &endpoints->metrics);
	if (!endpoints->metrics.failed) {
		page_metrics(endpoints, page);
		return;
	}
	buf_clear(&endpoints->metrics);
	page_error(page, HTTP_UNAVAILABLE, "There are too many nodes and databases for one page of metrics.",
		    "the metrics would be longer than %d MB", METRICS_SIZE_MAX >> 20);
}

static bool metrics_are_fresh(const struct endpoints *endpoints, uint64_t now_us)
{
	return endpoints->metrics.size && now_us < endpoints->metrics_us + METRICS_MS_MIN * UINT64_C(1000);
}

/* ---- answers ---- */

/* Every worker's report, or NULL; the page then says who is missing. */
static struct visit *ask_workers(struct endpoints *endpoints, unsigned wanted, const struct reports **ret_reports, struct page *page)
{
	struct visit *visit = endpoints->overdue;
	int missing = visit ? visit_wait(visit, 0) : -1;

	if (missing < 0) {
		visit_unref(visit);
		endpoints->overdue = NULL;
		visit = reports_visit(endpoints->source.services, wanted, ret_reports);
		missing = visit_wait(visit, HTTP_WORKER_MS_MAX);
		if (missing < 0)
			return visit;
		endpoints->overdue = visit;
	}
	page_error(page, HTTP_UNAVAILABLE, NULL, "worker %d has not answered for %d ms or longer", missing, HTTP_WORKER_MS_MAX);
	return NULL;
}

static void answer(struct endpoints *endpoints, const struct endpoint *endpoint, const struct question *question, struct scene *scene,
		   struct page *page)
{
	struct config *config = endpoints->source.config(endpoints->source.program);
	struct snapshot *snapshot = endpoints->source.snapshot(endpoints->source.program);
	json_t *body;

	scene->config = config;
	scene->snapshot = snapshot;
	if (endpoint->probe) {
		body = json_object();
		page_json(page, endpoint->probe(scene, question, body), body);
	} else {
		make_metrics(endpoints, scene, page);
	}
	snapshot_unref(snapshot);
	config_unref(config);
}

static const struct endpoint *find(const char *path)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i].path, path) == 0)
			return &all[i];
	return NULL;
}

void endpoints_answer(struct endpoints *endpoints, const struct request *request, bool left, struct page *ret_page)
{
	const struct endpoint *endpoint = find(request->path);
	struct scene scene = { .services = endpoints->source.services, .roles = endpoints->source.roles,
		.replication = endpoints->source.replication, .left = left, .now_us = env_system()->now_us(env_system()->world) };
	struct question question;
	struct arena arena;
	struct visit *visit;

	if (!endpoint) {
		page_error(ret_page, HTTP_NOT_FOUND, "There are /health, /ready, /primary, /replica and /metrics.", "there is no such page");
		return;
	}
	if (!request->reading) {
		page_error(ret_page, HTTP_BAD_METHOD, NULL, "only GET and HEAD");
		return;
	}
	if (read_parameters(endpoint, request, &question, ret_page) != HTTP_OK)
		return;
	if (!endpoint->probe && metrics_are_fresh(endpoints, scene.now_us)) {
		page_metrics(endpoints, ret_page);
		return;
	}
	visit = ask_workers(endpoints, endpoint->wanted, &scene.reports, ret_page);
	if (!visit)
		return;
	arena_init(&arena, SCENE_BLOCK_SIZE);
	scene.arena = &arena;
	answer(endpoints, endpoint, &question, &scene, ret_page);
	arena_release(&arena);
	visit_unref(visit);
}
