#include "proto/frame.h"

#include <arpa/inet.h>

int frame_next(struct slice in, size_t body_max, struct message *ret_message, size_t *ret_size, struct err *err)
{
	uint32_t length;

	*ret_size = 0;
	if (in.size < FRAME_HEADER_SIZE)
		return 0;
	memcpy(&length, in.data + 1, sizeof(length));
	length = ntohl(length);
	if (length < 4 || length > INT32_MAX)
		return err_set(err, ERR_PROTOCOL, "invalid message length");
	if (length - 4 > body_max)
		return err_set(err, ERR_LIMIT, "message of %u bytes is larger than the limit of %zu", length, body_max);
	*ret_size = 1 + (size_t)length;
	if (in.size < *ret_size)
		return 0;
	ret_message->type = in.data[0];
	ret_message->body = slice_make(in.data + FRAME_HEADER_SIZE, length - 4);
	return 1;
}

struct slice cursor_bytes(struct cursor *cursor, size_t size)
{
	struct slice bytes = { cursor->at, size };

	if (cursor->failed || size > cursor_left(cursor)) {
		cursor->failed = true;
		return (struct slice){ "", 0 };
	}
	cursor->at += size;
	return bytes;
}

uint8_t cursor_u8(struct cursor *cursor)
{
	struct slice bytes = cursor_bytes(cursor, 1);

	return bytes.size ? (uint8_t)bytes.data[0] : 0;
}

uint16_t cursor_u16(struct cursor *cursor)
{
	struct slice bytes = cursor_bytes(cursor, 2);
	uint16_t value = 0;

	memcpy(&value, bytes.data, bytes.size);
	return ntohs(value);
}

uint32_t cursor_u32(struct cursor *cursor)
{
	struct slice bytes = cursor_bytes(cursor, 4);
	uint32_t value = 0;

	memcpy(&value, bytes.data, bytes.size);
	return ntohl(value);
}

struct slice cursor_cstr(struct cursor *cursor)
{
	const char *zero = cursor->failed || cursor->at == cursor->end ? NULL : memchr(cursor->at, '\0', cursor_left(cursor));
	struct slice text;

	if (!zero) {
		cursor->failed = true;
		return (struct slice){ "", 0 };
	}
	text = slice_make(cursor->at, (size_t)(zero - cursor->at));
	cursor->at = zero + 1;
	return text;
}

size_t frame_begin(struct buf *buf, char type)
{
	size_t begin = buf->size;

	buf_add_u8(buf, (uint8_t)type);
	buf_add_u32(buf, 0);
	return begin;
}

void frame_end(struct buf *buf, size_t begin)
{
	uint32_t length;

	if (buf->failed)
		return;
	length = htonl((uint32_t)(buf->size - begin - 1));
	memcpy(buf->data + begin + 1, &length, sizeof(length));
}
