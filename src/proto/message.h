/* message: the protocol's messages, written; and the few that the router reads whole.
 *
 * Pure. Source: PostgreSQL 15 documentation, chapter 55.7 "Message Formats", 55.8 "Error and Notice Message Fields".
 */
#pragma once

#include "proto/frame.h"

enum {
	PROTOCOL_VERSION_3 = 196608,
	CODE_CANCEL = 80877102,
	CODE_SSL = 80877103,
	CODE_GSS = 80877104,
};

/* Asks for TLS; answered with one byte, 'S' or 'N'. */
#define SSL_REQUEST SLICE_LIT("\0\0\0\10\4\322\26\57")

/* ---- start-up, read by the router and written by it to nodes ---- */

enum startup_kind { STARTUP_SESSION, STARTUP_SSL, STARTUP_GSS, STARTUP_CANCEL };

struct startup {
	enum startup_kind kind;
	uint32_t cancel_pid, cancel_secret;
	uint32_t version;               /* STARTUP_SESSION */
	struct slice parameters;        /* key, zero, value, zero, … : startup_next() walks them */
};

/* As frame_next(), for the messages before a session: no type byte. ERR_PROTOCOL says what is wrong. */
must_use int startup_read(struct slice in, struct startup *ret_startup, size_t *ret_size, struct err *err);
bool startup_next(struct slice *parameters, struct slice *ret_key, struct slice *ret_value);

/* `database`: or NULL. More parameters may be added with message_startup_parameter() before message_startup_end(). */
size_t message_startup(struct buf *buf, const char *user, const char *database);
void message_startup_parameter(struct buf *buf, const char *key, const char *value);
void message_startup_end(struct buf *buf, size_t begin);
void message_cancel(struct buf *buf, uint32_t pid, uint32_t secret);

/* ---- from the router to clients ---- */

enum auth_code { AUTH_CODE_OK = 0, AUTH_CODE_CLEARTEXT = 3, AUTH_CODE_MD5 = 5, AUTH_CODE_SASL = 10, AUTH_CODE_SASL_CONTINUE = 11,
	AUTH_CODE_SASL_FINAL = 12 };

void message_auth(struct buf *buf, enum auth_code code, struct slice rest);
void message_parameter(struct buf *buf, struct slice name, struct slice value);
void message_key_data(struct buf *buf, uint32_t pid, uint32_t secret);
void message_ready(struct buf *buf, char tx_status);
void message_error(struct buf *buf, const char *severity, const struct err *err);
void message_notice(struct buf *buf, const char *severity, const char *sqlstate, const char *text);
void message_complete(struct buf *buf, const char *tag);
void message_empty(struct buf *buf, char type);                 /* ParseComplete '1', BindComplete '2', … */

/* RowDescription: begin, a column at a time, end. */
size_t message_row_description_begin(struct buf *buf, uint16_t column_count);
void message_row_description_add(struct buf *buf, const char *name, uint32_t type, int16_t type_size, int32_t typmod, int16_t format);

/* ---- from the router to nodes ---- */

void message_query(struct buf *buf, const char *sql);
void message_parse(struct buf *buf, const char *name, struct slice sql, const uint32_t *types, size_t type_count);
void message_describe(struct buf *buf, char what, const char *name);    /* what: 'S' or 'P' */
void message_close(struct buf *buf, char what, const char *name);
void message_execute(struct buf *buf, const char *portal, uint32_t row_max);
void message_password(struct buf *buf, struct slice text);              /* 'p' with these bytes */

/* ---- read ---- */

/* The field `code` ('S', 'C', 'M', …) of an ErrorResponse's or NoticeResponse's body; empty when absent. */
struct slice error_field(struct slice body, char code);

struct column_description {
	struct slice name;
	uint32_t table;
	uint16_t attnum;
	uint32_t type;
	int16_t type_size;
	int32_t typmod;
	int16_t format;
};
/* Reads one column of a RowDescription; `cursor` stands behind the count. */
struct column_description row_description_next(struct cursor *cursor);

/* A Bind message, as far as routing needs it. Arrays point into the body, in network order. */
struct bind {
	struct slice portal, statement;
	uint16_t format_count;
	const char *formats;            /* uint16 each */
	uint16_t param_count;
	struct slice params;            /* int32 length (-1: NULL) and bytes, each */
	struct slice result_formats;    /* count and uint16 each, to the end */
};
must_use int bind_read(struct slice body, struct bind *ret_bind, struct err *err);
/* Of the beginning of a body: the values that have come whole, and no result_formats. False: not even their number has come. */
bool bind_read_part(struct slice part, struct bind *ret_bind);
/* Parameter `number` (from 1): false when NULL or not there. */
bool bind_param(const struct bind *bind, int number, struct slice *ret_value, int *ret_format);
