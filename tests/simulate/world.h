/* world: a shard's members, a store, routers and their clients, in simulated time: what src/ha/decide.c decides in, and must hold in.
 *
 * Everything that can happen comes from one seed: the same seed is the same history. Time is in microseconds since the world began; each host has a
 * clock of its own, which starts anywhere and runs up to 1 % wrong.
 *
 * Hosts: one for each member (its agent, its node, its guard), the store's, one for each router. Messages take the time of their link, which may be
 * cut in one direction, slow, lossy; they may come twice. The stream from a node to its standbys is a connection: in order, and gone with either end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ha/decide.h"

enum {
	MEMBER_COUNT_MAX = 5, ROUTER_COUNT = 2, STORE = MEMBER_COUNT_MAX, ROUTERS = STORE + 1, HOST_COUNT = ROUTERS + ROUTER_COUNT,
	WAL_MAX = 9000, BRANCHES_MAX = 64, EPOCHS_MAX = 256, SECOND = 1000000, MS = 1000,
};

enum plant {                            /* bugs that the simulation must find */
	PLANT_NONE, PLANT_NO_EPOCH_CHECK, PLANT_LEASE_NOT_AWAITED, PLANT_NO_HISTORY, PLANT_NO_QUORUM, PLANT_VOUCHES_ALWAYS, PLANT_FORGETS_PROMISES, PLANT_COUNT,
};
extern const char *const plant_names[PLANT_COUNT];

enum lasting { LASTING_NOTHING, LASTING_HOST_DOWN, LASTING_LEADER_CUT_OFF, LASTING_COUNT };

struct branch { uint64_t epoch, begin; };       /* the WAL from `begin` on was written under this epoch */
struct chain { size_t count; struct branch branches[BRANCHES_MAX]; };

/* ---- node: a PostgreSQL ---- */

struct node {
	enum member_condition condition;
	bool clean;                     /* down, and was shut down */
	uint64_t stopping_until;        /* being shut down, and stopped then at the latest; 0: it is not */
	bool paused, disk_stalled;      /* SIGSTOP of all its processes; its fsync does not return */
	uint64_t stalled_at;
	uint64_t busy_until;            /* starting, promoting, rewinding; 0: it is not */
	uint64_t life, rewinds;         /* which of its lives it is; how often its WAL was cut back */
	uint32_t wal[WAL_MAX];          /* writes, by number */
	uint64_t flushed;               /* all of it that is on disk; what was not is gone after a crash */
	uint64_t written;
	struct chain chain;
	struct quorum waits_for;
	int upstream;                   /* LEADER_NOBODY: it receives nothing */
	uint64_t connection;            /* of its receiver; another one after each break */
	uint64_t received_at;           /* when anything came last */
	uint64_t acknowledged[MEMBER_COUNT_MAX];        /* a primary: what each standby has flushed, as it said on its present connection */
	uint64_t answered;              /* a primary: writes up to here were answered */
	bool half_done;                 /* rewinding: what is there is of no use until it is done */
};

/* ---- agent ---- */

struct agent {
	bool alive;
	uint64_t paused_until;
	uint64_t incarnation;           /* answers to another one are not heard */
	struct situation situation;
	struct memory memory;
	uint64_t frozen_kept;           /* what is on its disk */
	uint64_t guard_until;           /* the guard's, by the host's clock: it outlives the agent. 0: it guards nothing */
	uint64_t authority_until;       /* as decided last */
	uint64_t epoch_kept, change_kept;       /* on its disk, too */
	uint64_t asked_store_at, asked_members_at, asked_vouch_at, swap_at;
	uint32_t swap_electable;
	const char *why;
};

/* ---- router ---- */

struct router {
	int member;                     /* whom it has a permit of; LEADER_NOBODY: none */
	uint64_t epoch, permit_until;   /* by its own clock */
	uint64_t asked_at;
};

struct write {                          /* what a client was told of it */
	bool acknowledged;
	bool safe;                      /* it was on more than one node by what it waited for */
	bool late;                      /* somebody else had acknowledged under a later epoch: it must be in that one's history */
	uint64_t epoch, at;
};

struct host { int64_t offset; double rate; uint64_t paused_until; };

struct link { bool cut; uint64_t delay, jitter; double loss, twice; };

struct event;
struct happening;

struct world {
	uint64_t seed, random, now;
	enum plant plant;
	int member_count;
	struct profile profile;
	struct replication_rule rule;
	bool gentle;                    /* nothing in it may make a healthy primary lose */
	uint64_t gentle_us;             /* so long it may stand still */
	struct host hosts[HOST_COUNT];
	struct link links[HOST_COUNT][HOST_COUNT];
	struct node nodes[MEMBER_COUNT_MAX];
	struct agent agents[MEMBER_COUNT_MAX];
	struct router routers[ROUTER_COUNT];

	struct { struct leadership record; uint64_t revision; bool away; struct leadership copy, newest; uint64_t copy_revision, revision_max; } store;
	struct chain chains[EPOCHS_MAX];        /* of the shard's history, at each epoch that became writable */
	uint64_t chains_known;

	struct write writes[WAL_MAX];
	uint32_t write_count;
	uint64_t newest_acknowledged;   /* the latest epoch under which anything was */
	uint64_t last_acknowledged_at;
	unsigned elections, handovers, lost;
	uint64_t bound_us;              /* by then a healthy majority has a primary that acknowledges */
	uint64_t unsafe_until;          /* writes acknowledged before may be lost */
	bool over;                      /* what was broken is whole again; but for what lasts */
	enum lasting lasting;
	int cut_off;                    /* whom; with LASTING_LEADER_CUT_OFF */

	struct event *events;
	struct happening *happenings;   /* from 1 */
	size_t event_count, happening_count, happening_size, free_happening;
	uint64_t event_serial;
	bool loud;
	char violation[256];            /* "": none */
};

/* ---- world.c: time, chance, messages ---- */

uint64_t chance(struct world *world, uint64_t below);           /* below `below` */
bool happens(struct world *world, double probability);
uint64_t between(struct world *world, uint64_t least, uint64_t most);

struct message {
	int from, to;
	bool to_node;                   /* and not to the host's agent, router or store */
	uint64_t incarnation;           /* of whom it is an answer for; 0: of nobody's in particular */
	uint64_t asked_at;              /* by the asker's clock */
	uint64_t a, b;
	bool yes;
	struct leadership record;
	uint64_t revision;
	struct member_state state;
};

typedef void deliver(struct world *world, const struct message *message);
void at(struct world *world, uint64_t when, deliver *what, const struct message *message);
void tell(struct world *world, deliver *what, const struct message *message);     /* over the link */
bool step(struct world *world);                                 /* the next event; false: there is none */
uint64_t clock_of(const struct world *world, int host);
bool runs(const struct world *world, int host);                 /* it is not paused */
void say(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void violated(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- nodes.c ---- */

void nodes_begin(struct world *world);
void node_stop(struct world *world, int member, bool crash);
void node_shut_down(struct world *world, int member);           /* when its standbys have it all */
void node_start(struct world *world, int member, enum member_condition as);
void node_promote(struct world *world, int member, uint64_t epoch);
void node_receive_from(struct world *world, int member, int upstream);  /* LEADER_NOBODY: from nobody */
void node_rewind(struct world *world, int member, int source);
void node_wait_for(struct world *world, int member, const struct quorum *quorum);
uint64_t node_flushed(const struct world *world, int member, const struct leadership *record);     /* of the shard's history */
enum lineage node_lineage(const struct world *world, int member, const struct leadership *record);

/* ---- agents.c ---- */

void agents_begin(struct world *world);
void agent_start(struct world *world, int member);
void agent_kill(struct world *world, int member);
deliver permit_asked;                                           /* by a router */
deliver node_write;                                             /* nodes.c; by a router too */

/* ---- routers.c: the routers, their clients, and the store ---- */

void routers_begin(struct world *world);
deliver router_heard, router_permitted;
void store_read(struct world *world, const struct message *message, deliver *told);
void store_swap(struct world *world, const struct message *message, deliver *told);

/* ---- faults.c ---- */

void faults_begin(struct world *world, uint64_t until);         /* of all kinds, from now until then */
void faults_end(struct world *world);                           /* all is well again */
void fault_that_lasts(struct world *world);                     /* of a minority; or none */
