#include "route/fanout_tree.h"

#include <stdlib.h>

#include "base/mem.h"
#include "sql/parse.h"

static void *allocate(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void leave(void *arena, void *memory)
{
}

int tree_parse_select(struct slice sql, bool standard_strings, struct arena *arena, PgQuery__SelectStmt **ret_select, struct err *err)
{
	ProtobufCAllocator allocator = { .alloc = allocate, .free = leave, .allocator_data = arena };
	char *text = mem_strndup(sql.data, sql.size);
	PgQuery__ParseResult *result;
	int rc = parse_text(text, standard_strings, &allocator, &result, err);

	mem_free(text);
	if (rc < 0)
		return rc;
	if (result->n_stmts != 1 || !result->stmts[0]->stmt ||
	    result->stmts[0]->stmt->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
		return err_set(err, ERR_UNSUPPORTED, "only a single SELECT can run on several shards");
	*ret_select = result->stmts[0]->stmt->select_stmt;
	return 0;
}

/* Calls visit() for the messages in one field of `message`. */
static int walk_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, tree_visit *visit, void *context,
		      struct err *err)
{
	const char *base = (const char *)message;
	int code = 0;

	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return 0;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t count = *(const size_t *)(base + field->quantifier_offset);
		ProtobufCMessage *const *items = *(ProtobufCMessage *const *const *)(base + field->offset);

		for (size_t i = 0; i < count && code >= 0; i++)
			code = tree_walk(items[i], visit, context, err);
		return code;
	}
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *(const uint32_t *)(base + field->quantifier_offset) != field->id)
		return 0;
	return tree_walk(*(ProtobufCMessage *const *)(base + field->offset), visit, context, err);
}

int tree_walk(const ProtobufCMessage *message, tree_visit *visit, void *context, struct err *err)
{
	int code;

	if (!message)
		return 0;
	code = visit(message, context, err);
	if (code != TREE_INTO)
		return code < 0 ? code : 0;
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		code = walk_field(message, &message->descriptor->fields[i], visit, context, err);
		if (code < 0)
			return code;
	}
	return 0;
}

static int forget_location(const ProtobufCMessage *message, void *context, struct err *err)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "location");

	if (field && field->type == PROTOBUF_C_TYPE_INT32)
		*(int32_t *)((uintptr_t)message + field->offset) = 0;
	return TREE_INTO;
}

struct slice tree_bytes(const ProtobufCMessage *message, struct arena *arena)
{
	size_t size;
	uint8_t *bytes;

	if (tree_walk(message, forget_location, NULL, NULL) < 0)
		return slice_make(NULL, 0);
	size = protobuf_c_message_get_packed_size(message);
	bytes = arena_alloc(arena, size);
	protobuf_c_message_pack(message, bytes);
	return slice_make(bytes, size);
}

PgQuery__Node *tree_copy(const PgQuery__Node *node, struct arena *arena)
{
	ProtobufCAllocator allocator = { .alloc = allocate, .free = leave, .allocator_data = arena };
	struct slice bytes = tree_bytes(&node->base, arena);

	return pg_query__node__unpack(&allocator, bytes.size, (const uint8_t *)bytes.data);
}

#define INIT(arena, type) ({                                                            \
	PgQuery__##type *message_ = arena_alloc((arena), sizeof(*message_));            \
	*message_ = (PgQuery__##type)INIT_##type;                                       \
	message_; })
#define INIT_Node PG_QUERY__NODE__INIT
#define INIT_AConst PG_QUERY__A__CONST__INIT
#define INIT_Integer PG_QUERY__INTEGER__INIT
#define INIT_String PG_QUERY__STRING__INIT
#define INIT_ColumnRef PG_QUERY__COLUMN_REF__INIT
#define INIT_ResTarget PG_QUERY__RES_TARGET__INIT
#define INIT_CollateClause PG_QUERY__COLLATE_CLAUSE__INIT
#define INIT_SortBy PG_QUERY__SORT_BY__INIT
#define INIT_SelectStmt PG_QUERY__SELECT_STMT__INIT
#define INIT_RawStmt PG_QUERY__RAW_STMT__INIT
#define INIT_ParseResult PG_QUERY__PARSE_RESULT__INIT

/* protobuf-c's strings are not const; nothing writes to them. */
static char *borrowed(const char *text)
{
	return (char *)(uintptr_t)text;
}

static PgQuery__Node *string_node(struct arena *arena, const char *text)
{
	PgQuery__Node *node = INIT(arena, Node);

	node->node_case = PG_QUERY__NODE__NODE_STRING;
	node->string = INIT(arena, String);
	node->string->sval = borrowed(text);
	return node;
}

PgQuery__Node *tree_integer(struct arena *arena, int value)
{
	PgQuery__Node *node = INIT(arena, Node);

	node->node_case = PG_QUERY__NODE__NODE_A_CONST;
	node->a_const = INIT(arena, AConst);
	node->a_const->val_case = PG_QUERY__A__CONST__VAL_IVAL;
	node->a_const->ival = INIT(arena, Integer);
	node->a_const->ival->ival = value;
	return node;
}

PgQuery__Node *tree_column(struct arena *arena, const char *const *names, size_t name_count)
{
	PgQuery__Node *node = INIT(arena, Node);

	node->node_case = PG_QUERY__NODE__NODE_COLUMN_REF;
	node->column_ref = INIT(arena, ColumnRef);
	node->column_ref->n_fields = name_count;
	node->column_ref->fields = arena_alloc(arena, name_count * sizeof(PgQuery__Node *));
	for (size_t i = 0; i < name_count; i++)
		node->column_ref->fields[i] = string_node(arena, names[i]);
	return node;
}

PgQuery__Node *tree_target(struct arena *arena, PgQuery__Node *value, const char *name)
{
	PgQuery__Node *node = INIT(arena, Node);

	node->node_case = PG_QUERY__NODE__NODE_RES_TARGET;
	node->res_target = INIT(arena, ResTarget);
	node->res_target->val = value;
	if (name)
		node->res_target->name = borrowed(name);
	return node;
}

PgQuery__Node *tree_collate(struct arena *arena, PgQuery__Node *value, const char *collation)
{
	PgQuery__Node *node = INIT(arena, Node);

	node->node_case = PG_QUERY__NODE__NODE_COLLATE_CLAUSE;
	node->collate_clause = INIT(arena, CollateClause);
	node->collate_clause->arg = value;
	node->collate_clause->n_collname = 1;
	node->collate_clause->collname = arena_alloc(arena, sizeof(PgQuery__Node *));
	node->collate_clause->collname[0] = string_node(arena, collation);
	return node;
}

PgQuery__Node *tree_sort(struct arena *arena, PgQuery__Node *value, bool descending, bool nulls_first)
{
	PgQuery__Node *node = INIT(arena, Node);

	node->node_case = PG_QUERY__NODE__NODE_SORT_BY;
	node->sort_by = INIT(arena, SortBy);
	node->sort_by->node = value;
	node->sort_by->sortby_dir = descending ? PG_QUERY__SORT_BY_DIR__SORTBY_DESC : PG_QUERY__SORT_BY_DIR__SORTBY_ASC;
	node->sort_by->sortby_nulls =
		nulls_first ? PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST : PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST;
	return node;
}

const char *tree_name(PgQuery__Node *const *names, size_t count, size_t i)
{
	return i < count && names[i]->node_case == PG_QUERY__NODE__NODE_STRING ? names[i]->string->sval : NULL;
}

static PgQuery__ParseResult *wrap(PgQuery__SelectStmt *select, struct arena *arena)
{
	PgQuery__ParseResult *result = INIT(arena, ParseResult);
	PgQuery__RawStmt *raw = INIT(arena, RawStmt);
	PgQuery__Node *node = INIT(arena, Node);

	node->node_case = PG_QUERY__NODE__NODE_SELECT_STMT;
	node->select_stmt = select;
	raw->stmt = node;
	result->version = PG_VERSION_NUM;
	result->n_stmts = 1;
	result->stmts = arena_alloc(arena, sizeof(raw));
	result->stmts[0] = raw;
	return result;
}

int tree_write(PgQuery__SelectStmt *select, bool standard_strings, struct arena *arena, const char **ret_sql, struct err *err)
{
	struct slice bytes = tree_bytes(&wrap(select, arena)->base, arena);
	PgQueryProtobuf packed = { .len = bytes.size, .data = borrowed(bytes.data) };
	PgQueryDeparseResult written = pg_query_deparse_protobuf(packed);
	PgQuery__SelectStmt *again;
	int code;

	if (written.error) {
		code = err_set(err, ERR_UNSUPPORTED, "the statement cannot be rewritten for the shards: %s", written.error->message);
		pg_query_free_deparse_result(written);
		return code;
	}
	*ret_sql = arena_strdup(arena, written.query);
	pg_query_free_deparse_result(written);
	code = tree_parse_select(slice_of(*ret_sql), standard_strings, arena, &again, NULL);
	if (code < 0 || !slice_eq(tree_bytes(&again->base, arena), tree_bytes(&select->base, arena))) {
		err_set(err, ERR_UNSUPPORTED, "the statement cannot be rewritten for the shards");
		err_detail(err, "Written out again, it would have another meaning.");
		err_hint(err, "Write it in a simpler way, or add the shard key to WHERE.");
		return ERR_UNSUPPORTED;
	}
	return 0;
}
