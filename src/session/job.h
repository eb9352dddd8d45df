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
#include "net/loop.h"

enum job_kind {
	JOB_REFRESH,                    /* read the catalogs anew and publish a snapshot */
	JOB_SECRET,                     /* fetch the verifier of `user` from a node into the users */
	JOB_LOCAL,                      /* run `sql` over the router's own state, or a nanu function */
};

struct local_column { const char *name; uint32_t type; };

struct job {
	struct letter letter;
	struct loop *loop;              /* where the answer goes */
	uint32_t session;               /* number of the session on that worker */
	enum job_kind kind;
	struct arena arena;             /* everything below lives here */

	const char *database, *user;
	const char *sql;
	void *local;                    /* the session's own notes on what the answer is for */
	bool describe_only;
	size_t param_count;
	const char **params;            /* as text; NULL: NULL */

	int rc;                         /* the answer: 0 or negative with err */
	struct err err;
	struct local_column *columns;
	size_t column_count;
	const char **values;            /* row by row, as text; NULL: NULL */
	size_t row_count;
	const char *tag;                /* CommandComplete */
};

struct job *job_new(enum job_kind kind, struct loop *loop, uint32_t session);
void job_free(struct job *job);
