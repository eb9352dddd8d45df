#include "sql/parse.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sql/lexer.h"

enum {
	SHORT_SIZE = 1024,              /* what such a text needs, the reserve has */
	TOKEN_BYTES = 512,              /* of tree and packed tree for a token; measured: 480 at most */
};

/* The inside of libpg_query 15 (pg_query_internal.h, elog.h), which is PostgreSQL's own way with errors: each thread has its own. */
struct raw_tree {
	void *tree;
	char *stderr_buffer;
	PgQueryError *error;
};
extern __thread bool standard_conforming_strings;
extern __thread sigjmp_buf *PG_exception_stack;
extern void *pg_query_enter_memory_context(void);
extern void pg_query_exit_memory_context(void *context);
extern struct raw_tree pg_query_raw_parse(const char *text);
extern PgQueryProtobuf pg_query_nodes_to_protobuf(const void *tree);
extern void FlushErrorState(void);

static bool has_memory(struct slice text, bool standard_strings)
{
	struct lexer lexer;
	struct token token;
	size_t tokens = 0;

	if (text.size <= SHORT_SIZE)
		return true;
	lexer_init(&lexer, text, standard_strings);
	while (lexer_next(&lexer, &token) == 1)
		tokens++;
	return mem_possible(text.size * 4 + tokens * TOKEN_BYTES);
}

/* As pg_query_parse_protobuf(), which catches errors of the parser only; false: some other, which without memory are all there are. */
static bool parse_packed(const char *text, PgQueryProtobufParseResult *ret)
{
	sigjmp_buf *before = PG_exception_stack, here;
	void *volatile context = NULL;
	struct raw_tree raw;

	*ret = (PgQueryProtobufParseResult){ 0 };
	if (sigsetjmp(here, 0) != 0) {
		PG_exception_stack = before;
		FlushErrorState();
		if (context)
			pg_query_exit_memory_context(context);
		return false;
	}
	PG_exception_stack = &here;
	context = pg_query_enter_memory_context();
	raw = pg_query_raw_parse(text);
	ret->stderr_buffer = raw.stderr_buffer;
	ret->error = raw.error;
	if (!raw.error)
		ret->parse_tree = pg_query_nodes_to_protobuf(raw.tree);
	PG_exception_stack = before;
	pg_query_exit_memory_context(context);
	return true;
}

int parse_text(const char *text, bool standard_strings, ProtobufCAllocator *allocator, PgQuery__ParseResult **ret_tree, struct err *err)
{
	PgQueryProtobufParseResult result;
	int rc = 0;

	if (!has_memory(slice_of(text), standard_strings))
		return err_memory(err);
	standard_conforming_strings = standard_strings;
	if (!parse_packed(text, &result))
		return err_memory(err);
	if (result.error)
		rc = strcmp(result.error->message, "out of memory") == 0 ? err_memory(err) : err_set(err, ERR_SYNTAX, "%s", result.error->message);
	else
		*ret_tree = pg_query__parse_result__unpack(allocator, result.parse_tree.len, (const uint8_t *)result.parse_tree.data);
	if (rc == 0 && !*ret_tree)
		rc = err_memory(err);   /* there is no other reason why what was just packed could not be unpacked */
	pg_query_free_protobuf_parse_result(result);
	return rc;
}
