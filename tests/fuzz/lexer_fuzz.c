/* lexer_fuzz: libFuzzer's door to lexer_check.h.
 *
 *   CC=clang meson setup build-fuzz -Dfuzz=true -Db_lundef=false && ninja -C build-fuzz tests/fuzz/lexer_fuzz
 *   mkdir -p /tmp/found && build-fuzz/tests/fuzz/lexer_fuzz -max_total_time=600 /tmp/found tests/fuzz/corpus/lexer
 *
 * Without clang, tests/fuzz/lexer_replay (a part of `meson test`) checks the corpus and statements that it makes up.
 */
#include "lexer_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A text that begins with a space is read with standard_conforming_strings off. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct check_counts counts;
	uint64_t seed = 0;

	if (size == 0)
		return 0;
	for (size_t i = 0; i < size; i++)
		seed = seed * 31 + data[i];
	check_text(slice_make(data, size), data[0] != ' ', true, seed, &counts);
	return 0;
}
