#include "app/command.h"

#include <stdio.h>

#include "base/err.h"

int command_misused(const char *name)
{
	fprintf(stderr, "Try 'nanu %s --help'.\n", name);
	return 2;
}

int command_failed(const char *name, const struct err *err)
{
	fprintf(stderr, "nanu %s: %s\n", name, err->message);
	if (*err->detail)
		fprintf(stderr, "  %s\n", err->detail);
	if (*err->hint)
		fprintf(stderr, "  Hint: %s\n", err->hint);
	return 1;
}
