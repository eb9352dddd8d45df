#include "sql/fingerprint.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include <xxhash.h>

#include "base/limits.h"
#include "base/mem.h"
#include "sql/keep.h"
#include "sql/lexer.h"
#include "sql/twins.h"
#include "sql/words.h"

enum {
	TOKENS_FIRST = 256,
	TOKENS_KEPT_MAX = 64 << 10,             /* memory for more tokens is given back before the next statement */
	TEXT_KEPT_MAX = 4 << 10,                /* a longer text is read anew each time */
	TOKEN_NORMAL_EXTRA = 8,                 /* a token's normal form is at most this much longer than its text */
	INTEGER_DIGITS_MAX = 19,                /* of 9223372036854775807 */
};

struct fingerprinter {
	struct fingerprint result;
	struct twins *twins;                    /* or NULL */
	struct words words;
	struct token *tokens;
	size_t token_count, token_capacity;
	size_t literal_capacity;
	char *normal;
	size_t normal_capacity;
	char last[TEXT_KEPT_MAX];               /* the text that was asked for last: planned first and routed next, it is read once */
	size_t last_size;                       /* 0: none that is kept */
	const struct fingerprint *last_result;
};

struct fingerprinter *fingerprinter_new(bool remembers)
{
	struct fingerprinter *fingerprinter = mem_calloc(1, sizeof(*fingerprinter));

	if (remembers)
		fingerprinter->twins = twins_new();
	words_init(&fingerprinter->words);
	return fingerprinter;
}

static void forget_memory(struct fingerprinter *f)
{
	mem_free(f->tokens);
	mem_free(f->result.literals);
	mem_free(f->normal);
	f->tokens = NULL;
	f->result.literals = NULL;
	f->normal = NULL;
	f->token_capacity = f->literal_capacity = f->normal_capacity = 0;
}

void fingerprinter_free(struct fingerprinter *fingerprinter)
{
	if (!fingerprinter)
		return;
	forget_memory(fingerprinter);
	twins_free(fingerprinter->twins);
	mem_free(fingerprinter);
}

/* U&'…' UESCAPE '!' is one literal: the last three tokens, when they are that, become one. */
static void join_uescape(struct fingerprinter *f)
{
	struct token *last = &f->tokens[f->token_count - 1];

	if (f->token_count < 3 || last[-1].kind != TOKEN_WORD || last[-1].word != W_UESCAPE ||
	    last[-2].kind != TOKEN_STRING_UNICODE || last->kind == TOKEN_STRING_UNICODE)
		return;
	last[-2].size = last->offset + last->size - last[-2].offset;
	f->token_count -= 2;
}

/* Looks a name up in the words. A quoted one counts as it stands between its quotes. */
static enum word find_word(const struct fingerprinter *f, struct slice sql, const struct token *token)
{
	size_t quote = token->kind == TOKEN_QUOTED;

	return words_find(&f->words, sql.data + token->offset + quote, token->size - 2 * quote,
			  sql.size - token->offset - quote, quote);
}

/* Joins a closing bracket with the last open one of its kind; open ones are linked through `match` until then. */
static void close_bracket(struct fingerprinter *f, uint32_t *last_open, uint32_t index)
{
	struct token *close = &f->tokens[index], *open;

	if (*last_open == UINT32_MAX)
		return;
	open = &f->tokens[*last_open];
	if ((open->first == '(') != (close->first == ')'))
		return;
	close->match = *last_open;
	*last_open = open->match;
	open->match = index;
}

static void read_token(struct fingerprinter *f, struct slice sql, uint32_t *last_open)
{
	uint32_t index = (uint32_t)f->token_count++;
	struct token *token = &f->tokens[index];

	switch ((enum token_kind)token->kind) {
	case TOKEN_WORD: case TOKEN_QUOTED:
		token->word = (uint16_t)find_word(f, sql, token);
		break;
	case TOKEN_CHAR:
		if (token->first == '(' || token->first == '[') {
			token->match = *last_open;
			*last_open = index;
		} else if (token->first == ')' || token->first == ']') {
			token->match = UINT32_MAX;
			close_bracket(f, last_open, index);
		}
		break;
	case TOKEN_STRING: case TOKEN_STRING_ESCAPE: case TOKEN_STRING_UNICODE: case TOKEN_STRING_DOLLAR:
		join_uescape(f);
		break;
	case TOKEN_NCHAR: case TOKEN_QUOTED_UNICODE: case TOKEN_BITS: case TOKEN_HEX: case TOKEN_INTEGER:
	case TOKEN_DECIMAL: case TOKEN_PARAM: case TOKEN_TYPECAST: case TOKEN_DOT_DOT: case TOKEN_COLON_EQUALS:
	case TOKEN_EQUALS_GREATER: case TOKEN_LESS_EQUALS: case TOKEN_GREATER_EQUALS: case TOKEN_NOT_EQUALS:
	case TOKEN_OPERATOR:
		break;
	}
}

static int read_tokens(struct fingerprinter *f, struct slice sql, bool standard_strings, struct err *err)
{
	struct lexer lexer;
	uint32_t last_open = UINT32_MAX;

	lexer_init(&lexer, sql, standard_strings);
	f->token_count = 0;
	for (;;) {
		int rc;

		if (f->token_count == f->token_capacity) {
			f->token_capacity = f->token_capacity ? f->token_capacity * 2 : TOKENS_FIRST;
			f->tokens = mem_realloc(f->tokens, f->token_capacity * sizeof(*f->tokens));
		}
		rc = lexer_next(&lexer, &f->tokens[f->token_count]);
		if (rc < 0)
			return err_set(err, rc, "%s", lexer.problem);
		if (rc == 0)
			break;
		read_token(f, sql, &last_open);
	}
	while (last_open != UINT32_MAX) {
		uint32_t outer = f->tokens[last_open].match;

		f->tokens[last_open].match = UINT32_MAX;
		last_open = outer;
	}
	return 0;
}

/* Behind the block comment that begins at `at`, which is closed. */
static const char *skip_comment(const char *at, const char *end)
{
	size_t depth = 0;

	for (; at + 1 < end; at++) {
		if (at[0] == '/' && at[1] == '*') {
			depth++;
			at++;
		} else if (at[0] == '*' && at[1] == '/') {
			at++;
			if (--depth == 0)
				return at + 1;
		}
	}
	return end;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_line(const char *at, const char *end)
{
	while (at < end && *at != '\n' && *at != '\r')
		at++;
	return at;
}

/* What leading comments, before `end`, say to the router: the text behind "nanu:", in upper or lower case, in a comment that begins so; of several, from the
 * first to the last. */
static void find_hint(struct slice sql, const char *end, struct fingerprint *result)
{
	static const char mark[] = "nanu:";
	const char *at = sql.data;

	while (at < end) {
		const char *begin = at + 2, *close;

		if (*at != '-' && *at != '/') {
			at++;
			continue;
		}
		close = at[0] == '-' ? skip_line(at, end) : skip_comment(at, end) - 2;
		at = at[0] == '-' ? close : close + 2;
		while (begin < close && is_blank(*begin))
			begin++;
		if ((size_t)(close - begin) < sizeof(mark) - 1 || strncasecmp(begin, mark, sizeof(mark) - 1) != 0)
			continue;
		for (begin += sizeof(mark) - 1; begin < close && is_blank(*begin); begin++)
			;
		while (close > begin && is_blank(close[-1]))
			close--;
		if (!result->hint_offset)
			result->hint_offset = (uint32_t)(begin - sql.data);
		result->hint_size = (uint32_t)(close - sql.data) - result->hint_offset;
	}
}

/* The second pass: from tokens to the normal form. */
struct writer {
	struct fingerprinter *f;
	struct tokens tokens;
	struct slice sql;
	char *out;
	unsigned flags;                         /* keep_flags at this place */
	size_t depth;                           /* of brackets */
	bool semicolon;                         /* one was read and is written when something follows */
	bool start;                             /* the next token begins a statement */
	bool create;                            /* CREATE was seen: a body may hold semicolons, so all the rest is kept */
};

static enum literal_class literal_class(const struct writer *w, const struct token *token)
{
	const char *digits = w->sql.data + token->offset;
	size_t size = token->size;

	if (token->kind == TOKEN_DECIMAL)
		return LITERAL_DECIMAL;
	if (token->kind == TOKEN_BITS || token->kind == TOKEN_HEX)
		return LITERAL_BIT;
	if (token->kind != TOKEN_INTEGER)
		return LITERAL_STRING;
	while (size > 1 && *digits == '0') {
		digits++;
		size--;
	}
	if (size < INTEGER_DIGITS_MAX ||
	    (size == INTEGER_DIGITS_MAX && memcmp(digits, "9223372036854775807", INTEGER_DIGITS_MAX) <= 0))
		return LITERAL_INTEGER;
	return LITERAL_DECIMAL;
}

static struct literal *add_literal(struct writer *w, const struct token *token, enum literal_class class)
{
	struct fingerprint *result = &w->f->result;
	struct literal *literal;

	if (result->literal_count == w->f->literal_capacity) {
		w->f->literal_capacity = w->f->literal_capacity ? w->f->literal_capacity * 2 : TOKENS_FIRST;
		result->literals = mem_realloc(result->literals, w->f->literal_capacity * sizeof(*result->literals));
	}
	literal = &result->literals[result->literal_count++];
	*literal = (struct literal){
		.class = class, .offset = token->offset, .size = token->size, .slot = (uint32_t)result->slot_count,
	};
	return literal;
}

static void put_text(struct writer *w, const char *text, size_t size)
{
	memcpy(w->out, text, size);
	w->out += size;
}

static void put_placeholder(struct writer *w, enum literal_class class)
{
	*w->out++ = '?';
	*w->out++ = "idsb"[class];
}

static void put_literal(struct writer *w, size_t index)
{
	const struct token *token = &w->tokens.items[index];
	enum literal_class class = literal_class(w, token);
	struct literal *literal = add_literal(w, token, class);

	w->f->result.slot_count++;
	literal->kept = keep_literal(&w->tokens, index, w->flags);
	if (!literal->kept) {
		put_placeholder(w, class);
		return;
	}
	if (token->kind == TOKEN_STRING_ESCAPE && token->first == '\'')
		*w->out++ = 'E';                /* the normal form does not depend on standard_conforming_strings */
	put_text(w, w->sql.data + token->offset, token->size);
}

static void put_word(struct writer *w, const struct token *token)
{
	const char *text = w->sql.data + token->offset;
	char *out = w->out;

	for (size_t i = 0; i < token->size; i++) {
		unsigned char c = (unsigned char)text[i];

		out[i] = (char)(c + ((unsigned)(c - 'A') < 26 ? 0x20 : 0));
	}
	w->out += token->size;
}

/* A quoted identifier loses its quotes when it means the same without: lower case, and no keyword. */
static void put_quoted(struct writer *w, const struct token *token)
{
	const char *text = w->sql.data + token->offset + 1;
	size_t size = token->size - 2;
	bool plain = word_category(token->word) == CATEGORY_NAME && !(text[0] >= '0' && text[0] <= '9');

	for (size_t i = 0; i < size && plain; i++)
		plain = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') || text[i] == '_';
	if (plain)
		put_text(w, text, size);
	else
		put_text(w, text - 1, size + 2);
}

/* The index behind the list of literals of one class that begins at `first` and ends before the bracket `close`; or 0. */
static size_t literal_list_end(const struct writer *w, size_t first, size_t close)
{
	const struct token *items = w->tokens.items;
	enum literal_class class;

	if (close == UINT32_MAX || close <= first || !token_is_literal(&items[first]))
		return 0;
	class = literal_class(w, &items[first]);
	for (size_t i = first;; i += 2) {
		if (i >= close || !token_is_literal(&items[i]) || literal_class(w, &items[i]) != class ||
		    keep_literal(&w->tokens, i, w->flags))
			return 0;
		if (i + 1 == close)
			return close;
		if (!token_is(&items[i + 1], ','))
			return 0;
	}
}

/* Behind the bracket that opened at `open`: IN (1, 2, 3) and ARRAY[1, 2, 3] become one slot. The index of the next token. */
static size_t put_list(struct writer *w, size_t open)
{
	const struct token *items = w->tokens.items, *before = &items[open - 1];
	enum word opener = items[open].first == '(' ? W_IN : W_ARRAY;
	size_t end;

	if (before->kind != TOKEN_WORD || before->word != opener || (open >= 2 && token_is(&items[open - 2], '.')))
		return open + 1;
	end = literal_list_end(w, open + 1, items[open].match);
	if (!end)
		return open + 1;
	for (size_t i = open + 1; i < end; i += 2)
		add_literal(w, &items[i], literal_class(w, &items[i]));
	w->f->result.slot_count++;
	*w->out++ = ' ';
	put_placeholder(w, literal_class(w, &items[open + 1]));
	return end;
}

static size_t put_open(struct writer *w, size_t index)
{
	struct token *token = &w->f->tokens[index];

	*w->out++ = token->first;
	w->depth++;
	token->word = (uint16_t)w->flags;       /* remembered until it closes */
	w->flags = keep_inside(&w->tokens, index, w->flags);
	return index > 0 ? put_list(w, index) : index + 1;
}

static void put_close(struct writer *w, const struct token *token)
{
	*w->out++ = token->first;
	if (token->match == UINT32_MAX)
		return;
	w->depth--;
	w->flags = w->tokens.items[token->match].word;
}

static void note_param(struct writer *w, const struct token *token)
{
	long number = 0;

	for (size_t i = 1; i < token->size && number < INT_MAX; i++)
		number = number * 10 + (w->sql.data[token->offset + i] - '0');
	if (number > INT_MAX)
		number = INT_MAX;
	if (number > w->f->result.param_max)
		w->f->result.param_max = (int)number;
}

/* Writes the token at `index` and returns the index of the next one. */
static size_t put_token(struct writer *w, size_t index)
{
	const struct token *token = &w->tokens.items[index];

	switch ((enum token_kind)token->kind) {
	case TOKEN_WORD:
		put_word(w, token);
		w->create |= token->word == W_CREATE && w->flags & KEEP_STATEMENT;
		w->flags = keep_behind_word(&w->tokens, index, w->flags);
		break;
	case TOKEN_QUOTED:
		put_quoted(w, token);
		break;
	case TOKEN_NCHAR:
		put_text(w, "nchar", 5);
		break;
	case TOKEN_STRING: case TOKEN_STRING_ESCAPE: case TOKEN_STRING_UNICODE: case TOKEN_STRING_DOLLAR:
	case TOKEN_BITS: case TOKEN_HEX: case TOKEN_INTEGER: case TOKEN_DECIMAL:
		put_literal(w, index);
		break;
	case TOKEN_PARAM:
		note_param(w, token);
		put_text(w, w->sql.data + token->offset, token->size);
		break;
	case TOKEN_CHAR:
		if (token->first == '(' || token->first == '[')
			return put_open(w, index);
		if (token->first == ')' || token->first == ']')
			put_close(w, token);
		else
			*w->out++ = token->first;
		break;
	case TOKEN_QUOTED_UNICODE: case TOKEN_TYPECAST: case TOKEN_DOT_DOT: case TOKEN_COLON_EQUALS:
	case TOKEN_EQUALS_GREATER: case TOKEN_LESS_EQUALS: case TOKEN_GREATER_EQUALS: case TOKEN_NOT_EQUALS:
	case TOKEN_OPERATOR:
		put_text(w, w->sql.data + token->offset, token->size);
		break;
	}
	return index + 1;
}

static void put_tokens(struct writer *w)
{
	const struct token *items = w->tokens.items;

	for (size_t i = 0; i < w->tokens.count;) {
		if (w->depth == 0 && token_is(&items[i], ';')) {
			w->semicolon = w->start = true;
			i++;
			continue;
		}
		if (w->out != w->f->normal)
			*w->out++ = ' ';
		if (w->semicolon) {
			put_text(w, "; ", 2);
			w->f->result.several = true;
			w->semicolon = false;
		}
		if (w->start) {
			w->flags = w->create ? KEEP_STATEMENT : keep_at_start(&w->tokens, i);
			w->start = false;
		}
		i = put_token(w, i);
	}
}

static int read_text(struct fingerprinter *f, struct slice sql, bool standard_strings, struct err *err)
{
	struct fingerprint *result = &f->result;
	struct writer writer;
	XXH128_hash_t hash;
	size_t normal_size_max;
	int rc;

	if (sql.size > STATEMENT_SIZE_MAX)
		return err_set(err, ERR_LIMIT, "a statement is longer than %d bytes", STATEMENT_SIZE_MAX);
	if (f->token_capacity > TOKENS_KEPT_MAX || f->normal_capacity > TOKENS_KEPT_MAX * TOKEN_NORMAL_EXTRA)
		forget_memory(f);
	rc = read_tokens(f, sql, standard_strings, err);
	if (rc < 0)
		return rc;
	normal_size_max = sql.size + (f->token_count + 1) * TOKEN_NORMAL_EXTRA;
	if (normal_size_max > f->normal_capacity) {
		mem_free(f->normal);
		f->normal = mem_alloc(normal_size_max);
		f->normal_capacity = normal_size_max;
	}
	*result = (struct fingerprint){ .literals = result->literals, .standard_strings = standard_strings };
	writer = (struct writer){
		.f = f, .tokens = { sql.data, f->tokens, f->token_count }, .sql = sql, .out = f->normal, .start = true,
	};
	put_tokens(&writer);
	result->normal = slice_make(f->normal, (size_t)(writer.out - f->normal));
	if (f->token_count > 0 && f->tokens[0].offset > 0)
		find_hint(sql, sql.data + f->tokens[0].offset, result);
	hash = XXH3_128bits(result->normal.data, result->normal.size);
	result->hash[0] = hash.low64;
	result->hash[1] = hash.high64;
	return 0;
}

int fingerprint_make(struct fingerprinter *fingerprinter, struct slice sql, bool standard_strings,
		     const struct fingerprint **ret_fingerprint, struct err *err)
{
	struct fingerprinter *f = fingerprinter;
	const struct fingerprint *found = NULL;
	int rc;

	if (sql.size && sql.size == f->last_size && f->last_result->standard_strings == standard_strings &&
	    memcmp(sql.data, f->last, sql.size) == 0) {
		*ret_fingerprint = f->last_result;
		return 0;
	}
	*ret_fingerprint = NULL;
	f->last_size = 0;
	if (f->twins && sql.size <= STATEMENT_SIZE_MAX)
		found = twins_find(f->twins, sql, standard_strings);
	if (!found) {
		rc = read_text(f, sql, standard_strings, err);
		if (rc < 0)
			return rc;
		found = &f->result;
		if (f->twins)
			twins_add(f->twins, sql, found);
	}
	if (sql.size <= sizeof(f->last)) {
		if (sql.size)           /* of no bytes, which may be nowhere */
			memcpy(f->last, sql.data, sql.size);
		f->last_size = sql.size;
	}
	*ret_fingerprint = f->last_result = found;
	return 0;
}
