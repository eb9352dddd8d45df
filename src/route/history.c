#include "route/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void history_first(struct history *ret_history)
{
	ret_history->timeline = 1;
	ret_history->count = 0;
}

/* For one more; of too many the oldest is forgotten. */
static struct ancestor *make_room(struct history *history)
{
	if (history->count == HISTORY_MAX)
		memmove(history->ancestors, history->ancestors + 1, --history->count * sizeof(history->ancestors[0]));
	return &history->ancestors[history->count++];
}

static bool read_line(const char *line, struct ancestor *ret)
{
	unsigned timeline, high, low;

	if (sscanf(line, " %u %X/%X", &timeline, &high, &low) != 3 || timeline == 0)
		return false;
	*ret = (struct ancestor){ timeline, (uint64_t)high << 32 | low };
	return true;
}

int history_read(uint32_t timeline, const char *text, struct history *ret_history, struct err *err)
{
	uint32_t last = 0;

	ret_history->timeline = timeline;
	ret_history->count = 0;
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		const char *begin = line + strspn(line, " \t\r");
		struct ancestor one;

		if (*begin == '#' || *begin == '\n' || !*begin)
			continue;
		if (!read_line(begin, &one) || one.timeline <= last || one.timeline >= timeline)
			return err_set(err, ERR_CONFIG, "the history of timeline %u cannot be understood", timeline);
		last = one.timeline;
		*make_room(ret_history) = one;
	}
	return 0;
}

bool history_fork(const struct history *history, uint32_t timeline, uint64_t *ret_end)
{
	for (size_t i = 0; i < history->count; i++) {
		if (history->ancestors[i].timeline != timeline)
			continue;
		*ret_end = history->ancestors[i].end;
		return true;
	}
	return false;
}

static bool was_forgotten(const struct history *history, const struct ancestor *ancestor)
{
	return history->count == HISTORY_MAX && ancestor->timeline < history->ancestors[0].timeline;
}

bool history_descends(const struct history *history, const struct history *before, uint64_t *ret_end)
{
	if (!history_fork(history, before->timeline, ret_end))
		return false;
	for (size_t i = 0; i < before->count; i++) {
		uint64_t end;

		if (was_forgotten(history, &before->ancestors[i]))
			continue;
		if (!history_fork(history, before->ancestors[i].timeline, &end) || end != before->ancestors[i].end)
			return false;
	}
	return true;
}

void history_write(const struct history *history, char text[HISTORY_TEXT_SIZE])
{
	size_t size = 0;

	text[0] = '\0';
	for (size_t i = 0; i < history->count; i++) {
		const struct ancestor *one = &history->ancestors[i];

		size += (size_t)snprintf(text + size, HISTORY_TEXT_SIZE - size, "%" PRIu32 "\t%" PRIX64 "/%" PRIX64 "\n", one->timeline, one->end >> 32,
					 one->end & UINT32_MAX);
	}
}
