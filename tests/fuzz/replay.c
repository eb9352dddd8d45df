/* replay: a fuzzer's corpus without libFuzzer, so that every compiler and every `meson test` goes through it.
 *
 *   NAME_replay CORPUS
 *
 * Each file as it stands, cut at each of its bytes, and with each byte changed once.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_SIZE_MAX = 16 << 10, VARIANTS_MAX = 300 };

/* From memory of exactly that size, so that a sanitizer sees a step too far. */
static void feed(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static void feed_variants(uint8_t *data, size_t size)
{
	size_t step = size / VARIANTS_MAX + 1;

	feed(data, size);
	for (size_t i = 0; i < size; i += step) {
		uint8_t byte = data[i];

		feed(data, i);
		data[i] = (uint8_t)(byte + 1 + i * 37 % 255);
		feed(data, size);
		data[i] = byte;
	}
}

int main(int argc, char **argv)
{
	static uint8_t data[FILE_SIZE_MAX];
	DIR *files = argc == 2 ? opendir(argv[1]) : NULL;
	size_t count = 0;

	if (!files) {
		fprintf(stderr, "a folder with a corpus is wanted\n");
		return 2;
	}
	for (struct dirent *entry; (entry = readdir(files)) != NULL;) {
		char path[4096];
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		file = fopen(path, "rb");
		if (!file) {
			fprintf(stderr, "%s: cannot be opened\n", path);
			return 2;
		}
		feed_variants(data, fread(data, 1, sizeof(data), file));
		fclose(file);
		count++;
	}
	closedir(files);
	printf("files %zu\n", count);
	return count ? 0 : 1;
}
