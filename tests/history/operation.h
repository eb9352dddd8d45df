/* operation: what a session does next, as statements: it reads, writes, counts, or does some of that in a transaction block.
 *
 * Pure, but for the numbers drawn.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "history.h"

enum { STATEMENTS_MAX = 12 };

enum verb {
	VERB_SET, VERB_SHOW_TOKEN, VERB_BEGIN, VERB_BEGIN_READ_ONLY, VERB_COMMIT,        /* without a table */
	VERB_READ,                      /* one row */
	VERB_READ_FROM,                 /* the row `id` and those behind it: of every shard */
	VERB_WRITE, VERB_ADD,
};

struct statement {
	enum verb verb;
	const char *text;               /* of VERB_SET */
	int table;
	unsigned id;
	uint32_t value;                 /* to be written */
	uint64_t begun_ns;
	uint16_t port;                  /* what an addition was answered with: it counts when its block has ended */
};

struct operation {
	struct statement statements[STATEMENTS_MAX];
	size_t count;
	bool block;                     /* a transaction block */
};

struct draws { uint64_t state; };       /* of random numbers; not 0 */
unsigned draw(struct draws *draws, unsigned below);

struct writer {
	uint16_t place;                 /* it alone writes the registers of that number */
	uint32_t written[TABLE_COUNT];  /* what it last wrote to each */
	bool eager;                     /* it writes often */
};

/* `many`: several reads may be one operation, as they are sent at once. */
void operation_choose(struct operation *operation, struct draws *draws, const struct history *history, struct writer *writer, bool many);
void operation_set(struct operation *operation, const char *text);
void operation_show_token(struct operation *operation);
void operation_read_everything(struct operation *operation);

bool statement_writes(const struct statement *statement);
bool statement_reads(const struct statement *statement);
/* Its text with `$1`, or with the numbers themselves. */
enum { TEXT_SIZE = 640 };
void statement_text(const struct statement *statement, bool parameters, char text[TEXT_SIZE]);
/* The parameters as text; how many. */
enum { PARAMETERS_MAX = 2, NUMBER_SIZE = 16 };
int statement_parameters(const struct statement *statement, char numbers[PARAMETERS_MAX][NUMBER_SIZE]);
