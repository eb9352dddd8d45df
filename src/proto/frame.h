/* frame: PostgreSQL messages as bytes: one type byte, four bytes of length (itself included), the body.
 *
 * Pure. Source: PostgreSQL 15 documentation, chapter 55.7 "Message Formats". Reading goes through a cursor that never leaves
 * its bytes: past the end it yields zeros and remembers that it failed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum { FRAME_HEADER_SIZE = 5 };

struct message {
	char type;
	struct slice body;
};

/* The first message of `in`: 1 with *ret_message (its body points into `in`) and its whole size; 0 when more bytes are needed (then
 * *ret_size is the whole size if the header is there, else 0); ERR_PROTOCOL for a length below 4, ERR_LIMIT above body_max. */
must_use int frame_next(struct slice in, size_t body_max, struct message *ret_message, size_t *ret_size, struct err *err);

struct cursor {
	const char *at, *end;
	bool failed;
};

static inline struct cursor cursor_of(struct slice bytes)
{
	const char *data = bytes.data ? bytes.data : "";        /* of no bytes, which may be nowhere */

	return (struct cursor){ data, data + bytes.size, false };
}

uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
struct slice cursor_bytes(struct cursor *cursor, size_t size);
struct slice cursor_cstr(struct cursor *cursor);                /* without its zero; .data is zero-terminated */
static inline size_t cursor_left(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

/* Writing: begin, add the body with buf_add_*, end. */
size_t frame_begin(struct buf *buf, char type);
void frame_end(struct buf *buf, size_t begin);
