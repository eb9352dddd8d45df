#include "proto/message.h"

#include <arpa/inet.h>

#include "base/limits.h"

/* ---- start-up ---- */

int startup_read(struct slice in, struct startup *ret_startup, size_t *ret_size, struct err *err)
{
	struct cursor cursor = cursor_of(in);
	uint32_t length = cursor_u32(&cursor), code = cursor_u32(&cursor);
	struct slice rest, key, value;

	*ret_size = 0;
	*ret_startup = (struct startup){ 0 };
	if (in.size >= 4 && (length < 8 || length > STARTUP_SIZE_MAX))
		return err_set(err, ERR_PROTOCOL, "invalid length of startup packet");
	if (in.size < 8 || in.size < length)
		return 0;
	*ret_size = length;
	cursor.end = in.data + length;
	if (code == CODE_SSL || code == CODE_GSS) {
		ret_startup->kind = code == CODE_SSL ? STARTUP_SSL : STARTUP_GSS;
		return 1;
	}
	if (code == CODE_CANCEL) {
		ret_startup->kind = STARTUP_CANCEL;
		ret_startup->cancel_pid = cursor_u32(&cursor);
		ret_startup->cancel_secret = cursor_u32(&cursor);
		return length != 16 ? err_set(err, ERR_PROTOCOL, "invalid length of cancel request") : 1;
	}
	ret_startup->kind = STARTUP_SESSION;
	ret_startup->version = code;
	if (code >> 16 != PROTOCOL_VERSION_3 >> 16)
		return err_set(err, ERR_UNSUPPORTED, "unsupported frontend protocol %u.%u: server supports 3.0 to 3.0", code >> 16,
			       code & 0xffff);
	ret_startup->parameters = slice_make(cursor.at, cursor_left(&cursor));
	rest = ret_startup->parameters;
	while (startup_next(&rest, &key, &value))
		;
	if (rest.size != 1 || rest.data[0] != '\0')
		return err_set(err, ERR_PROTOCOL, "invalid startup packet layout: expected terminator as last byte");
	return 1;
}

bool startup_next(struct slice *parameters, struct slice *ret_key, struct slice *ret_value)
{
	struct cursor cursor = cursor_of(*parameters);

	*ret_key = cursor_cstr(&cursor);
	if (cursor.failed || ret_key->size == 0)
		return false;
	*ret_value = cursor_cstr(&cursor);
	if (cursor.failed)
		return false;
	*parameters = slice_make(cursor.at, cursor_left(&cursor));
	return true;
}

void message_startup_parameter(struct buf *buf, const char *key, const char *value)
{
	buf_add_cstr(buf, key);
	buf_add_cstr(buf, value);
}

size_t message_startup(struct buf *buf, const char *user, const char *database)
{
	size_t begin = buf->size;

	buf_add_u32(buf, 0);
	buf_add_u32(buf, PROTOCOL_VERSION_3);
	message_startup_parameter(buf, "user", user);
	if (database)
		message_startup_parameter(buf, "database", database);
	return begin;
}

void message_startup_end(struct buf *buf, size_t begin)
{
	uint32_t length;

	buf_add_u8(buf, 0);
	if (buf->failed)
		return;
	length = htonl((uint32_t)(buf->size - begin));
	memcpy(buf->data + begin, &length, sizeof(length));
}

void message_cancel(struct buf *buf, uint32_t pid, uint32_t secret)
{
	buf_add_u32(buf, 16);
	buf_add_u32(buf, CODE_CANCEL);
	buf_add_u32(buf, pid);
	buf_add_u32(buf, secret);
}

/* ---- to clients ---- */

void message_auth(struct buf *buf, enum auth_code code, struct slice rest)
{
	size_t begin = frame_begin(buf, 'R');

	buf_add_u32(buf, code);
	buf_add_slice(buf, rest);
	frame_end(buf, begin);
}

void message_parameter(struct buf *buf, struct slice name, struct slice value)
{
	size_t begin = frame_begin(buf, 'S');

	buf_add_slice(buf, name);
	buf_add_u8(buf, 0);
	buf_add_slice(buf, value);
	buf_add_u8(buf, 0);
	frame_end(buf, begin);
}

void message_key_data(struct buf *buf, uint32_t pid, uint32_t secret)
{
	size_t begin = frame_begin(buf, 'K');

	buf_add_u32(buf, pid);
	buf_add_u32(buf, secret);
	frame_end(buf, begin);
}

void message_ready(struct buf *buf, char tx_status)
{
	const char message[] = { 'Z', 0, 0, 0, 5, tx_status };

	buf_add(buf, message, sizeof(message));
}

static void field(struct buf *buf, char code, const char *text)
{
	buf_add_u8(buf, (uint8_t)code);
	buf_add_cstr(buf, text);
}

void message_error(struct buf *buf, const char *severity, const struct err *err)
{
	size_t begin = frame_begin(buf, 'E');

	field(buf, 'S', severity);
	field(buf, 'V', severity);
	field(buf, 'C', err->sqlstate);
	field(buf, 'M', err->message);
	if (err->detail[0])
		field(buf, 'D', err->detail);
	if (err->hint[0])
		field(buf, 'H', err->hint);
	buf_add_u8(buf, 0);
	frame_end(buf, begin);
}

void message_notice(struct buf *buf, const char *severity, const char *sqlstate, const char *text)
{
	size_t begin = frame_begin(buf, 'N');

	field(buf, 'S', severity);
	field(buf, 'V', severity);
	field(buf, 'C', sqlstate);
	field(buf, 'M', text);
	buf_add_u8(buf, 0);
	frame_end(buf, begin);
}

void message_complete(struct buf *buf, const char *tag)
{
	size_t begin = frame_begin(buf, 'C');

	buf_add_cstr(buf, tag);
	frame_end(buf, begin);
}

void message_empty(struct buf *buf, char type)
{
	frame_end(buf, frame_begin(buf, type));
}

size_t message_row_description_begin(struct buf *buf, uint16_t column_count)
{
	size_t begin = frame_begin(buf, 'T');

	buf_add_u16(buf, column_count);
	return begin;
}

void message_row_description_add(struct buf *buf, const char *name, uint32_t type, int16_t type_size, int32_t typmod, int16_t format)
{
	buf_add_cstr(buf, name);
	buf_add_u32(buf, 0);
	buf_add_u16(buf, 0);
	buf_add_u32(buf, type);
	buf_add_u16(buf, (uint16_t)type_size);
	buf_add_u32(buf, (uint32_t)typmod);
	buf_add_u16(buf, (uint16_t)format);
}

/* ---- to nodes ---- */

void message_query(struct buf *buf, const char *sql)
{
	size_t begin = frame_begin(buf, 'Q');

	buf_add_cstr(buf, sql);
	frame_end(buf, begin);
}

void message_parse(struct buf *buf, const char *name, struct slice sql, const uint32_t *types, size_t type_count)
{
	size_t begin = frame_begin(buf, 'P');

	buf_add_cstr(buf, name);
	buf_add_slice(buf, sql);
	buf_add_u8(buf, 0);
	buf_add_u16(buf, (uint16_t)type_count);
	for (size_t i = 0; i < type_count; i++)
		buf_add_u32(buf, types[i]);
	frame_end(buf, begin);
}

static void named(struct buf *buf, char type, char what, const char *name)
{
	size_t begin = frame_begin(buf, type);

	buf_add_u8(buf, (uint8_t)what);
	buf_add_cstr(buf, name);
	frame_end(buf, begin);
}

void message_describe(struct buf *buf, char what, const char *name)
{
	named(buf, 'D', what, name);
}

void message_close(struct buf *buf, char what, const char *name)
{
	named(buf, 'C', what, name);
}

void message_execute(struct buf *buf, const char *portal, uint32_t row_max)
{
	size_t begin = frame_begin(buf, 'E');

	buf_add_cstr(buf, portal);
	buf_add_u32(buf, row_max);
	frame_end(buf, begin);
}

void message_password(struct buf *buf, struct slice text)
{
	size_t begin = frame_begin(buf, 'p');

	buf_add_slice(buf, text);
	frame_end(buf, begin);
}

/* ---- read ---- */

struct slice error_field(struct slice body, char code)
{
	struct cursor cursor = cursor_of(body);

	for (;;) {
		char found = (char)cursor_u8(&cursor);
		struct slice text;

		if (!found)
			return (struct slice){ "", 0 };
		text = cursor_cstr(&cursor);
		if (found == code)
			return text;
	}
}

struct column_description row_description_next(struct cursor *cursor)
{
	struct column_description column = { 0 };

	column.name = cursor_cstr(cursor);
	column.table = cursor_u32(cursor);
	column.attnum = cursor_u16(cursor);
	column.type = cursor_u32(cursor);
	column.type_size = (int16_t)cursor_u16(cursor);
	column.typmod = (int32_t)cursor_u32(cursor);
	column.format = (int16_t)cursor_u16(cursor);
	return column;
}

static void read_bind_head(struct cursor *cursor, struct bind *ret_bind)
{
	ret_bind->portal = cursor_cstr(cursor);
	ret_bind->statement = cursor_cstr(cursor);
	ret_bind->format_count = cursor_u16(cursor);
	ret_bind->formats = cursor_bytes(cursor, (size_t)ret_bind->format_count * 2).data;
	ret_bind->param_count = cursor_u16(cursor);
	ret_bind->params = slice_make(cursor->at, 0);
}

bool bind_read_part(struct slice part, struct bind *ret_bind)
{
	struct cursor cursor = cursor_of(part);
	unsigned count, whole = 0;

	read_bind_head(&cursor, ret_bind);
	if (cursor.failed)
		return false;
	for (count = ret_bind->param_count; whole < count; whole++) {
		uint32_t size = cursor_u32(&cursor);

		if (size != UINT32_MAX)
			cursor_bytes(&cursor, size);
		if (cursor.failed)
			break;
		ret_bind->params.size = (size_t)(cursor.at - ret_bind->params.data);
	}
	ret_bind->param_count = (uint16_t)whole;
	return true;
}

int bind_read(struct slice body, struct bind *ret_bind, struct err *err)
{
	struct cursor cursor = cursor_of(body);

	read_bind_head(&cursor, ret_bind);
	for (unsigned i = 0; i < ret_bind->param_count && !cursor.failed; i++) {
		uint32_t size = cursor_u32(&cursor);

		if (size != UINT32_MAX)
			cursor_bytes(&cursor, size);
	}
	ret_bind->params.size = (size_t)(cursor.at - ret_bind->params.data);
	ret_bind->result_formats = slice_make(cursor.at, cursor_left(&cursor));
	cursor_bytes(&cursor, (size_t)cursor_u16(&cursor) * 2);
	if (cursor.failed)
		return err_set(err, ERR_PROTOCOL, "insufficient data left in message");
	return cursor_left(&cursor) ? err_set(err, ERR_PROTOCOL, "invalid message format") : 0;
}

bool bind_param(const struct bind *bind, int number, struct slice *ret_value, int *ret_format)
{
	struct cursor cursor = cursor_of(bind->params);
	struct slice value = { "", 0 };
	uint32_t size = UINT32_MAX;
	uint16_t format = 0;

	if (number < 1 || number > bind->param_count)
		return false;
	for (int i = 0; i < number; i++) {
		size = cursor_u32(&cursor);
		value = size == UINT32_MAX ? (struct slice){ "", 0 } : cursor_bytes(&cursor, size);
	}
	if (bind->format_count)
		memcpy(&format, bind->formats + (bind->format_count == 1 ? 0 : 2 * ((size_t)number - 1)), sizeof(format));
	*ret_format = ntohs(format);
	*ret_value = value;
	return size != UINT32_MAX && !cursor.failed && (bind->format_count < 2 || number <= bind->format_count);
}
