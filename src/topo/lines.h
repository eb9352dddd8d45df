/* lines: where in a YAML file a thing stands, for error messages.
 *
 * Holds the file's text and libyaml's tree of it, which knows the line of every node; libcyaml, which reads the values, knows lines only of
 * what it refuses itself. Lives as long as the reading of one file.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct lines;

/* Reads the file. ERR_IO and ERR_LIMIT as file_read(), ERR_CONFIG when it is not YAML, empty, or more than one document. */
must_use int lines_read(const char *path, struct lines **ret_lines, struct err *err);
void lines_free(struct lines *lines);

/* The file's text; lives as long as `lines`. */
struct slice lines_text(const struct lines *lines);

/* The line of what `path` names, "shards[1].nodes[0]", or of the nearest thing around it that is there. */
unsigned lines_of(const struct lines *lines, const char *path);

/* The line of the first key `key`, in any mapping, at or after `line_from`; 0 when there is none. */
unsigned lines_of_key(const struct lines *lines, const char *key, unsigned line_from);
