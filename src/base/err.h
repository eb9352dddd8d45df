/* err: one table of everything that can go wrong, and the record that carries the details up.
 *
 * Functions return 0 or a negative `enum err_code`; a `struct err *`, always the last argument, receives message, detail
 * and hint in the words that a client will read. A NULL `struct err *` is allowed and only the code travels.
 * The SQLSTATEs are those of PostgreSQL 15, appendix A.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define must_use __attribute__((warn_unused_result))

/*        name                  SQLSTATE  text                                        retryable */
#define ERR_TABLE(X) \
	X(ERR_INTERNAL,          "XX000", "internal error",                             false) \
	X(ERR_NOMEM,             "53200", "out of memory",                              true)  \
	X(ERR_LIMIT,             "54000", "program limit exceeded",                     false) \
	X(ERR_IO,                "58030", "I/O error",                                  true)  \
	X(ERR_PROTOCOL,          "08P01", "protocol violation",                         false) \
	X(ERR_CONNECT,           "08001", "cannot connect to the node",                 true)  \
	X(ERR_BACKEND_LOST,      "08006", "connection to the node was lost",            true)  \
	X(ERR_UNKNOWN_OUTCOME,   "08007", "transaction resolution unknown",             false) \
	X(ERR_AUTH,              "28P01", "password authentication failed",             false) \
	X(ERR_AUTH_SPEC,         "28000", "invalid authorization specification",        false) \
	X(ERR_NO_DATABASE,       "3D000", "no such database",                           false) \
	X(ERR_POOL_FULL,         "53300", "too many connections",                       true)  \
	X(ERR_POOL_TIMEOUT,      "57014", "timed out waiting for a connection",         true)  \
	X(ERR_CANCELED,          "57014", "canceled",                                   true)  \
	X(ERR_SHUTDOWN,          "57P01", "the router is shutting down",                true)  \
	X(ERR_UNSUPPORTED,       "0A000", "not supported",                              false) \
	X(ERR_SYNTAX,            "42601", "syntax error",                               false) \
	X(ERR_UNDEFINED_TABLE,   "42P01", "no such table",                              false) \
	X(ERR_UNDEFINED_COLUMN,  "42703", "no such column",                             false) \
	X(ERR_UNDEFINED_FUNCTION,"42883", "no such function",                           false) \
	X(ERR_UNDEFINED_OBJECT,  "42704", "no such object",                             false) \
	X(ERR_UNDEFINED_STATEMENT,"26000","no such prepared statement",                 false) \
	X(ERR_DUPLICATE_STATEMENT,"42P05","prepared statement already exists",          false) \
	X(ERR_UNDEFINED_CURSOR,  "34000", "no such portal",                             false) \
	X(ERR_INVALID_VALUE,     "22023", "invalid parameter value",                    false) \
	X(ERR_INVALID_TEXT,      "22P02", "invalid text representation",                false) \
	X(ERR_OUT_OF_RANGE,      "22003", "value out of range",                         false) \
	X(ERR_NULL_KEY,          "23502", "null value in the shard key",                false) \
	X(ERR_TX_ABORTED,        "25P02", "current transaction is aborted",             false) \
	X(ERR_READ_ONLY,         "25006", "read-only transaction",                      false) \
	X(ERR_TX_STATE,          "25000", "invalid transaction state",                  false) \
	X(ERR_CONFIG,            "F0000", "configuration error",                        false) \
	X(ERR_WRONG_STATE,       "55000", "object not in prerequisite state",           false) \
	X(ERR_NOT_FOUND,         "02000", "not found",                                  false) \
	X(ERR_IDLE_SESSION,      "57P05", "idle session timeout",                       true)  \
	X(ERR_IDLE_IN_TX,        "25P03", "idle-in-transaction session timeout",        true)  \
	X(ERR_TX_TIMEOUT,        "25P04", "transaction timeout",                        true)  \
	X(ERR_PERMISSION,        "42501", "permission denied",                          false) \
	X(ERR_NOT_NOW,           "57P03", "cannot connect now",                         true)  \
	X(ERR_CONFLICT,          "40001", "changed meanwhile by someone else",          true)

enum err_code {
	ERR_TABLE_START_ = -1000,
#define X(name, sqlstate, text, retryable) name,
	ERR_TABLE(X)
#undef X
};

struct err {
	int code;                       /* 0 or enum err_code */
	char sqlstate[6];               /* of the code, unless err_sqlstate() chose another */
	char message[512];
	char detail[512];
	char hint[384];
};

/* Each fills `err` (when not NULL) and returns `code`, so that `return err_set(err, ERR_LIMIT, "…")` is one line. */
int err_set(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int err_memory(struct err *err);                /* ERR_NOMEM, as PostgreSQL says it */
void err_detail(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void err_hint(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void err_sqlstate(struct err *err, const char *sqlstate);

/* An error kept behind a pointer until somebody asks: most have none to keep. err_take() moves it to *ret and says whether there was one. */
void err_keep(struct err **place, const struct err *err);
bool err_take(struct err **place, struct err *ret);
void err_forget(struct err **place);

const char *err_code_name(int code);            /* "ERR_LIMIT" */
const char *err_code_sqlstate(int code);        /* "54000" */
const char *err_code_text(int code);
bool err_code_retryable(int code);
