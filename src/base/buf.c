#include "base/buf.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { BUF_FIRST_SIZE = 256 };

void buf_init(struct buf *buf, size_t size_max)
{
	*buf = (struct buf){ .size_max = (uint32_t)(size_max < BUF_SIZE_MAX ? size_max : BUF_SIZE_MAX) };
}

void buf_init_on(struct buf *buf, char *storage, size_t size)
{
	*buf = (struct buf){ .data = storage, .capacity = (uint32_t)size, .size_max = (uint32_t)size, .lent = true };
}

void buf_release(struct buf *buf)
{
	if (!buf->lent)
		mem_free(buf->data);
	*buf = (struct buf){ .size_max = buf->size_max };
}

void buf_clear(struct buf *buf)
{
	buf->size = 0;
	buf->failed = false;
}

/* `spare` more bytes are allocated and do not count: vsnprintf() ends its text with a zero that is not kept. */
static char *reserve(struct buf *buf, size_t size, size_t spare)
{
	size_t capacity = buf->capacity ? buf->capacity : BUF_FIRST_SIZE;

	if (buf->failed || size > buf->size_max || buf->size > buf->size_max - size) {
		buf->failed = true;
		return NULL;
	}
	if (buf->capacity - buf->size < size + spare) {
		while (capacity - buf->size < size + spare)
			capacity *= 2;
		buf->data = mem_realloc(buf->data, capacity);
		buf->capacity = (uint32_t)capacity;
	}
	return buf->data + buf->size;
}

char *buf_reserve(struct buf *buf, size_t size)
{
	return reserve(buf, size, 0);
}

bool buf_try_reserve(struct buf *buf, size_t size)
{
	size_t capacity = buf->capacity ? buf->capacity : BUF_FIRST_SIZE;
	char *data;

	if (size > buf->size_max || buf->size > buf->size_max - size || buf->capacity - buf->size >= size)
		return true;
	while (capacity - buf->size < size)
		capacity *= 2;
	data = mem_try_realloc(buf->data, capacity);
	if (!data)
		return false;
	buf->data = data;
	buf->capacity = (uint32_t)capacity;
	return true;
}

void buf_add(struct buf *buf, const void *data, size_t size)
{
	char *room;

	if (size == 0)
		return;
	room = buf_reserve(buf, size);
	if (!room)
		return;
	memcpy(room, data, size);
	buf->size += size;
}

void buf_add_slice(struct buf *buf, struct slice bytes)
{
	buf_add(buf, bytes.data, bytes.size);
}

void buf_add_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_add_cstr(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text) + 1);
}

void buf_add_u8(struct buf *buf, uint8_t value)
{
	buf_add(buf, &value, sizeof(value));
}

void buf_add_u16(struct buf *buf, uint16_t value)
{
	uint16_t wire = htons(value);

	buf_add(buf, &wire, sizeof(wire));
}

void buf_add_u32(struct buf *buf, uint32_t value)
{
	uint32_t wire = htonl(value);

	buf_add(buf, &wire, sizeof(wire));
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
	uint64_t wire = htobe64(value);

	buf_add(buf, &wire, sizeof(wire));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args, again;
	char *room;
	int size;

	va_start(args, format);
	va_copy(again, args);
	size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (size < 0)                   /* longer than an int can say */
		buf->failed = true;
	room = size < 0 ? NULL : reserve(buf, (size_t)size, 1);
	if (room) {
		vsnprintf(room, (size_t)size + 1, format, again);
		buf->size += (size_t)size;
	}
	va_end(again);
}

void buf_drop_front(struct buf *buf, size_t size)
{
	assert(size <= buf->size);
	buf->size -= size;
	if (buf->size)
		memmove(buf->data, buf->data + size, buf->size);
}
