/* functions: what the nanu schema's SQL needs and SQLite has not, or has in a laxer form: checked arithmetic, casts, LIKE, LIMIT. */
#pragma once

#include <sqlite3.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct functions {                      /* one statement's; outlives its connection to SQLite */
	struct arena *arena;
	int64_t now_us;                 /* since 1970: now() is one moment */
	struct err err;                 /* why a function failed, in PostgreSQL's words; code 0: none did */
};

/* SQLITE_OK or SQLite's error. */
must_use int functions_add(sqlite3 *db, struct functions *functions);
