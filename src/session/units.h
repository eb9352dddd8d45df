/* units: shared by units.c, query.c (simple protocol) and extended.c (extended protocol). */
#pragma once

#include "session/session.h"

int units_route(struct session *session, const struct plan *plan, size_t item, struct slice sql, const struct bind *bind,
		const struct statement *statement, uint64_t *ret_shards, struct err *err);
int units_fresh(struct session *session, struct plan **plan, struct slice sql);
int units_join(struct session *session, uint64_t shards, const struct plan_item *item, struct err *err);
int units_on(struct session *session, int shard, struct leg **ret_leg, struct err *err);
must_use int units_abort(struct err *err);        /* 25P02, in PostgreSQL's words */
int units_aborted(struct session *session, const struct shape *shape, struct err *err);
/* Only ReadyForQuery is missing, and nothing hangs on it. */
bool units_all_answered(const struct session *session, const struct leg *leg);
/* The transaction has failed with its server process: no leg has part in it any more. */
bool units_tx_lost(const struct session *session);
const struct fingerprint *units_fingerprint(struct session *session, struct slice sql);        /* NULL: the lexer refuses the text */
/* The transaction is over, and nothing of it is kept: the backends that still have part in it are closed. */
void units_drop_tx(struct session *session);
/* After `rc` < 0 for a unit of `plan`: a COMMIT or ROLLBACK that could not be sent ends the transaction all the same. */
void units_check_end(struct session *session, const struct plan *plan, int rc);
/* A server that has part in the transaction must not commit what the router has refused a statement of: it is sent what cannot succeed, or its
 * connection is closed. `simple`: no Sync is to come. */
void units_fail_server(struct session *session, bool simple);
/* What a pipeline without a block runs on several shards is one transaction all the same. It commits last where it wrote, if anywhere: that leg becomes the
 * one that the client hears; the others commit before, or roll back, unheard. False: not before the answers that are awaited. */
bool units_end_parts(struct session *session, bool commit);
bool units_mid_segment(const struct session *session);  /* something was sent without a Sync: an implicit transaction is open */
int units_any_shard(const struct session *session);
void units_flush(struct session *session);

int query_run(struct session *session, const struct unit *unit, struct err *err);
int query_function(struct session *session, const struct unit *unit, int shard, struct err *err);
/* The end of a transaction that no leg, or a failed one, or several legs have a part in: 1 when it was seen to here; 0: send it as it is. */
int query_tx_end(struct session *session, struct plan *plan, struct slice sql, bool extended, struct err *err);
void query_say_tag(struct session *session, const char *tag, bool ready);

/* copies.c */
/* The statement for `text` (of which `sql` is the whole) as this session would have it read now; a new reference. */
struct statement *copies_statement(struct session *session, enum statement_form form, struct slice sql, struct slice text, const uint32_t *types,
				   size_t type_count);
bool copies_may_serve(const struct plan *plan);         /* an unnamed statement, as far as its kind goes */
bool copies_worthwhile(const struct statement *statement);      /* it comes again, and is known when it comes the next time */
/* Whether Parse of an unnamed statement need not go anywhere: it comes again, and what uses it next knows better where it goes. */
bool copies_parse_waits(const struct session *session, const struct plan *plan, const struct statement *statement);
bool copies_return_rows(const struct plan *plan);
bool copies_serve(const struct session *session, const struct leg *leg, const struct prepared *prepared);       /* by the copy's name, now */
/* Parse, where the backend has the copy already. Takes `before`, what had the name. */
void copies_parse(struct session *session, struct leg *leg, const struct prepared *prepared, struct prepared *before);
const char *copies_ensure(struct session *session, struct leg *leg, const struct prepared *prepared);   /* its name there */
void copies_used(struct session *session, struct prepared *prepared, struct answer *answer, struct slice name);         /* by that Bind or Describe */
/* Whether the error is of a copy that no longer fits, and can be kept from the client: the segment is run again from there. */
/* Back to the unit of the first answer, of which nothing has happened: the server is made ready for it, out of the client's hearing. */
void copies_take_back(struct session *session, struct leg *leg);
bool copies_heal(struct session *session, struct leg *leg, struct slice error);

/* automatic.c: the query as a prepared statement; false: it is to be sent as it is. */
bool automatic_send(struct session *session, struct leg *leg, struct plan *plan, struct slice sql);

/* names.c */
bool names_concern(const struct shape *shape);          /* a PREPARE, or it executes what one prepared */
int names_query(struct session *session, struct plan *plan, struct slice sql, struct err *err);
int names_deallocate_query(struct session *session, struct plan *plan, struct slice sql, struct err *err);
int names_deallocate(struct session *session, const struct shape *shape, struct err *err);      /* 1: done and said; 0: for the server to refuse */
/* The statement as an unnamed one on a leg, with the names that its copies have there. 1: sent; as units_on() otherwise. */
int names_parse(struct session *session, struct plan *plan, struct slice sql, struct leg **ret_leg, struct renamed **ret_renamed,
		struct statement **ret_prepares, struct err *err);
/* The Execute `raw` of a portal with a PREPARE; nothing is sent when the copy is there already. */
int names_execute_prepare(struct session *session, struct leg *leg, struct portal *portal, struct slice raw, struct err *err);
/* 1; ERR_TX_STATE, ERR_UNSUPPORTED: its modes come too late. */
must_use int query_begin_deferred(struct session *session, const struct shape *shape, struct err *err);
/* Whether a SET TRANSACTION is of a block that no server knows of yet: it begins there as it says. */
bool query_sets_modes(const struct session *session, const struct shape *shape);

/* Whether the router answers this statement, or runs it on several legs by its text, without any Parse on a node. */
enum portal_kind extended_kind(const struct session *session, const struct plan *plan);
int extended_parse(struct session *session, const struct unit *unit, struct err *err);
int extended_describe(struct session *session, const struct unit *unit, struct err *err);
int extended_execute(struct session *session, const struct unit *unit, struct err *err);
int extended_close(struct session *session, const struct unit *unit, struct err *err);
int extended_sync(struct session *session, struct err *err);

/* bind.c */
int extended_bind(struct session *session, const struct unit *unit, struct err *err);
/* Whether this beginning of a Bind message's body tells where its statement goes. */
bool bind_may_begin(struct session *session, struct slice part);
/* The Bind message with this `body`, with the name `copy` in place of the client's. NULL for `unit`: it is not the client's own. */
void bind_send(struct session *session, struct leg *leg, const struct bind *bind, const char *copy, const struct unit *unit, struct slice body);
/* A Bind or Describe (`kind`) of a statement that nobody prepared, for a server to refuse. */
int bind_unknown(struct session *session, const struct unit *unit, struct slice name, enum answer_kind kind, struct err *err);
