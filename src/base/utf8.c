#include "base/utf8.h"

size_t utf8_next(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t follow;

	if (*at < 0x80)
		return *at ? 1 : 0;
	if (*at >= 0xc2 && *at <= 0xdf)
		follow = 1;
	else if (*at >= 0xe0 && *at <= 0xef)
		follow = 2;
	else if (*at >= 0xf0 && *at <= 0xf4)
		follow = 3;
	else
		return 0;
	if (*at == 0xe0)
		low = 0xa0;
	else if (*at == 0xed)
		high = 0x9f;
	else if (*at == 0xf0)
		low = 0x90;
	else if (*at == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i <= follow; i++, low = 0x80, high = 0xbf)
		if (at[i] < low || at[i] > high)
			return 0;
	return follow + 1;
}

bool utf8_valid(const char *text)
{
	size_t size;

	while ((size = utf8_next(text)))
		text += size;
	return !*text;
}
