#include "base/tree.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

enum { FDS = 32 };

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
	return remove(path);
}

int tree_remove(const char *path, struct err *err)
{
	if (nftw(path, remove_one, FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0 && errno != ENOENT)
		return err_set(err, ERR_IO, "cannot remove %s: %s", path, strerror(errno));
	return 0;
}
