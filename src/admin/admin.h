/* admin: the `nanu` schema: tables over the router's own state, and functions that change the topology.
 *
 * Tables are answered by SQLite over rows that the workers are asked for at that moment, so any SELECT works on them, also when every
 * node is down. Runs on the control plane's threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct arena;
struct buf;
struct config;
struct database;
struct job;
struct node;
struct replication_watch;
struct role_watch;
struct services;
struct snapshot;
struct topology;
struct users;

/* Answers at once; waits for nodes and changes the topology; waits for sessions. */
enum admin_lane { ADMIN_ANSWERS, ADMIN_CHANGES, ADMIN_WAITS, ADMIN_LANE_COUNT };

/* How a topology becomes the current one. Where several routers share the store, it is stored in any case. */
enum topology_change {
	CHANGE_ANNOUNCE,                /* statements are refused meanwhile: it is everybody's, of all routers, on return, or an error tells who lacks it */
	CHANGE_STORE,                   /* it is to stay: stored before it is anybody's */
	CHANGE_TAKE_BACK,               /* what was announced is not to be */
};

enum { ROUTER_NAME_SIZE = 192, ROUTER_ADDRESS_SIZE = 128 };

struct router_row {                     /* a router that shares the store */
	char name[ROUTER_NAME_SIZE];    /* NAME/INSTANCE */
	char address[ROUTER_ADDRESS_SIZE];
	int pid;
	uint64_t epoch;                 /* that it has confirmed */
	bool heard;                     /* from, lately */
	bool self;
};

struct store_view {                     /* what nanu.router and nanu.routers tell of the store */
	const char *kind;               /* "sqlite", "etcd" */
	const char *state;              /* "ok", or what is wrong */
	const struct router_row *routers;
	size_t router_count;
};

struct admin {                          /* what the program lets it see and do */
	const struct config *config;
	struct services *services;
	void *program;
	struct replication_watch *watch;
	struct role_watch *roles;
	enum admin_lane lane;           /* what the caller may do */
	bool (*stopping)(void *program);                        /* the router ends: who waits should stop */
	struct snapshot *(*snapshot)(void *program);            /* a new reference to the newest */
	/* Makes `topology` the current one on every worker. ERR_CONFLICT: changed meanwhile by someone else; follow() has what. */
	int (*change)(void *program, struct topology *topology, enum topology_change how, struct err *err);
	int (*follow)(void *program, struct err *err);          /* takes what other routers have stored */
	const char *me;                                         /* this router, as sharded_by says it */
	void (*store)(void *program, struct arena *arena, struct store_view *ret_view);         /* what is known; asks nobody */
	int (*forget_router)(void *program, const char *name, struct err *err);
	int (*restore_topology)(void *program, struct err *err);
	int (*refresh)(void *program, const char *database, struct err *err);           /* reads the database's schema anew */
	int (*reload)(void *program, struct err *err);          /* reads the configuration anew */
};

/* Answers job->sql (JOB_LOCAL): fills columns, values and tag. ADMIN_CHANGES or ADMIN_WAITS, and nothing was done, when it takes an admin of that lane.
 * Errors are SQL's: ERR_SYNTAX, ERR_UNDEFINED_TABLE, … */
must_use int admin_answer(struct admin *admin, struct job *job);

/* Whether `user` is one of admin_users. */
bool admin_is_admin(const struct config *config, const char *user);

/* Writes key='value' with quotes and backslashes made safe. */
void admin_conninfo_add(struct buf *out, const char *key, const char *value);

/* libpq's conninfo for nanu's own connection to a node; mem_free() it. */
char *admin_conninfo(const struct config *config, const struct node *node, const char *database);

/* Asks the database's home node with auth_query and adds the answer to `users`. 0 also when there is no such user. */
must_use int admin_fetch_secret(const struct config *config, const struct topology *topology, const struct database *database,
				const char *user, struct users *users, struct err *err);
