#include "base/boolean.h"

#include <string.h>
#include <strings.h>

bool boolean_read(const char *text, size_t size, bool *ret_value)
{
	static const struct { const char *word; size_t size_min; bool value; } words[] = {
		{ "true", 1, true }, { "false", 1, false }, { "yes", 1, true }, { "no", 1, false }, { "on", 2, true }, { "off", 2, false },
		{ "1", 1, true }, { "0", 1, false },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (size < words[i].size_min || size > strlen(words[i].word) || strncasecmp(text, words[i].word, size) != 0)
			continue;
		*ret_value = words[i].value;
		return true;
	}
	return false;
}
