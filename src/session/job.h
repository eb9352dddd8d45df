/* job: what a session asks of the control plane, whose thread may block: a fresh catalog, a user's verifier, an answer of the nanu schema.
 *
 * A session fills a job and hands it to services->submit(); the control plane fills the answer and posts the job back as a letter
 * to the worker's loop. The session may have gone meanwhile: it is found again by worker and number, never by pointer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "net/loop.h"

enum job_kind {
	JOB_REFRESH,                    /* read the catalogs anew and publish a snapshot */
	JOB_DEFINED,                    /* the same after definitions that this session has run: other routers are to do so, too */
	JOB_SECRET,                     /* fetch the verifier of `user` from a node into the users */
	JOB_RELOAD,                     /* read the configuration anew */
	JOB_FOLLOW,                     /* the store has another topology */
	JOB_ROLES,                      /* a node has another role than it had */
	JOB_LOCAL,                      /* run `sql` over the router's own state, or a nanu function */
};

struct local_column { const char *name; uint32_t type; };
struct local_param { struct slice bytes; int format; };         /* as Bind brought it; bytes.data NULL: NULL; format 1: binary */

struct job {
	struct letter letter;
	struct loop *loop;              /* where the answer goes; NULL: nobody waits for it */
	uint32_t session;               /* number of the session on that worker */
	enum job_kind kind;
	struct arena arena;             /* everything below lives here */

	const char *database, *user;
	const char *sql;
	const char *search_path;        /* as the session set it; NULL: the default */
	const char *role;               /* whom the session acts as */
	bool in_transaction;            /* the session is in one, or holds backends */
	bool in_block;                  /* the session is in a transaction block */
	bool only_reads;                /* its transactions are read-only */
	bool standard_strings;          /* the session's standard_conforming_strings */
	void *local;                    /* the session's own notes on what the answer is for */
	bool describe_only;
	size_t param_count;
	struct local_param *params;
	const uint32_t *param_types;    /* as Parse declared them; 0 where not */
	size_t param_type_count;

	int rc;                         /* the answer: 0 or negative with err */
	struct err err;
	uint32_t *described_types;      /* of the parameters: declared, or as the statement uses them */
	size_t described_count;
	struct local_column *columns;
	size_t column_count;
	const char **values;            /* row by row, as text; NULL: NULL */
	size_t row_count;
	const char *tag;                /* CommandComplete */
};

struct job *job_new(enum job_kind kind, struct loop *loop, uint32_t session);
void job_free(struct job *job);
