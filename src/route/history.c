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
	ret_history->timeline = timeline;
	ret_history->count = 0;
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		const char *begin = line + strspn(line, " \t\r");
		uint32_t last = ret_history->count ? ret_history->ancestors[ret_history->count - 1].timeline : 0;

		if (*begin == '#' || *begin == '\n' || !*begin)
			continue;
		if (ret_history->count == HISTORY_MAX)
			return err_set(err, ERR_CONFIG, "timeline %u has more than %d ancestors", timeline, HISTORY_MAX);
		if (!read_line(begin, &ret_history->ancestors[ret_history->count]) || ret_history->ancestors[ret_history->count].timeline <= last ||
		    ret_history->ancestors[ret_history->count].timeline >= timeline)
			return err_set(err, ERR_CONFIG, "the history of timeline %u cannot be understood", timeline);
		ret_history->count++;
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

bool history_descends(const struct history *history, const struct history *before, uint64_t *ret_end)
{
	if (!history_fork(history, before->timeline, ret_end))
		return false;
	for (size_t i = 0; i < before->count; i++) {
		uint64_t end;

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
