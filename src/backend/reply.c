#include "backend/reply.h"

#include <arpa/inet.h>

void reply_init(struct reply *reply)
{
	*reply = (struct reply){ 0 };
	buf_init(&reply->partial, REPLY_WHOLE_SIZE_MAX + REPLY_HEADER_SIZE);
}

void reply_release(struct reply *reply)
{
	buf_release(&reply->partial);
}

static int read_header(const char *at, char *ret_type, uint32_t *ret_size, struct err *err)
{
	uint32_t length;

	memcpy(&length, at + 1, sizeof(length));
	length = ntohl(length);
	if (length < 4 || length > INT32_MAX)
		return err_set(err, ERR_PROTOCOL, "the node sent a message with an invalid length");
	*ret_type = at[0];
	*ret_size = length - 4;
	return 0;
}

/* Goes on with the message that an earlier feeding left unfinished; takes what it used off `bytes`. */
static int resume(struct reply *reply, const struct reply_events *events, void *owner, struct slice *bytes, struct err *err)
{
	size_t used;
	uint32_t size = 0;
	char type = 0;
	int rc;

	if (reply->left) {
		used = bytes->size < reply->left ? bytes->size : reply->left;
		if (reply->mode == REPLY_PASS)
			events->pass(owner, slice_make(bytes->data, used));
		reply->left -= (uint32_t)used;
		*bytes = slice_make(bytes->data + used, bytes->size - used);
		return 0;
	}
	if (reply->partial.size < REPLY_HEADER_SIZE) {
		used = REPLY_HEADER_SIZE - reply->partial.size;
		used = used < bytes->size ? used : bytes->size;
		buf_add(&reply->partial, bytes->data, used);
		*bytes = slice_make(bytes->data + used, bytes->size - used);
		if (reply->partial.size < REPLY_HEADER_SIZE)
			return 0;
		rc = read_header(reply->partial.data, &type, &size, err);
		if (rc < 0)
			return rc;
		reply->mode = events->header(owner, type, size);
		if (reply->mode != REPLY_WHOLE) {
			if (reply->mode == REPLY_PASS)
				events->pass(owner, buf_slice(&reply->partial));
			buf_clear(&reply->partial);
			reply->left = size;
			return 0;
		}
		if (size > REPLY_WHOLE_SIZE_MAX)
			return err_set(err, ERR_LIMIT, "the node sent a message of %u bytes that had to be held whole", size);
	}
	rc = read_header(reply->partial.data, &type, &size, err);
	if (rc < 0)
		return rc;
	used = REPLY_HEADER_SIZE + (size_t)size - reply->partial.size;
	used = used < bytes->size ? used : bytes->size;
	if (!buf_try_reserve(&reply->partial, used))
		return err_memory(err);
	buf_add(&reply->partial, bytes->data, used);
	*bytes = slice_make(bytes->data + used, bytes->size - used);
	reply->next = *bytes;
	if (reply->partial.size < REPLY_HEADER_SIZE + (size_t)size)
		return 0;
	rc = events->whole(owner, type, slice_make(reply->partial.data + REPLY_HEADER_SIZE, size), err);
	buf_release(&reply->partial);
	return rc;
}

bool reply_succeeds(const struct reply *reply)
{
	const char *at = reply->next.data;
	size_t left = reply->next.size;

	while (left >= REPLY_HEADER_SIZE) {
		uint32_t size = 0;
		char type = 0;

		if (*at == 'D' || *at == 'C')
			return true;
		if ((*at != '1' && *at != '2' && *at != 'T') || read_header(at, &type, &size, NULL) < 0 || size > left - REPLY_HEADER_SIZE)
			return false;
		at += REPLY_HEADER_SIZE + (size_t)size;
		left -= REPLY_HEADER_SIZE + (size_t)size;
	}
	return false;
}

int reply_feed(struct reply *reply, const struct reply_events *events, void *owner, struct slice bytes, struct err *err)
{
	const char *run = NULL;         /* where the bytes to pass on in one piece begin */
	int rc = 0;

	while (bytes.size && (reply->left || reply->partial.size)) {
		rc = resume(reply, events, owner, &bytes, err);
		if (rc < 0)
			return rc;
	}
	while (bytes.size >= REPLY_HEADER_SIZE) {
		size_t whole_size;
		uint32_t size = 0;
		char type = 0;

		rc = read_header(bytes.data, &type, &size, err);
		if (rc < 0)
			break;
		whole_size = REPLY_HEADER_SIZE + (size_t)size;
		reply->mode = events->header(owner, type, size);
		if (reply->mode == REPLY_PASS && !run)
			run = bytes.data;
		if (reply->mode != REPLY_PASS && run) {
			events->pass(owner, slice_make(run, (size_t)(bytes.data - run)));
			run = NULL;
		}
		if (reply->mode == REPLY_WHOLE) {
			if (size > REPLY_WHOLE_SIZE_MAX)
				return err_set(err, ERR_LIMIT, "the node sent a message of %u bytes that had to be held whole", size);
			if (whole_size > bytes.size)
				break;
			reply->next = slice_make(bytes.data + whole_size, bytes.size - whole_size);
			rc = events->whole(owner, type, slice_make(bytes.data + REPLY_HEADER_SIZE, size), err);
			if (rc < 0)
				return rc;
		} else if (whole_size > bytes.size) {
			reply->left = (uint32_t)(whole_size - bytes.size);
			whole_size = bytes.size;
		}
		bytes = slice_make(bytes.data + whole_size, bytes.size - whole_size);
	}
	if (run)
		events->pass(owner, slice_make(run, (size_t)(bytes.data - run)));
	if (rc == 0 && !buf_try_reserve(&reply->partial, bytes.size))
		rc = err_memory(err);
	if (rc == 0)
		buf_add_slice(&reply->partial, bytes);  /* the rest: part of a header, or of a whole message */
	return rc;
}
