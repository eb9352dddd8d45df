#include "admin/exposition.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum { LABELS_SIZE_MAX = 64 << 10 };

static void put_value(struct buf *out, const char *value)
{
	bool odd = !utf8_valid(value);

	while (*value) {
		size_t size = utf8_next(value);

		if (!size || (odd && *value == '\\'))
			buf_printf(out, "\\\\x%02X", (unsigned char)*value);
		else if (*value == '\\' || *value == '"')
			buf_printf(out, "\\%c", *value);
		else if (*value == '\n')
			buf_add_text(out, "\\n");
		else
			buf_add(out, value, size);
		value += size ? size : 1;
	}
}

const char *exposition_labels(struct arena *arena, const struct label *labels)
{
	struct buf out;
	const char *text;

	buf_init(&out, LABELS_SIZE_MAX);
	for (size_t i = 0; labels[i].name; i++) {
		buf_printf(&out, "%s%s=\"", i ? "," : "", labels[i].name);
		put_value(&out, labels[i].value);
		buf_add_u8(&out, '"');
	}
	text = out.size ? arena_strndup(arena, out.data, out.size) : "";
	buf_release(&out);
	return text;
}

void exposition_family(struct buf *out, const char *name, enum metric_type type, const char *help)
{
	static const char *const names[] = { [METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter", [METRIC_HISTOGRAM] = "histogram" };

	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, names[type]);
}

static void put_name(struct buf *out, const char *name, const char *labels, const char *more)
{
	bool both = *labels && more;

	buf_add_text(out, name);
	if (!*labels && !more)
		return;
	buf_add_u8(out, '{');
	buf_add_text(out, labels);
	if (both)
		buf_add_u8(out, ',');
	if (more)
		buf_add_text(out, more);
	buf_add_u8(out, '}');
}

void exposition_count(struct buf *out, const char *name, const char *labels, const char *more, uint64_t value)
{
	put_name(out, name, labels, more);
	buf_printf(out, " %llu\n", (unsigned long long)value);
}

void exposition_seconds(struct buf *out, const char *name, const char *labels, const char *more, uint64_t value_us)
{
	put_name(out, name, labels, more);
	buf_printf(out, " %llu.%06llu\n", (unsigned long long)(value_us / 1000000), (unsigned long long)(value_us % 1000000));
}
