/* A node's bytes say the same in one piece and in pieces of any size. The first two bytes choose the pieces, the rest is the node's. */
#include <stdlib.h>
#include <string.h>

#include "backend/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEARD_SIZE_MAX = 64 << 20 };

struct owner {
	struct buf headers, whole, passed;
};

static enum reply_mode header(void *data, char type, uint32_t size)
{
	struct owner *owner = data;

	buf_add_u8(&owner->headers, (uint8_t)type);
	buf_add_u32(&owner->headers, size);
	return type % 3 == 0 ? REPLY_WHOLE : type % 3 == 1 ? REPLY_PASS : REPLY_SKIP;
}

static int whole(void *data, char type, struct slice body, struct err *err)
{
	struct owner *owner = data;

	buf_add_u8(&owner->whole, (uint8_t)type);
	buf_add_u32(&owner->whole, (uint32_t)body.size);
	buf_add_slice(&owner->whole, body);
	return body.size == 13 ? err_set(err, ERR_CANCELED, "unlucky") : 0;
}

static void pass(void *data, struct slice bytes)
{
	struct owner *owner = data;

	if (bytes.size == 0)
		abort();
	buf_add_slice(&owner->passed, bytes);
}

static const struct reply_events events = { header, whole, pass };

static void owner_init(struct owner *owner)
{
	buf_init(&owner->headers, HEARD_SIZE_MAX);
	buf_init(&owner->whole, HEARD_SIZE_MAX);
	buf_init(&owner->passed, HEARD_SIZE_MAX);
}

static void owner_release(struct owner *owner)
{
	buf_release(&owner->headers);
	buf_release(&owner->whole);
	buf_release(&owner->passed);
}

static int feed_pieces(struct slice bytes, uint32_t seed, struct reply *reply, struct owner *owner)
{
	uint32_t piece_max = 1 + seed % 61;
	int rc = 0;

	while (bytes.size && rc == 0) {
		size_t size;

		seed = seed * 1664525 + 1013904223;
		size = 1 + (seed >> 16) % piece_max;
		size = size < bytes.size ? size : bytes.size;
		rc = reply_feed(reply, &events, owner, slice_make(bytes.data, size), NULL);
		bytes = slice_make(bytes.data + size, bytes.size - size);
	}
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct owner expected, owner;
	struct reply reply;
	struct slice bytes;
	int rc;

	if (size < 2)
		return 0;
	bytes = slice_make(data + 2, size - 2);
	owner_init(&expected);
	owner_init(&owner);
	reply_init(&reply);
	rc = reply_feed(&reply, &events, &expected, bytes, NULL);
	reply_release(&reply);
	reply_init(&reply);
	if (feed_pieces(bytes, (uint32_t)data[0] << 8 | data[1], &reply, &owner) != rc)
		abort();
	reply_release(&reply);
	if (!slice_eq(buf_slice(&expected.headers), buf_slice(&owner.headers)) ||
	    !slice_eq(buf_slice(&expected.whole), buf_slice(&owner.whole)) || !slice_eq(buf_slice(&expected.passed), buf_slice(&owner.passed)))
		abort();
	owner_release(&expected);
	owner_release(&owner);
	return 0;
}
