/* comments: a text without its comments, every other byte at its place.
 *
 * libpg_query gives comments to its parser as tokens. It drops them again, but not before they have parted strings that go on
 * in the next line ('a' -- b, newline, 'c') and words that the grammar looks ahead for (NULLS, WITH), which PostgreSQL takes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Puts spaces over the comments; newlines that end a `--` comment stay. A text that the scanner refuses stays as it is from
 * the last good token on. */
void comments_blank(char *text, size_t size, bool standard_strings);
