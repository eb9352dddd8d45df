#include "operation.h"

#include <stdio.h>
#include <string.h>

unsigned draw(struct draws *draws, unsigned below)
{
	draws->state ^= draws->state << 13;     /* xorshift64 */
	draws->state ^= draws->state >> 7;
	draws->state ^= draws->state << 17;
	return (unsigned)((draws->state >> 32) % below);
}

/* ---- which ---- */

static struct statement *say(struct operation *operation, enum verb verb, int table, unsigned id)
{
	struct statement *statement = &operation->statements[operation->count++];

	*statement = (struct statement){ .verb = verb, .table = table, .id = id };
	return statement;
}

static void write_own(struct operation *operation, int table, struct writer *writer)
{
	say(operation, VERB_WRITE, table, writer->place)->value = ++writer->written[table];
}

static unsigned a_counter(struct draws *draws, const struct history *history)
{
	return history->registers + draw(draws, history->counters);
}

/* What somebody has just changed, more often than not: the session itself, or anybody. */
static unsigned a_row(struct draws *draws, const struct history *history, uint16_t place)
{
	unsigned which = draw(draws, 10);

	if (which < 4)
		return place;
	return which < 8 ? a_counter(draws, history) : draw(draws, history->registers);
}

void operation_choose(struct operation *operation, struct draws *draws, const struct history *history, struct writer *writer, bool many)
{
	uint16_t place = writer->place;
	int table = (int)draw(draws, TABLE_COUNT), other = (int)draw(draws, TABLE_COUNT);
	unsigned which = draw(draws, 100), writes = writer->eager ? 20 : 3;

	*operation = (struct operation){ 0 };
	if (which < writes / 2) {
		write_own(operation, table, writer);
		if (draw(draws, 2))
			say(operation, VERB_READ, table, place);
	} else if (which < writes - 1) {
		say(operation, VERB_ADD, table, a_counter(draws, history));
	} else if (which < writes) {
		operation->block = true;
		say(operation, VERB_BEGIN, 0, 0);
		say(operation, VERB_READ, other, a_row(draws, history, place));
		if (draw(draws, 2))
			write_own(operation, table, writer);
		else
			say(operation, VERB_ADD, table, a_counter(draws, history));
		say(operation, VERB_COMMIT, 0, 0);
	} else if (which < writes + 5) {
		operation->block = true;
		say(operation, VERB_BEGIN_READ_ONLY, 0, 0);
		say(operation, VERB_READ, table, a_row(draws, history, place));
		say(operation, VERB_READ, other, a_row(draws, history, place));
		say(operation, VERB_COMMIT, 0, 0);
	} else if (which < writes + 13) {
		say(operation, VERB_READ_FROM, table, history->registers);
	} else {
		for (unsigned count = many ? 1 + draw(draws, STATEMENTS_MAX) : 1; count; count--)
			say(operation, VERB_READ, (int)draw(draws, TABLE_COUNT), a_row(draws, history, place));
	}
}

void operation_set(struct operation *operation, const char *text)
{
	*operation = (struct operation){ 0 };
	say(operation, VERB_SET, 0, 0)->text = text;
}

void operation_show_token(struct operation *operation)
{
	*operation = (struct operation){ 0 };
	say(operation, VERB_SHOW_TOKEN, 0, 0);
}

void operation_read_everything(struct operation *operation)
{
	*operation = (struct operation){ 0 };
	for (int table = 0; table < TABLE_COUNT; table++)
		say(operation, VERB_READ_FROM, table, 0);
}

/* ---- as text ---- */

bool statement_writes(const struct statement *statement)
{
	return statement->verb == VERB_WRITE || statement->verb == VERB_ADD;
}

bool statement_reads(const struct statement *statement)
{
	return statement->verb == VERB_READ || statement->verb == VERB_READ_FROM;
}

int statement_parameters(const struct statement *statement, char numbers[PARAMETERS_MAX][NUMBER_SIZE])
{
	snprintf(numbers[0], NUMBER_SIZE, "%u", statement->id);
	snprintf(numbers[1], NUMBER_SIZE, "%u", statement->value);
	if (statement->verb == VERB_WRITE)
		return 2;
	return statement_reads(statement) || statement_writes(statement);
}

void statement_text(const struct statement *statement, bool parameters, char text[TEXT_SIZE])
{
	const char *table = table_names[statement->table], *id = "$1", *value = "$2";
	char numbers[PARAMETERS_MAX][NUMBER_SIZE];

	statement_parameters(statement, numbers);
	if (!parameters) {
		id = numbers[0];
		value = numbers[1];
	}
	switch (statement->verb) {
	case VERB_SET:
		snprintf(text, TEXT_SIZE, "%s", statement->text);
		return;
	case VERB_SHOW_TOKEN:
		snprintf(text, TEXT_SIZE, "SHOW nanu.token");
		return;
	case VERB_BEGIN:
		snprintf(text, TEXT_SIZE, "BEGIN");
		return;
	case VERB_BEGIN_READ_ONLY:
		snprintf(text, TEXT_SIZE, "BEGIN READ ONLY");
		return;
	case VERB_COMMIT:
		snprintf(text, TEXT_SIZE, "COMMIT");
		return;
	case VERB_READ:
		snprintf(text, TEXT_SIZE, "SELECT id, n, served_by() FROM %s WHERE id = %s", table, id);
		return;
	case VERB_READ_FROM:
		snprintf(text, TEXT_SIZE, "SELECT id, n, served_by() FROM %s WHERE id >= %s ORDER BY id", table, id);
		return;
	case VERB_WRITE:                /* one whose answer did not come may come behind its successor */
		snprintf(text, TEXT_SIZE, "UPDATE %s SET n = %s WHERE id = %s AND n < %s", table, value, id, value);
		return;
	case VERB_ADD:
		snprintf(text, TEXT_SIZE, "UPDATE %s SET n = n + 1 WHERE id = %s RETURNING id, n, served_by()", table, id);
		return;
	}
}
