/* What is done with the text of a statement besides planning it: it is changed only where it is to be, and nothing that a client writes breaks it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/translate.h"
#include "backend/datestyle.h"
#include "base/mem.h"
#include "sql/body.h"
#include "sql/comments.h"
#include "sql/lexer.h"
#include "sql/lift.h"
#include "sql/rewrite.h"
#include "sql/set_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_SIZE_MAX = 1 << 20 };

#define must(holds) ((holds) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds), abort()))

/* The name is another one; what stands around it is as it was; and doing it twice changes nothing more. */
static void rename_prepared(struct slice sql, bool standard)
{
	struct slice name = SLICE_LIT("na\"me"), new;
	struct rewrite rewrite, second;
	struct buf out, again;
	size_t tail, last = 0;

	buf_init(&out, TEXT_SIZE_MAX);
	buf_init(&again, TEXT_SIZE_MAX);
	if (rewrite_execute(sql, standard, name, &out, &rewrite, NULL) == 0) {
		new = buf_slice(&out);
		tail = sql.size - rewrite.offset - rewrite.size;
		must(new.size == rewrite.offset + rewrite.new_size + tail);
		must(slice_eq(slice_make(sql.data, rewrite.offset), slice_make(new.data, rewrite.offset)));
		must(slice_eq(slice_make(sql.data + sql.size - tail, tail), slice_make(new.data + new.size - tail, tail)));
		for (size_t position = 1; position <= new.size + 1 && position < 500; position++) {
			size_t old = rewrite_position(&rewrite, sql, new, true, position);

			must(old >= last && old <= sql.size + 1);
			last = old;
		}
		must(rewrite_execute(new, standard, name, &again, &second, NULL) == 0 && slice_eq(buf_slice(&again), new));
	}
	buf_release(&again);
	buf_release(&out);
}

/* Without comments the tokens stand where they stood. */
static void blank_comments(struct slice sql, bool standard)
{
	char *copy = mem_strndup(sql.data, sql.size);
	struct lexer before, after;
	struct token a, b;
	int rc;

	comments_blank(copy, sql.size, standard);
	lexer_init(&before, sql, standard);
	lexer_init(&after, slice_make(copy, sql.size), standard);
	do {
		rc = lexer_next(&before, &a);
		if (rc == 1)
			must(lexer_next(&after, &b) == 1 && a.kind == b.kind && a.offset == b.offset && a.size == b.size);
	} while (rc == 1);
	mem_free(copy);
}

/* With the values put back it is the statement that it was. */
static bool is_zero(struct slice digits)
{
	for (size_t i = 0; i < digits.size; i++)
		if (digits.data[i] != '0')
			return false;
	return true;
}

static void lift_literals(struct slice sql, bool standard)
{
	static struct fingerprinter *first, *second;
	const struct fingerprint *fingerprint, *other = NULL;
	struct lifted lifted;
	struct shapes shapes;
	struct lexer lexer;
	struct token token;
	struct arena arena;
	struct buf out, back;
	size_t done = 0, count = 0;

	if (!first) {
		first = fingerprinter_new(true);
		second = fingerprinter_new(false);
	}
	if (fingerprint_make(first, sql, standard, &fingerprint, NULL) < 0)
		return;
	arena_init(&arena, 16 << 10);
	buf_init(&out, TEXT_SIZE_MAX);
	buf_init(&back, TEXT_SIZE_MAX);
	if (shape_parse(sql, fingerprint, &arena, &shapes, NULL) == 0 && shapes.count == 1 &&
	    lift(&shapes.items[0], fingerprint, sql, &out, &lifted)) {
		lexer_init(&lexer, buf_slice(&out), standard);
		while (lexer_next(&lexer, &token) == 1) {
			if (token.kind != TOKEN_PARAM || is_zero(slice_make(out.data + token.offset + 1, token.size - 1)))
				continue;       /* $0 is nobody's */
			must(count < lifted.count);
			buf_add(&back, out.data + done, token.offset - done);
			buf_add_text(&back, lifted.negative[count] ? "-" : "");
			buf_add_slice(&back, lifted.values[count++]);
			done = token.offset + token.size;
		}
		buf_add(&back, out.data + done, out.size - done);
		must(count == lifted.count && fingerprint_make(second, buf_slice(&back), standard, &other, NULL) == 0);
		must(slice_eq(fingerprint->normal, other->normal));
	}
	buf_release(&back);
	buf_release(&out);
	arena_release(&arena);
}

static bool hear_name(void *owner, struct slice name, bool field)
{
	must(name.data[name.size] == '\0');
	return true;
}

static void translate_local(const char *sql)
{
	struct translate_request request = { .sql = sql, .user = "u", .database = "d" };
	struct translation translation;
	struct arena arena;
	struct err err = { 0 };

	arena_init(&arena, 16 << 10);
	if (translate(&request, &arena, &translation, &err) < 0)
		must(err.message[0]);
	else
		must(translation.sql[0] && translation.column_count);
	arena_release(&arena);
}

static void read_setting(const char *text)
{
	const char **names;
	struct arena arena;
	size_t count;
	char *value;

	arena_init(&arena, 1024);
	for (int as_names = 0; as_names < 2; as_names++) {
		value = set_value_text(text, as_names);
		if (set_value_split(&arena, value, &names, &count))
			must(count <= strlen(value) + 1);
		mem_free(value);
	}
	value = datestyle_after("ISO", "German", text);
	mem_free(value);
	arena_release(&arena);
}

/* A text that begins with a space is read with standard_conforming_strings off. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	bool standard;

	if (size == 0 || memchr(data, '\0', size))
		return 0;
	text = mem_strndup((const char *)data, size);
	standard = text[0] != ' ';
	rename_prepared(slice_of(text), standard);
	blank_comments(slice_of(text), standard);
	lift_literals(slice_of(text), standard);
	body_names(slice_of(text), hear_name, NULL);
	read_setting(text);
	translate_local(text);
	mem_free(text);
	return 0;
}
