/* explain: nanu.explain('…'): what the router makes of a statement, in lines for a person, before it costs anything. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct admin;
struct call;
struct fanout;
struct job;

must_use int admin_explain(struct admin *admin, struct job *job, const struct call *call);

/* How the rows of the shards become one answer, a line each, ended with newlines. */
void explain_merge(const struct fanout *fanout, struct buf *out);
