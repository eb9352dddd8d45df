/* Whatever a client or a node sends, taking messages apart stays within them, and what is taken is what PostgreSQL's layout allows. */
#include <stdlib.h>

#include "base/limits.h"
#include "proto/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_SIZE_MAX = 1 << 20 };

static unsigned touched;

/* Reads every byte, so that a sanitizer sees those that are not there. */
static void touch(struct slice bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
		touched += (unsigned char)bytes.data[i];
}

static void read_startup(struct slice in)
{
	struct slice rest, key, value;
	struct startup startup, part;
	size_t size, part_size;

	if (startup_read(in, &startup, &size, NULL) != 1)
		return;
	if (size < 8 || size > in.size || size > STARTUP_SIZE_MAX)
		abort();
	for (size_t cut = 0; cut < size; cut++)
		if (startup_read(slice_make(in.data, cut), &part, &part_size, NULL) != 0)
			abort();
	rest = startup.parameters;
	while (startup_next(&rest, &key, &value)) {
		touch(key);
		touch(value);
	}
	if (startup.kind == STARTUP_SESSION && rest.size != 1)
		abort();
}

static void read_bind(struct slice body)
{
	struct slice value;
	struct bind bind;
	int format;

	if (bind_read(body, &bind, NULL) < 0)
		return;
	touch(bind.portal);
	touch(bind.statement);
	touch(slice_make(bind.formats, (size_t)bind.format_count * 2));
	touch(bind.result_formats);
	for (int number = -1; number <= bind.param_count + 1 && number < 100; number++) {
		if (!bind_param(&bind, number, &value, &format))
			continue;
		if (number < 1 || number > bind.param_count)
			abort();
		touch(value);
	}
}

static void read_columns(struct slice body)
{
	struct cursor cursor = cursor_of(body);
	unsigned count = cursor_u16(&cursor);

	for (unsigned i = 0; i < count && !cursor.failed; i++)
		touch(row_description_next(&cursor).name);
}

static void read_fields(struct slice body)
{
	static const char codes[] = "SVCMDHPpqWscdtnFLR";

	for (size_t i = 0; i < sizeof(codes) - 1; i++)
		touch(error_field(body, codes[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_make(data, size);
	struct message message, part;
	size_t message_size, part_size;

	read_startup(in);
	while (frame_next(in, BODY_SIZE_MAX, &message, &message_size, NULL) == 1) {
		if (message_size != message.body.size + FRAME_HEADER_SIZE || message_size > in.size)
			abort();
		if (frame_next(slice_make(in.data, message_size - 1), BODY_SIZE_MAX, &part, &part_size, NULL) != 0)
			abort();
		read_bind(message.body);
		read_columns(message.body);
		read_fields(message.body);
		in = slice_make(in.data + message_size, in.size - message_size);
	}
	return 0;
}
