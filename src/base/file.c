#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

enum { PART_SIZE = 4096 };

int file_read(const char *path, size_t size_max, char **ret_text, size_t *ret_size, struct err *err)
{
	FILE *file = fopen(path, "re");
	size_t size = PART_SIZE;
	struct buf text;
	int failed, rc = 0;

	*ret_text = NULL;
	if (!file)
		return err_set(err, ERR_IO, "cannot open %s: %s", path, strerror(errno));
	buf_init(&text, size_max + PART_SIZE);          /* the last part tells whether there is more */
	while (size == PART_SIZE && text.size <= size_max) {
		size = fread(buf_reserve(&text, PART_SIZE), 1, PART_SIZE, file);
		text.size += size;
	}
	failed = ferror(file) ? errno : 0;
	fclose(file);
	if (failed)
		rc = err_set(err, ERR_IO, "cannot read %s: %s", path, strerror(failed));
	else if (text.size > size_max)
		rc = err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", path, size_max);
	if (rc < 0) {
		buf_release(&text);
		return rc;
	}
	if (ret_size)
		*ret_size = text.size;
	buf_add_u8(&text, 0);
	*ret_text = text.data;
	return 0;
}
