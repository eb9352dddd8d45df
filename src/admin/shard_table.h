/* shard_table: nanu.shard_table(table, key => column, placement => 'hash'): an empty table becomes a sharded one. */
#pragma once

#include "base/err.h"

struct admin;
struct call;
struct job;

must_use int admin_shard_table(struct admin *admin, struct job *job, const struct call *call);
