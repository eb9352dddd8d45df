#include "topo/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "base/mem.h"

enum { LINES_SIZE_MAX = 1 << 20 };

struct lines {
	char *text;
	size_t size;
	yaml_document_t document;
};

static int syntax_error(const char *path, const yaml_parser_t *parser, struct err *err)
{
	size_t line = parser->problem_mark.line + 1;

	return err_set(err, ERR_CONFIG, "%s:%zu: not valid YAML: %s", path, line,
		       parser->problem ? parser->problem : "unreadable bytes");
}

/* Exactly one document, with something in it. */
static int check_documents(const char *path, yaml_parser_t *parser, yaml_document_t *document, struct err *err)
{
	yaml_document_t next;
	yaml_node_t *extra;

	if (!yaml_document_get_root_node(document))
		return err_set(err, ERR_CONFIG, "%s is empty", path);
	if (!yaml_parser_load(parser, &next))
		return syntax_error(path, parser, err);
	extra = yaml_document_get_root_node(&next);
	if (extra) {
		size_t line = extra->start_mark.line + 1;

		yaml_document_delete(&next);
		return err_set(err, ERR_CONFIG, "%s:%zu: a second YAML document begins here; only one is read", path, line);
	}
	yaml_document_delete(&next);
	return 0;
}

int lines_read(const char *path, struct lines **ret_lines, struct err *err)
{
	struct lines *lines = mem_calloc(1, sizeof(*lines));
	yaml_parser_t parser;
	int rc;

	rc = file_read(path, LINES_SIZE_MAX, &lines->text, &lines->size, err);
	if (rc < 0) {
		mem_free(lines);
		return rc;
	}
	if (!yaml_parser_initialize(&parser))
		abort();                /* it only allocates */
	yaml_parser_set_input_string(&parser, (const unsigned char *)lines->text, lines->size);
	if (yaml_parser_load(&parser, &lines->document))
		rc = check_documents(path, &parser, &lines->document, err);
	else
		rc = syntax_error(path, &parser, err);
	yaml_parser_delete(&parser);
	if (rc < 0) {
		lines_free(lines);
		return rc;
	}
	*ret_lines = lines;
	return 0;
}

void lines_free(struct lines *lines)
{
	if (!lines)
		return;
	yaml_document_delete(&lines->document);
	mem_free(lines->text);
	mem_free(lines);
}

struct slice lines_text(const struct lines *lines)
{
	return slice_make(lines->text, lines->size);
}

/* libyaml's accessors take the document without const, and only read. */
static yaml_node_t *node_at(const struct lines *lines, int id)
{
	return yaml_document_get_node((yaml_document_t *)(uintptr_t)&lines->document, id);
}

static bool is_scalar(const yaml_node_t *node, struct slice text)
{
	return node->type == YAML_SCALAR_NODE && slice_eq(slice_make(node->data.scalar.value, node->data.scalar.length), text);
}

static yaml_node_t *child_by_key(const struct lines *lines, const yaml_node_t *node, struct slice key)
{
	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
		if (is_scalar(node_at(lines, pair->key), key))
			return node_at(lines, pair->value);
	return NULL;
}

static yaml_node_t *child_by_index(const struct lines *lines, const yaml_node_t *node, long index)
{
	if (node->type != YAML_SEQUENCE_NODE || index < 0 ||
	    index >= node->data.sequence.items.top - node->data.sequence.items.start)
		return NULL;
	return node_at(lines, node->data.sequence.items.start[index]);
}

unsigned lines_of(const struct lines *lines, const char *path)
{
	yaml_node_t *node = node_at(lines, 1), *next = node;

	while (next && *path) {
		node = next;
		if (*path == '.') {
			path++;
		} else if (*path == '[') {
			char *end;

			next = child_by_index(lines, node, strtol(path + 1, &end, 10));
			path = *end ? end + 1 : end;
		} else {
			size_t size = strcspn(path, ".[");

			next = child_by_key(lines, node, slice_make(path, size));
			path += size;
		}
	}
	return (unsigned)(next ? next : node)->start_mark.line + 1;
}

unsigned lines_of_key(const struct lines *lines, const char *key, unsigned line_from)
{
	unsigned first = 0;
	yaml_node_t *node;

	for (int id = 1; (node = node_at(lines, id)); id++) {
		if (node->type != YAML_MAPPING_NODE)
			continue;
		for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
			yaml_node_t *found = node_at(lines, pair->key);
			unsigned line = (unsigned)found->start_mark.line + 1;

			if (is_scalar(found, slice_of(key)) && line >= line_from && (first == 0 || line < first))
				first = line;
		}
	}
	return first;
}
