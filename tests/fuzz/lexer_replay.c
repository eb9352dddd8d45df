/* lexer_replay: lexer_check.h without libFuzzer.
 *
 *   lexer_replay --count N [--seed S] CORPUS…      the corpus, then N made-up texts
 *
 * A failure prints the text; the same seed finds it again. The corpus holds one statement a file.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "lexer_check.h"
#include "statement_make.h"

enum { TEXT_SIZE_MAX = 1 << 20 };

static bool read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	char chunk[4096];
	size_t size;

	if (!file)
		return false;
	while ((size = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(out, chunk, size);
	fclose(file);
	return true;
}

static void check_both(struct slice text, uint64_t seed, struct check_counts *counts)
{
	check_text(text, true, true, seed, counts);
	check_text(text, false, true, seed, counts);
}

/* Each file of the corpus as it stands, and in a thousand changed forms. */
static size_t replay(const char *directory, struct dice *dice, struct check_counts *counts)
{
	DIR *files = opendir(directory);
	size_t count = 0;

	if (!files) {
		fprintf(stderr, "%s: cannot be opened\n", directory);
		exit(2);
	}
	for (struct dirent *entry; (entry = readdir(files)) != NULL;) {
		struct buf text, changed;
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		buf_init(&text, TEXT_SIZE_MAX);
		buf_init(&changed, TEXT_SIZE_MAX);
		if (entry->d_name[0] != '.' && read_file(path, &text)) {
			count++;
			check_both(buf_slice(&text), dice_roll(dice, UINT32_MAX), counts);
			for (int i = 0; i < 50; i++) {
				buf_clear(&changed);
				text_mutate(dice, buf_slice(&text), &changed);
				check_text(buf_slice(&changed), i % 2, true, dice_roll(dice, UINT32_MAX), counts);
			}
		}
		buf_release(&changed);
		buf_release(&text);
	}
	closedir(files);
	return count;
}

static void make_up(size_t count, struct dice *dice, struct check_counts *counts)
{
	struct buf text, changed;

	buf_init(&text, TEXT_SIZE_MAX);
	buf_init(&changed, TEXT_SIZE_MAX);
	for (size_t i = 0; i < count; i++) {
		bool standard = dice_roll(dice, 4) != 0;
		uint64_t seed = dice_roll(dice, UINT32_MAX);

		buf_clear(&text);
		buf_clear(&changed);
		switch (i % 4) {
		case 0:
			statement_make(dice, &text);
			check_text(buf_slice(&text), standard, true, seed, counts);
			break;
		case 1:
			statement_make(dice, &text);
			text_mutate(dice, buf_slice(&text), &changed);
			check_text(buf_slice(&changed), standard, true, seed, counts);
			break;
		default:
			salad_make(dice, &text);
			check_text(buf_slice(&text), standard, true, seed, counts);
			break;
		}
	}
	buf_release(&changed);
	buf_release(&text);
}

int main(int argc, char **argv)
{
	struct check_counts counts = { 0 };
	struct dice dice = { 15 };
	size_t count = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
			count = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			dice.state = strtoull(argv[++i], NULL, 10);
		else if (replay(argv[i], &dice, &counts) == 0)
			return 2;
	}
	make_up(count, &dice, &counts);
	printf("texts %zu, refused by the scanner %zu, parsed %zu, of which with a variant that parsed too %zu\n", counts.texts,
	       counts.refused, counts.parsed, counts.varied);
	return counts.varied * 10 >= counts.parsed * 9 ? 0 : 1;
}
