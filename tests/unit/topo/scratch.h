/* scratch: a file in a folder of its own, for tests that read files. One at a time; scratch_remove() takes it away. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch_folder[64], scratch_path[96];

static inline const char *scratch_write(const char *text)
{
	FILE *file;

	if (!*scratch_folder) {
		strcpy(scratch_folder, "/tmp/nanu-test-XXXXXX");
		if (!mkdtemp(scratch_folder))
			abort();
		snprintf(scratch_path, sizeof(scratch_path), "%s/nanu.yaml", scratch_folder);
	}
	file = fopen(scratch_path, "we");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		abort();
	return scratch_path;
}

static inline int scratch_remove(void **state)
{
	if (*scratch_folder) {
		unlink(scratch_path);
		rmdir(scratch_folder);
		*scratch_folder = '\0';
	}
	return 0;
}
