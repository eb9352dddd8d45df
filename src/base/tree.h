/* tree: a folder with all that is in it. */
#pragma once

#include "base/err.h"

/* Without following links, and not what is mounted below it. 0 also when it is not there. ERR_IO names what could not be removed. */
must_use int tree_remove(const char *path, struct err *err);
