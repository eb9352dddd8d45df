/* query: answers one SELECT on the nanu schema: translated, its tables filled, run by SQLite.
 *
 * A database in memory for each statement, with the tables that it names. Bounded by ADMIN_ROWS_MAX, ADMIN_ANSWER_SIZE_MAX and
 * ADMIN_TIME_MS_MAX. No node is asked. On the control plane's thread.
 */
#pragma once

#include "base/err.h"

struct admin;
struct job;

/* Fills job's columns, described_types, and, unless describe_only, its values and tag. Errors as of translate(), and ERR_LIMIT, ERR_CANCELED. */
must_use int admin_query(struct admin *admin, struct job *job);
