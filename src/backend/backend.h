/* backend: nanu's connection to one node, for one database and user.
 *
 * It belongs to its pool from its opening to its closing, and is lent to one holder (a session's leg) at a time. What it carries of a
 * session (settings, prepared copies) is written down here, so that the next holder knows. One worker's.
 *
 *            connected         authenticated        lent             handed back
 *  OPENING ────────────▶ LOGIN ─────────────▶ IDLE ────────▶ LENT ─────────────▶ IDLE
 *     │                    │                    ▲              │ something to undo
 *     │                    │                    ├── CLEANING ◀─┘
 *     │                    │                    └──▶ RETIRING (not needed; the node is told, and closes it)
 *     └────────────────────┴──── any error, any state ────▶ CLOSED
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/reply.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "net/address.h"
#include "net/stream.h"
#include "net/timer.h"

struct backend;
struct cancel;
struct node_login;
struct params;
struct pool;
struct settings;
struct statement;

enum backend_state { BACKEND_OPENING, BACKEND_LOGIN, BACKEND_IDLE, BACKEND_LENT, BACKEND_CLEANING, BACKEND_RETIRING, BACKEND_CLOSED,
	BACKEND_STATE_COUNT_ };

/* What the holder of a lent backend hears. */
struct backend_holder {
	enum reply_mode (*header)(struct backend *backend, char type, uint32_t size);
	int (*whole)(struct backend *backend, char type, struct slice body, struct err *err);
	void (*pass)(struct backend *backend, struct slice bytes);
	void (*read)(struct backend *backend);                  /* everything received in this turn's piece was handed over */
	void (*drained)(struct backend *backend);
	void (*lost)(struct backend *backend, const struct err *why);   /* it is CLOSED; the holder lets go of it */
	void (*opened)(struct backend *backend);                /* pool_open_apart(): it is LENT */
};

struct backend {
	struct stream stream;
	struct pool *pool;
	struct node_address address;    /* where it was opened: the pool's may be another by now */
	enum backend_state state;
	struct list_node place;         /* in the pool's list of its state */
	const struct backend_holder *holder;
	void *held_by;                  /* LENT: the holder's own */
	void *leg;                      /* LENT: the holder's record of this leg */
	struct reply reply;

	struct settings *settings;      /* what was SET on it */
	struct params *params;          /* what it reported */
	struct map prepared;            /* statement id (8 bytes) -> struct statement, each a reference */
	struct list prepared_order;     /* of struct prepared_copy, oldest first */
	uint64_t copies_made, copies_before;    /* ever; when it was lent */
	struct statement *unnamed;      /* what its unnamed statement is, or NULL */
	const char *apart;              /* opened for its holder alone, by pool_open_apart(): what for; or NULL */
	const char *replication;        /* its start-up parameter of this name, or NULL; then others are in `startup` */
	struct settings *startup;
	char tx_status;                 /* of the last ReadyForQuery: I, T, E */
	bool dirty;                     /* code was run that may have left something: it is reset before it is lent again */
	bool spoiled;                   /* something was done that nothing undoes: temporary tables (no temp_buffers after them), setseed() */
	struct cancel *cancel;          /* a request under way: the backend is not to be lent to somebody else yet */

	uint32_t cancel_pid, cancel_secret;
	struct node_login *login;       /* OPENING and LOGIN */
	struct timer timer;             /* IDLE: since too long, looked at when it fires; LENT: of no meaning; else: a deadline */
	uint64_t opened_us, idle_since_us;
	uint64_t queries;
	uint64_t generation;            /* of its pool when it was opened */
	uint64_t id;                    /* unique in its worker */
	uint64_t owner;                 /* for whom it was lent last; 0: nobody */
	struct err why;                 /* why it was closed, for whom it concerns */
};

/* Opens a connection; the pool hears of the end through pool_opened() or pool_lost(). */
struct backend *backend_open(struct pool *pool);
/* From IDLE: takes leave of the node, whose closing the connection is the end. Until then it counts, as the node counts it. */
void backend_retire(struct backend *backend);
/* Closes it now, whatever it was doing; its holder, if any, is not told. */
void backend_close(struct backend *backend, const struct err *why);
void backend_lose(struct backend *backend, const struct err *why);      /* the same, and its holder is told */
const char *backend_state_name(enum backend_state state);

void backend_send(struct backend *backend, struct slice bytes);
/* Keeps the node's own words (an ErrorResponse's body) for when it closes the connection, as it does after a FATAL error. */
void backend_keep_error(struct backend *backend, struct slice body);

/* The prepared copies on this backend. Adding one at BACKEND_STATEMENTS_MAX forgets the oldest: its Close message is appended to `out` (a
 * CloseComplete will come), and the caller gets its reference, to be restored should the server skip that message; else NULL. */
bool backend_has_prepared(const struct backend *backend, const struct statement *statement);
struct statement *backend_add_prepared(struct backend *backend, struct statement *statement, struct buf *out);
void backend_restore_prepared(struct backend *backend, struct statement *statement);
void backend_drop_prepared(struct backend *backend, const struct statement *statement);
void backend_forget_all_prepared(struct backend *backend);

/* Undoes what DISCARD ALL undoes, then offers it to the pool again. Prepared copies stay that were there when it was lent: others may have been read
 * under settings that nobody knew of. So do numbers of sequences, which are told to their owner alone. From LENT, idle, in no transaction. */
void backend_clean(struct backend *backend);
