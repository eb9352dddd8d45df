/* session: a client's connection, from its start-up packet to its end. The inside of session/, shared by its files.
 *
 * A session takes the client's messages in *segments*: one simple Query, or the extended-protocol messages up to a Sync (or Flush). The
 * units of a segment run in order. Each needs one leg (a backend lent from the shard's pool) or several; consecutive units on the
 * same single leg are sent without waiting for each other. What the client must hear, in order, is the queue of *answers*.
 *
 *   input.c     bytes -> units                    legs.c      borrow, set up, give back backends
 *   units.c     unit -> plan -> legs, send        relay.c     backend messages -> answers -> client
 *   effects.c   what a finished statement changed: transaction, savepoints, pins; cursors.c: where each cursor is; carried.c: settings
 *   fan.c       one SELECT on several legs        spread.c    one definition, or COMMIT, on several legs
 *   local.c     the nanu schema                   login.c     start-up, authentication, cancel requests
 *   deadlines.c time-outs                         admission.c how many clients there may be
 *   listen.c    LISTEN                            replication.c who replicates
 *   peers.c     cancel requests for other routers     reads*.c, hedge.c   what replicas serve
 *   side.c      shop@replica, shop@primary        silence.c     replicas that have stopped to answer
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "backend/pool.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "net/stream.h"
#include "net/timer.h"
#include "proto/message.h"
#include "route/plan.h"
#include "session/worker.h"
#include "sql/rewrite.h"
#include "topo/config.h"

struct channels;
struct fan;
struct hearing;
struct job;
struct login;
struct node_status;
struct reads;
struct snapshot;
struct spread;

/*            start-up             authenticated         segment complete
 *  LOGIN ───────────────────────────────────▶ READY ◀───────────────────▶ WORKING
 *    └──────────────── any error, X, end of file, any state ──────────────▶ CLOSED
 */
enum session_state { SESSION_LOGIN, SESSION_READY, SESSION_WORKING, SESSION_CLOSED, SESSION_STATE_COUNT_ };

enum pin_reason {                            /* why a session keeps its backend between transactions */
	PIN_TEMPORARY = 1,              /* temporary tables */
	PIN_ADVISORY = 2,               /* session-level advisory locks */
	PIN_CURSOR = 4,                 /* WITH HOLD cursors */
	PIN_LISTEN = 8,                 /* the backend itself listens: by a function, or as the client has another encoding (listen.h) */
	PIN_SETTINGS = 16,              /* settings that could not be followed */
	PIN_MODE = 32,                  /* pool_mode = session */
	PIN_SEQUENCE = 64,              /* currval() and lastval() */
	PIN_RANDOM = 128,               /* setseed() */
};

struct tx_modes {                       /* as BEGIN and SET TRANSACTION have said */
	const char *isolation;          /* in lower case; NULL: the default */
	enum { TX_DEFAULT, TX_READ_ONLY, TX_READ_WRITE } access;
	enum { TX_NOT_SAID, TX_DEFERRABLE, TX_NOT_DEFERRABLE } deferrable;
};

/* ---- what a client prepared ---- */

enum replication { REPLICATION_NONE, REPLICATION_PHYSICAL, REPLICATION_DATABASE };

struct prepared {                       /* a name of this session (the unnamed statement too) */
	char *name;
	struct statement *statement;    /* the text and types, shared */
	struct plan *plan;              /* of the text (SQL PREPARE: of the inner statement) */
	struct slice sql;               /* of which `plan` is; in statement->text */
	bool from_sql;                  /* SQL PREPARE */
	bool reused;                    /* unnamed, and its text comes again: copies.c */
	uint64_t used_in;               /* the segment that first used its copy; 0: none yet */
};

/* A text that names a prepared statement, as the client wrote it and as the server has it: positions in errors are told of the first. */
struct renamed {
	unsigned refs;
	struct rewrite rewrite;
	struct slice old, new;          /* owned */
	char *name;                     /* as the client gave it */
	char copy[24];                  /* as the server has it */
};

enum portal_kind {
	PORTAL_LEG,                     /* stands on one leg's backend */
	PORTAL_RENAMED,                 /* only while Bind: SQL's own PREPARE or EXECUTE, sent with the copy's name, then on one leg */
	PORTAL_FAN,                     /* a fan-out: kept here until Execute */
	PORTAL_SPREAD,                  /* a definition, or the end of a transaction, on several legs */
	PORTAL_LOCAL,                   /* the router answers */
};

struct portal {                         /* what Bind made */
	struct list_node place;
	char *name;
	enum portal_kind kind;
	int shard;                      /* PORTAL_LEG: index among the database's shards */
	struct plan *plan;              /* references: the prepared statement may go before the portal does */
	struct statement *statement;
	struct slice sql;               /* in statement->text */
	struct buf bind;                /* FAN, LOCAL: the Bind message's body */
	uint64_t shards;                /* FAN */
	bool done;                      /* SPREAD: it was executed, and had no rows */
	struct statement *prepares;     /* LEG: of a PREPARE; a reference */
	struct renamed *renamed;        /* LEG: a reference */
};

/* ---- legs ---- */

enum leg_state {
	LEG_WAITING,                    /* for its pool */
	LEG_SETTING_UP,                 /* its answers to set-up queries are awaited */
	LEG_READY,
	LEG_LOST,
};

struct leg {
	struct session *session;
	struct list_node place;
	int shard;                      /* index among the database's shards */
	struct node_status *replica;    /* that it was borrowed from: reads.h; NULL: from the primary */
	struct node_status *node;       /* whose load it is counted with: the replica, or the primary that takes its turn among these; or NULL. A reference */
	uint64_t since_us;              /* when it was asked for; 0: for a transaction block, whose pauses are the client's */
	enum leg_state state;
	struct backend *backend;        /* NULL while waiting, and when lost */
	struct pool_wait wait;
	unsigned setup_left;            /* ReadyForQuery that end set-up queries */
	unsigned char choice;           /* enum read_choice: why the primary's was borrowed, where reads may be replicas' */
	bool trial;                     /* the first that is borrowed of a replica since it failed */
	bool in_tx;                     /* a transaction block is open on it */
	bool failed;                    /* and has failed */
	bool answered;                  /* a replica's: it cannot begin again elsewhere: something was answered, or a portal stands */
	bool bound;                     /* the same: a Bind was answered since it was ready last */
	bool begin;                     /* it is to begin a transaction of its own */
	bool needs_sync;                /* extended-protocol messages were sent without Sync */
	bool executed;                  /* an Execute among them: an implicit transaction is open */
	bool told;                      /* and the server has answered more than Parse; or will not fail any more before it does */
	bool listens;                   /* its backend does, of the session's statements */
	bool leaderless;                /* WAITING, for its shard to have a primary: primaries.h; `wait` has its place and timer */
	bool wrote;                     /* and what may have changed data was answered: Sync commits it */
	bool working;                   /* fan, spread: its ReadyForQuery is awaited */
	bool refused;                   /* LOST: the server refused what the session carries */
	bool hedged;                    /* another replica may be asked too, or was: hedge.h */
	bool spent;                     /* a replica's: it refused a read, which is to run elsewhere; or its transaction block has ended */
	bool paused;                    /* not read, because the client or the merge is behind */
	bool looked;                    /* something in the transaction block has taken a snapshot there, or set its modes */
	struct settings *base;          /* what the backend had SET when its transaction began */
	struct err *err;                /* or NULL: of the set-up, or why it was lost */
};

/* ---- answers ---- */

enum answer_kind {
	ANSWER_QUERY,                   /* everything up to ReadyForQuery */
	ANSWER_PARSE, ANSWER_BIND, ANSWER_DESCRIBE, ANSWER_EXECUTE, ANSWER_CLOSE,
	ANSWER_SYNC,
	ANSWER_TEXT,                    /* nothing is awaited: `text` is sent when its turn comes */
};

struct answer {
	enum answer_kind kind;
	uint32_t unit;                  /* whose answer it is, in the segment */
	bool hidden;                    /* the client does not hear it, unless it fails */
	bool refused;                   /* it is to fail, unheard: what the router refused must fail the server's transaction too.
	                                 * SYNC: after such a refusal, whatever the server says */
	uint32_t item;                  /* QUERY: statements of the text that have completed */
	uint32_t text_offset, text_size;        /* TEXT: in session->texts */
	struct plan *plan;              /* QUERY, EXECUTE: whose effects follow; a reference */
	struct statement *statement;    /* PARSE: what is parsed; BIND, DESCRIBE: whose copy is named; CLOSE: the copy that goes, to be there still if
					 * this is skipped; a reference */
	bool copy;                      /* PARSE: it became a named copy on the backend */
	bool registered;                /* PARSE: and a name of the session, which must go when it fails */
	struct slice statement_name;    /* in the segment's arena */
	bool automatic;                 /* of a simple query that was not sent as it was written */
	bool as_parse;                  /* DESCRIBE: of a copy that is there already, in place of a Parse, which it answers */
	bool owes_parse;                /* when it succeeds, ParseComplete is to be said before it */
	bool first_use;                 /* BIND, DESCRIBE: the client has not heard of that copy's columns before this segment */
	struct slice held;              /* DESCRIBE: the ParameterDescription, until the server has said the rest; there too */
	struct prepared *before;        /* what had that name, to be had again if this is skipped; owned */
	struct renamed *renamed;        /* the text was not sent as the client wrote it; a reference */
};

struct savepoint {                      /* and what was set when it was made */
	char *name;
	struct settings *settings;
	struct settings *local;         /* by SET LOCAL; NULL: nothing */
	struct channels *channels;      /* LISTEN; NULL: none */
};

struct session {
	struct stream stream;
	struct worker *worker;
	struct list_node place;         /* in worker->sessions */
	enum session_state state;
	uint32_t number, secret;        /* the cancel key */
	int database;                   /* index in the snapshot's topology; -1 before it is known */
	struct login *login;            /* while LOGIN */
	unsigned side;                  /* enum side: whom it chose to be served by */
	char *user, *database_name;
	uint8_t peer_address[16], peer_family;  /* AF_INET, AF_INET6; 0: it has none */
	in_port_t peer_port;            /* in network order */
	struct snapshot *snapshot;      /* of the transaction under way, else the worker's */
	uint64_t since_us, segment_us;
	uint64_t statements;
	struct timer timer;
	const struct policy *policy;    /* of its database and user, once it has logged in; shared: worker_policy() */
	bool started, logged_in;        /* what admission.h counts it as */
	bool has_deadlines, query_timed_out;
	uint64_t idle_since_us, query_since_us, tx_since_us;

	/* input */
	struct buf in;
	size_t in_used;                 /* bytes of `in` that the segment has taken */
	uint32_t copy_left;             /* bytes of a CopyData or large Bind message still to come, for the current leg */
	uint32_t drop_left;             /* bytes of a message that was refused, still to come */
	bool copy_in;                   /* CopyData goes straight through */
	bool copy_sync_owed;            /* Sync was held back behind a COPY FROM STDIN */
	bool copy_broken;               /* something else came within it: the server says so and closes, and so does the session */

	/* segment */
	struct arena arena;             /* one segment's lifetime */
	struct unit *units;
	uint32_t unit_count, unit_at;
	uint64_t segment;               /* its number, from 1 */
	bool parse_owed;                /* a Parse was not sent: its ParseComplete is said when the next answer shows that it would have succeeded */
	bool as_written;                /* this unit is a simple query that cannot be prepared */
	bool rewinding;                 /* back to an earlier unit: the server is still to be ready */
	bool skipping;                  /* after an error, up to Sync */
	bool flushed;                   /* the segment before this ended without a Sync: its portals are still there */
	bool failed;                    /* this segment had an error */
	bool job_pending;
	bool ready_owed;                /* ReadyForQuery waits for the fresh catalog, or for settings to be mended */
	bool settles;                   /* a setting changes, or a transaction block ends: the next unit waits until it has, as it may be read otherwise */
	struct later resume;
	struct answer *answers;         /* a ring */
	uint32_t answer_first, answer_count, answer_capacity;
	struct buf texts;
	struct buf reports;             /* ParameterStatus to be sent before ReadyForQuery */
	struct params *reported;        /* what the client had been told before these */
	struct leg *current;            /* the leg whose messages answer the queue */
	struct fan *fan;
	struct spread *spread;
	struct plan *planned;           /* a simple query's that waits for a backend: it is not planned twice; a reference, or NULL */
	uint64_t planned_shards;
	uint64_t refreshed_version;     /* a catalog was asked for because of this segment's text */

	/* legs and transaction */
	struct list legs;
	struct tx_modes tx_modes;       /* of the transaction block under way, or of the last one */
	struct buf tx_begin;            /* the same as what begins the transaction on another leg: "BEGIN ISOLATION LEVEL …" */
	int tx_write_shard;             /* -1: none yet */
	char tx_status;                 /* as the client knows it: I, T, E. T without legs: BEGIN was answered, and is still to be sent */
	bool tx_snapshot;               /* REPEATABLE READ or SERIALIZABLE */
	bool definitions;               /* this transaction changed the schema: refresh the catalog at its end */
	struct err *tx_error;           /* or NULL: why the transaction was lost while nobody listened */
	struct err *lost_error;         /* or NULL: why an implicit transaction was lost so, after an Execute and before its Sync */
	struct savepoint *savepoints;
	uint32_t savepoint_count;
	struct buf redefined;           /* names that they changed: plan_context.redefined */

	/* what it carries */
	struct settings *initial;       /* from the start-up packet: what RESET goes back to */
	struct settings *settings;      /* now */
	struct settings *committed;     /* at the last commit: what a rollback goes back to */
	struct settings *local;         /* SET LOCAL in this transaction */
	const struct shape *repairs;    /* while a statement asks for its leg: that statement, by itself; or NULL */
	struct settings *learned;       /* while the backend is asked what it carries */
	struct params *params;          /* what the client was told */
	unsigned pins;                  /* of enum pin_reason */
	bool probe_pins;                /* ask the backend what of them is left */
	bool probing;
	bool repairing;                 /* `settings` lack what the statement under way is to change, as the server refused it */
	uint64_t leaderless_us;         /* since when it waits for a primary; 0: it does not */
	uint64_t owner;                 /* as pools know it */
	uint64_t sequence_backend;      /* id of the one on which the session last may have drawn from a sequence; 0: none */
	uint64_t backend_wanted;        /* while a leg is borrowed: that one or none */
	struct map prepared;            /* name -> struct prepared */
	struct prepared *unnamed;
	struct list portals;
	struct list cursors;            /* that SQL declared: cursors.c */
	struct hearing *hearing;        /* or NULL: listen.h */
	struct reads *reads;            /* or NULL: all that it reads is the primary's */
	struct backend *relayed;        /* of who replicates: replication.h; or NULL */
	enum replication replication;   /* what the start-up packet asked for */
};

enum unit_kind { UNIT_QUERY, UNIT_PARSE, UNIT_BIND, UNIT_DESCRIBE, UNIT_EXECUTE, UNIT_CLOSE, UNIT_SYNC, UNIT_FLUSH, UNIT_FUNCTION };

struct unit {
	enum unit_kind kind;
	size_t offset, size;            /* the whole message, header included, in session->in: which grows, and so may move */
	uint32_t left;                  /* bytes of it that are still to come: of a BIND they are passed on (bind.c), else dropped */
	bool too_large;                 /* it is refused */
};

static inline struct slice unit_raw(const struct session *session, const struct unit *unit)
{
	return slice_make(session->in.data + unit->offset, unit->size);
}

static inline struct slice unit_body(const struct session *session, const struct unit *unit)
{
	return slice_make(session->in.data + unit->offset + FRAME_HEADER_SIZE, unit->size - FRAME_HEADER_SIZE);
}

/* session.c */
struct peer { char text[64]; };
struct peer session_peer(const struct session *session);                /* where the client is, as people read it: address:port */
struct slice session_address(const struct session *session);            /* the bytes of its IP address; empty: it has none */
void session_new(struct worker *worker, int fd);
void session_close(struct session *session);                            /* now, without a word */
void session_finish(struct session *session);                           /* when what was said has been sent */
void session_fatal(struct session *session, const struct err *err);     /* FATAL, then the end */
void session_cancel(struct session *session);                           /* what it runs, or waits for */
void session_cut(struct session *session, const struct err *err);       /* without a word: the client has the beginning of a message, and would take it for the rest */
void session_terminate(struct session *session, const struct err *err); /* one of the two */
void session_check_memory(struct session *session);                     /* after an event of its own: it ends, if memory has become short by it */
void session_write(struct session *session, struct slice bytes);
void session_write_buf(struct session *session, struct buf *buf);       /* and clears it */
void session_report(struct session *session, struct params *params, struct slice message);     /* a ParameterStatus, for before ReadyForQuery */
void session_forget_reports(struct session *session);                   /* what was not told yet is not told */
bool session_standard_strings(const struct session *session);
bool session_own_encoding(const struct session *session);       /* client_encoding is the server's encoding */
const struct database *session_database(const struct session *session);
size_t session_shard_count(const struct session *session);
const struct shard *session_shard(const struct session *session, int shard);    /* an index among the database's shards */
struct plan_context session_plan_context(const struct session *session);
void session_resume(struct session *session);                           /* go on with the segment at the end of this turn */
void session_renew(struct session *session);                            /* takes the worker's newest snapshot */
void session_configure(struct session *session);                        /* the worker's configuration is a new one */
void session_pause_source(struct session *session);                     /* backends stop while the client is behind */
void session_equip(struct session *session);                            /* with what it needs while it works */
void session_rest(struct session *session);                             /* without, until there is something to do again */

/* login.c */
void login_start(struct session *session);
void login_received(struct session *session);
void login_free(struct login *login);
void login_answered(struct session *session, struct job *job);
void login_backend(struct session *session);                            /* a leg is there, or failed */
void login_held(struct session *session);                               /* what it waits for may be paused now */

/* input.c */
void input_received(struct session *session, const char *data, size_t size);
void input_go(struct session *session);                                 /* starts the next segment, if one is there */
void input_done(struct session *session);                               /* the segment is over */
void input_copy(struct session *session);                               /* COPY FROM STDIN has begun, or its leg has drained */
void input_pass(struct session *session, uint32_t left);                /* that many bytes go to the current leg as they come */
void input_drop(struct session *session, uint32_t left);                /* that many bytes are for nobody */

/* units.c */
void units_go(struct session *session);                                 /* as far as it can go */
void units_fail(struct session *session, const struct err *err);        /* ErrorResponse; the rest of the segment is skipped */
void units_lost(struct session *session, struct leg *leg, const struct err *err);       /* in the middle of its answers; NULL: nothing is lost */
struct plan *units_plan(struct session *session, struct slice sql);     /* a new reference */

/* prepared.c */
struct prepared *prepared_find(struct session *session, struct slice name);
struct prepared *prepared_add(struct session *session, struct slice name, struct statement *statement, struct plan *plan, struct slice sql,
			      bool from_sql);
void prepared_renew(struct session *session, struct prepared *prepared);        /* plans it anew if what its plan was made for has changed */
void prepared_remove(struct session *session, struct slice name);
struct prepared *prepared_take(struct session *session, struct slice name);     /* out of the session; NULL when there is none */
void prepared_put(struct session *session, struct prepared *prepared);          /* back, instead of what has its name; NULL is allowed */
void prepared_free(struct prepared *prepared);
void prepared_remove_all(struct session *session);                      /* not the unnamed one */
void prepared_release(struct session *session);                         /* everything */
struct renamed *renamed_new(const struct rewrite *rewrite, struct slice old_text, struct slice new_text, const char *name,
			    const char *copy);
struct renamed *renamed_ref(struct renamed *renamed);           /* NULL is allowed */
void renamed_unref(struct renamed *renamed);                    /* NULL is allowed */
void renamed_error(const struct renamed *renamed, bool utf8, struct slice body, struct buf *out);       /* an ErrorResponse, mended */
void renamed_copy(const char *copy, struct slice name, struct slice text, struct buf *out);     /* the text, with "copy" become "name" */
struct portal *portal_find(struct session *session, struct slice name);
struct portal *portal_add(struct session *session, struct slice name);  /* replaces the unnamed one */
void portal_remove(struct session *session, struct slice name);
void portals_lose(struct session *session);             /* those that stand on backends; the router's own stay */
void portals_clear(struct session *session);

/* answers.c */
static inline struct answer *answers_at(const struct session *session, size_t i)       /* the i-th that is awaited */
{
	return &session->answers[(session->answer_first + i) % session->answer_capacity];
}
struct answer *answers_push(struct session *session, enum answer_kind kind);
struct answer *answers_head(struct session *session);
void answers_pop(struct session *session);
/* Said at once when nothing is awaited, and then NULL; else the answer that will say it. */
struct answer *answers_text(struct session *session, struct slice bytes);
struct answer *answers_empty(struct session *session, char type);      /* the same, of a message without a body */
/* What has to be undone when the Parse or Close that `answer` is of is skipped; NULL: it has been answered already. Takes `before`. */
void answers_note_undo(struct session *session, struct answer *answer, struct slice name, struct statement *registered, struct prepared *before);
void answers_skip_to_sync(struct session *session);                     /* after an error */
void answers_take_back(struct session *session);                        /* those before Sync: what they are of is to be sent again */
/* Its Parse, PREPARE or Close did not happen; `tried`: it failed, rather than being skipped. */
void answers_undo(struct session *session, struct answer *answer, bool tried);
void answers_clear(struct session *session);
enum { ANSWERS_FIRST_CAPACITY = 16 };

/* legs.c */
void leg_add_copy(struct leg *leg, struct statement *statement, struct buf *out);       /* notes it, and what has to go for it */
/* Changes settings among extended-protocol messages: as one more statement of their implicit transaction. */
void leg_settings_within(struct leg *leg, const struct settings *from, const struct settings *to);
void leg_close_copy(struct leg *leg, struct statement *statement);
struct leg *leg_find(struct session *session, int shard);
/* Makes every shard of the set a leg that is ready. 1: they are; 0: not yet, units_go() will be called again; negative: cannot be had. */
must_use int legs_want(struct session *session, uint64_t shards, bool begin, struct err *err);
/* A transaction block has begun within a pipeline: what its legs have done before belongs to it, as on a server, if there was no Sync. */
void legs_begin(struct session *session);
struct pool *legs_pool(struct session *session, int shard, struct err *err);     /* of its primary. NULL: ERR_CONNECT */
struct pool *legs_pool_at(struct session *session, int node, bool replica, struct err *err);    /* the same, of any node of the topology */
uint64_t legs_shards(const struct session *session);    /* those that have a leg */
void leg_send(struct leg *leg, struct slice bytes);
void legs_finish(struct session *session);              /* the segment is over: give back what is not kept */
struct leg *legs_to_probe(const struct session *session);       /* that can tell what its statements left; one that ran code before others; or NULL */
void legs_drop(struct session *session);                /* the session ends: close or give back */
bool legs_mend(struct session *session);                /* the leg of this segment is to carry what its session does; true: it is being set up */
void legs_mended(struct session *session);              /* what waited for legs_mend() goes on */
void leg_end_wait(struct leg *leg, const struct err *why);      /* for a backend; it is LOST */
void leg_release(struct leg *leg, bool healthy);
struct leg *leg_new(struct session *session, int shard);
void leg_count(struct leg *leg, int node, bool replica);        /* it is about to be borrowed from that node, whose load it is part of from now on */
void leg_lent(struct leg *leg, struct backend *backend);        /* and is set up */
void leg_forget(struct leg *leg);                               /* it has no backend, or that is somebody else's now */
void leg_end_tx(struct leg *leg, bool committed);
void legs_discard_others(struct session *session, const struct leg *done);      /* DISCARD ALL ran on one: their pools do it on the others */
extern const struct backend_holder leg_holder;          /* relay.c */
must_use int leg_setup_message(struct leg *leg, char type, struct slice body);  /* 1: it was the set-up's; 0: not */
void leg_sync_hidden(struct leg *leg);                  /* a Sync whose ReadyForQuery nobody hears */
void leg_roll_back_hidden(struct leg *leg);             /* what it ran without a block, since its last Sync */
void leg_hide(struct leg *leg, const char *sql);        /* a query whose answer nobody hears; the leg is being set up until it came */

/* effects.c */
void effects_complete(struct session *session, struct leg *leg, const struct plan *plan, size_t item, struct slice tag);
/* The rows that were asked for have come, and the others may never be. */
void effects_suspended(struct session *session, struct leg *leg, const struct plan *plan);
/* What runs on this leg (NULL: on all) may change the session unseen: it is looked for when the transaction is over. */
void effects_dirty(struct session *session, const struct leg *only);
void effects_ready(struct session *session, char tx_status);            /* the client is ready for the next query: says so, or soon will */
void effects_begin(struct session *session, const struct shape *shape);
void effects_set_modes(struct session *session, const struct shape *shape);     /* SET TRANSACTION, before any leg is in the block */
void effects_end_tx(struct session *session, bool committed);
void effects_failed(struct session *session, const struct plan *plan, size_t item);

/* carried.c */
void carried_change(struct session *session, struct leg *leg, const struct shape *shape);       /* SET, RESET, set_config(), DISCARD ALL was done */
/* "psql - 10.0.0.1:5000", as PgBouncer says it: the name is cut to fit, and not the address. */
void carried_name(const struct session *session, const char *given, char *ret_name, size_t size);
/* The server has refused what the session carries. True: session->repairs is to be tried without what it changes, which is left out of
 * session->settings till then. */
bool carried_repair(struct session *session);
extern const char carried_probe_sql[];                                  /* one row: what is left of each pin; then the settings */
void carried_probed(struct session *session, struct backend *backend, struct slice row);
void carried_learned(struct session *session, struct leg *leg);         /* all rows have come */

/* cursors.c */
void cursors_note(struct session *session, const struct leg *leg, const struct shape *shape);   /* a DECLARE or CLOSE was done */
void cursors_end_tx(struct session *session);           /* those without WITH HOLD are gone */
void cursors_clear(struct session *session);
int cursors_shard(struct session *session, struct slice name);  /* that has the cursor; any, when nobody declared it */
int cursors_statement_shard(struct session *session, const struct shape *shape);        /* for what any shard could take, but for FETCH and CLOSE */

/* sequences.c */
/* As units_on(), for a statement that may call currval() or lastval(), or pg_listening_channels(). */
int sequences_on(struct session *session, const struct plan *plan, int shard, struct leg **ret_leg, struct err *err);
int sequences_refuse(struct err *err);
void sequences_drawn(struct session *session, const struct leg *leg, const struct plan_item *item);

/* fan.c */
enum fan_form { FAN_QUERY, FAN_EXECUTE };       /* with RowDescription and ReadyForQuery, or rows and CommandComplete only */
/* 1: done (never), 0: it waits, and the unit is over when it ends; negative: refused. */
must_use int fan_start(struct session *session, struct plan *plan, struct slice sql, const struct bind *bind,
		       const struct statement *statement, uint64_t shards, enum fan_form form, struct err *err);
enum reply_mode fan_header(struct session *session, struct leg *leg, char type);
int fan_message(struct session *session, struct leg *leg, char type, struct slice body, struct err *err);
void fan_read(struct session *session, struct leg *leg);
void fan_drained(struct session *session);
void fan_lost(struct session *session, struct leg *leg, const struct err *why);
bool fan_may_lose(const struct session *session);       /* a replica's leg, and the client hears nothing of that */
void fan_free(struct fan *fan);

/* spread.c */
enum { SPREAD_WAITS = 2 };                      /* to be run again: legs or answers are awaited */
must_use int spread_start(struct session *session, struct plan *plan, struct slice sql, bool extended, bool loose, struct err *err);
int spread_message(struct session *session, struct leg *leg, char type, struct slice body, struct err *err);
void spread_lost(struct session *session, struct leg *leg, const struct err *why);
void spread_free(struct spread *spread);

/* local.c */
enum local_form { LOCAL_QUERY, LOCAL_DESCRIBE_STATEMENT, LOCAL_DESCRIBE_PORTAL, LOCAL_EXECUTE };
must_use int local_start(struct session *session, struct slice sql, const struct bind *bind, const struct statement *statement,
			 enum local_form form, uint32_t row_max, struct err *err);
void local_answered(struct session *session, struct job *job);
void local_refresh(struct session *session);
void local_defined(struct session *session);            /* the same when this session has run definitions */
