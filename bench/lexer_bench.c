/* lexer_bench: nanoseconds for each fingerprint_make(), the best of several rounds.
 *
 *   meson setup build-bench --buildtype=release -Db_ndebug=false -Dbench=true && ninja -C build-bench
 *   build-bench/bench/lexer_bench
 */
#include <stdio.h>
#include <time.h>

#include "sql/fingerprint.h"

enum { ROUNDS = 10, CALLS = 200000 };

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double measure(struct fingerprinter *fingerprinter, struct slice sql)
{
	const struct fingerprint *fingerprint;
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		double begin = now_ns(), each;

		for (int i = 0; i < CALLS; i++)
			if (fingerprint_make(fingerprinter, sql, true, &fingerprint, NULL) < 0)
				return -1;
		each = (now_ns() - begin) / CALLS;
		if (round == 0 || each < best)
			best = each;
	}
	return best;
}

int main(void)
{
	static const char *const statements[] = {
		"SELECT abalance FROM pgbench_accounts WHERE aid = 12345",
		"UPDATE pgbench_accounts SET abalance = abalance + -1234 WHERE aid = 12345",
		"INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, 4, CURRENT_TIMESTAMP)",
		"SELECT \"u\".\"id\", \"u\".\"name\" FROM \"users\" \"u\" WHERE \"u\".\"id\" IN (1, 2, 3, 4, 5, 6, 7, 8) ORDER BY 1 LIMIT 10",
		"SELECT c FROM sbtest1 WHERE id BETWEEN 5000 AND 5099 AND k = $1 AND note LIKE 'a%'",
	};
	struct fingerprinter *fingerprinter = fingerprinter_new();

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
		printf("%7.1f ns  %s\n", measure(fingerprinter, slice_of(statements[i])), statements[i]);
	fingerprinter_free(fingerprinter);
	return 0;
}
