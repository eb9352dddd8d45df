/* scene: what the router knows of itself at one moment, for the answers that it gives over HTTP. Borrowed from whoever answers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct config;
struct reports;
struct replication_watch;
struct role_watch;
struct services;
struct snapshot;

struct scene {
	const struct config *config;
	const struct snapshot *snapshot;
	const struct services *services;
	struct role_watch *roles;
	struct replication_watch *replication;
	const struct reports *reports;  /* with REPORT_HOLDS; for metrics, with REPORT_POOLS and REPORT_SUMS too */
	uint64_t now_us;                /* of env_system()'s clock */
	bool left;                      /* another process has taken over */
	struct arena *arena;            /* for what lasts as long as the answer is made */
};
