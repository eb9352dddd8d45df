/* fanout_check: whether an expression gives on each shard what it would give on one server, or why not.
 *
 * Functions are judged by the catalog: volatile ones never; STABLE ones only where they depend on nothing but their arguments and the
 * session's settings, which all shards share; the clock only in WHERE and join conditions. What reads tables, or belongs to one node,
 * is refused, and so is every name that the catalog does not know.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "route/fanout_tree.h"

struct scope;

enum check_place {
	CHECK_FILTER,                   /* WHERE, ON: the clock may be read */
	CHECK_VALUE,                    /* what the client sees or the merge works on */
};

/* Aggregates are refused in it: the caller takes those at the top of a target apart first. */
must_use int check_expression(const struct scope *scope, const PgQuery__Node *node, enum check_place place, struct err *err);

/* The same for what is a part of an expression, whose other parts may decide the type of a literal. */
must_use int check_operand(const struct scope *scope, const PgQuery__Node *node, enum check_place place, struct err *err);

/* The name of the built-in aggregate that `call` is, or NULL: it is none, or not one of PostgreSQL's alone. */
const char *check_aggregate(const struct scope *scope, const PgQuery__FuncCall *call);

/* "x is not supported in a query over several shards", with the common way out as its hint. Returns ERR_UNSUPPORTED. */
int check_refuse(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
