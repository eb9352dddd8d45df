/* buf: owned bytes that grow, up to a maximum.
 *
 * Appending past `size_max` makes the buffer `failed` and appends nothing more: writers append freely and look once at the
 * end. Numbers are written in network order, as the PostgreSQL protocol has them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum { BUF_SIZE_MAX = INT32_MAX };

struct buf {
	char *data;
	size_t size;
	uint32_t capacity;
	uint32_t size_max;
	bool failed;
	bool lent;                      /* data is the caller's array */
};

void buf_init(struct buf *buf, size_t size_max);                /* more than BUF_SIZE_MAX is that */
void buf_init_on(struct buf *buf, char *storage, size_t size);          /* in an array of the caller's: it does not grow */
void buf_release(struct buf *buf);
void buf_clear(struct buf *buf);                        /* empties it, keeps the memory, forgets the failure */
char *buf_reserve(struct buf *buf, size_t size);        /* room for `size` more bytes, or NULL and failed */
bool buf_try_reserve(struct buf *buf, size_t size);     /* false: memory is short, and nothing has changed; room beyond size_max is not asked for */

void buf_add(struct buf *buf, const void *data, size_t size);
void buf_add_slice(struct buf *buf, struct slice bytes);
void buf_add_text(struct buf *buf, const char *text);   /* without the zero */
void buf_add_cstr(struct buf *buf, const char *text);   /* with the zero */
void buf_add_u8(struct buf *buf, uint8_t value);
void buf_add_u16(struct buf *buf, uint16_t value);
void buf_add_u32(struct buf *buf, uint32_t value);
void buf_add_u64(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_drop_front(struct buf *buf, size_t size);      /* moves the rest to the front */

static inline struct slice buf_slice(const struct buf *buf)
{
	return slice_make(buf->data, buf->size);
}
