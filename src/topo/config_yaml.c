#include "topo/config_yaml.h"

#include <assert.h>
#include <cyaml/cyaml.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "topo/lines.h"
#include "topo/settings.h"

enum {
	VALUE_SIZE_MAX = 4096, DATABASES_MAX = 1024, USERS_MAX = 1024, SETTINGS_COUNT_MAX = YAML_OVERRIDES_MAX, HBA_RULES_MAX = 1024,
	HBA_NAMES_MAX = 1024, REASON_SIZE = 256
};

static const cyaml_schema_value_t name_value = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, VALUE_SIZE_MAX) };

#define TEXT_FIELD(key, flags, type, name) CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), type, name, 0, VALUE_SIZE_MAX)

static const cyaml_schema_field_t node_fields[] = {
	TEXT_FIELD("name", 0, struct yaml_node_entry, name),
	TEXT_FIELD("host", 0, struct yaml_node_entry, host),
	TEXT_FIELD("port", CYAML_FLAG_OPTIONAL, struct yaml_node_entry, port),
	TEXT_FIELD("region", CYAML_FLAG_OPTIONAL, struct yaml_node_entry, region),
	TEXT_FIELD("zone", CYAML_FLAG_OPTIONAL, struct yaml_node_entry, zone),
	TEXT_FIELD("weight", CYAML_FLAG_OPTIONAL, struct yaml_node_entry, weight),
	TEXT_FIELD("agent", CYAML_FLAG_OPTIONAL, struct yaml_node_entry, agent),
	CYAML_FIELD_END
};
static const cyaml_schema_field_t shard_fields[] = {
	TEXT_FIELD("name", 0, struct yaml_shard_entry, name),
	CYAML_FIELD_SEQUENCE("nodes", CYAML_FLAG_POINTER, struct yaml_shard_entry, nodes, &name_value, 1, NODES_MAX),
	CYAML_FIELD_END
};
static const cyaml_schema_field_t database_fields[] = {
	TEXT_FIELD("name", 0, struct yaml_database_entry, name),
	TEXT_FIELD("node_database", CYAML_FLAG_OPTIONAL, struct yaml_database_entry, node_database),
	CYAML_FIELD_SEQUENCE("shards", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_database_entry, shards, &name_value, 1,
			     SHARDS_MAX),
};
static const cyaml_schema_field_t user_fields[] = {
	TEXT_FIELD("name", 0, struct yaml_user_entry, name),
};
#define NAMES_FIELD(key, name) \
	CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_hba_entry, name, &name_value, 1, HBA_NAMES_MAX)

static const cyaml_schema_field_t hba_fields[] = {
	TEXT_FIELD("type", CYAML_FLAG_OPTIONAL, struct yaml_hba_entry, type),
	NAMES_FIELD("databases", databases),
	NAMES_FIELD("users", users),
	NAMES_FIELD("addresses", addresses),
	TEXT_FIELD("method", 0, struct yaml_hba_entry, method),
	TEXT_FIELD("clientcert", CYAML_FLAG_OPTIONAL, struct yaml_hba_entry, clientcert),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t node_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_node_entry, node_fields)
};
static const cyaml_schema_value_t shard_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_shard_entry, shard_fields)
};
static const cyaml_schema_value_t hba_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_hba_entry, hba_fields)
};

enum {
	LIST_COUNT = 5,
	DATABASE_FIELD_COUNT = sizeof(database_fields) / sizeof(database_fields[0]),
	USER_FIELD_COUNT = sizeof(user_fields) / sizeof(user_fields[0]),
};

/* The whole file: the lists, and an optional string for each row of the settings table; of a database or a user, for those rows that it may have
 * otherwise. */
struct schema {
	cyaml_schema_field_t fields[LIST_COUNT + SETTINGS_COUNT_MAX + 1];
	cyaml_schema_field_t database_fields[DATABASE_FIELD_COUNT + YAML_OVERRIDES_MAX + 1];
	cyaml_schema_field_t user_fields[USER_FIELD_COUNT + YAML_OVERRIDES_MAX + 1];
	cyaml_schema_value_t database, user, root;
};

static cyaml_schema_field_t optional_text(const char *key, size_t offset)
{
	return (cyaml_schema_field_t){
		.key = key,
		.data_offset = (uint32_t)offset,
		.value = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char *, 0, VALUE_SIZE_MAX) },
	};
}

static void add_overrides(cyaml_schema_field_t *fields, size_t offset, unsigned whose)
{
	for (size_t i = 0; i < setting_count && i < YAML_OVERRIDES_MAX; i++)
		if (settings[i].overrides & whose)
			*fields++ = optional_text(settings[i].name, offset + i * sizeof(char *));
}

static void schema_init(struct schema *schema)
{
	const cyaml_schema_field_t lists[LIST_COUNT] = {
		CYAML_FIELD_SEQUENCE("nodes", CYAML_FLAG_POINTER, struct config_yaml, nodes, &node_value, 1, NODES_MAX),
		CYAML_FIELD_SEQUENCE("shards", CYAML_FLAG_POINTER, struct config_yaml, shards, &shard_value, 1, SHARDS_MAX),
		CYAML_FIELD_SEQUENCE("databases", CYAML_FLAG_POINTER, struct config_yaml, databases, &schema->database, 1, DATABASES_MAX),
		CYAML_FIELD_SEQUENCE("users", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_yaml, users, &schema->user, 1,
				     USERS_MAX),
		CYAML_FIELD_SEQUENCE("hba", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_yaml, hba, &hba_value, 1, HBA_RULES_MAX),
	};

	assert(setting_count <= SETTINGS_COUNT_MAX);
	memset(schema, 0, sizeof(*schema));
	memcpy(schema->database_fields, database_fields, sizeof(database_fields));
	add_overrides(schema->database_fields + DATABASE_FIELD_COUNT, offsetof(struct yaml_database_entry, overrides), OF_DATABASE);
	memcpy(schema->user_fields, user_fields, sizeof(user_fields));
	add_overrides(schema->user_fields + USER_FIELD_COUNT, offsetof(struct yaml_user_entry, overrides), OF_USER);
	schema->database = (cyaml_schema_value_t){
		CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_database_entry, schema->database_fields)
	};
	schema->user = (cyaml_schema_value_t){ CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_user_entry, schema->user_fields) };
	memcpy(schema->fields, lists, sizeof(lists));
	for (size_t i = 0; i < setting_count && i < SETTINGS_COUNT_MAX; i++)
		schema->fields[LIST_COUNT + i] = optional_text(settings[i].name, offsetof(struct config_yaml, settings) + i * sizeof(char *));
	schema->root = (cyaml_schema_value_t){
		.type = CYAML_MAPPING,
		.flags = CYAML_FLAG_POINTER,
		.data_size = (uint32_t)(sizeof(struct config_yaml) + setting_count * sizeof(char *)),
		.mapping = { .fields = schema->fields },
	};
}

/* What libcyaml logs when it refuses a file: the reason, "Backtrace:", then from the innermost place outwards
 * "  in mapping field 'port' (line: 5, column: 11)" and "  in sequence entry '0' (line: 4, column: 5)". */
struct complaint {
	char reason[REASON_SIZE];
	unsigned line;
	bool in_entry;                  /* the innermost place is an entry of a list */
	char field[64];                 /* the innermost field; "" in none */
	char list[64];                  /* the outermost: nodes, shards, databases, users */
};

static void hear_place(struct complaint *complaint, const char *text, const char *line)
{
	const char *field = strstr(text, "field '"), *end = field ? strrchr(field, '\'') : NULL;

	if (complaint->line == 0) {
		sscanf(line, "(line: %u", &complaint->line);
		complaint->in_entry = strncmp(text, "  in sequence entry", 19) == 0;
	}
	if (!field)
		return;
	field += 7;
	snprintf(complaint->list, sizeof(complaint->list), "%.*s", (int)(end - field), field);
	if (!complaint->field[0])
		memcpy(complaint->field, complaint->list, sizeof(complaint->field));
}

__attribute__((format(printf, 3, 0))) static void hear(cyaml_log_t level, void *context, const char *format, va_list args)
{
	struct complaint *complaint = context;
	char text[REASON_SIZE], *line, *start = text;

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(start, "Load: ", 6) == 0)
		start += 6;
	line = strstr(start, "(line: ");
	if (line && strncmp(start, "  in ", 5) == 0)
		hear_place(complaint, start, line);
	else if (strcmp(start, "Backtrace:") != 0 && !*complaint->reason)
		snprintf(complaint->reason, sizeof(complaint->reason), "%s", start);
}

/* What follows `start` in the reason, or NULL: the key at the end of "Unexpected key: NAME". */
static const char *reason_after(const struct complaint *complaint, const char *start)
{
	size_t size = strlen(start);

	return strncmp(complaint->reason, start, size) == 0 ? complaint->reason + size : NULL;
}

static bool is_field(const cyaml_schema_field_t *fields, const char *key)
{
	for (; fields->key; fields++)
		if (strcmp(fields->key, key) == 0)
			return true;
	return false;
}

/* The nearest of the keys that may stand in the same place; else the place where this very key may stand. */
static void hint_nearest(const struct complaint *complaint, const char *key, struct err *err)
{
	const char *names[LIST_COUNT + SETTINGS_COUNT_MAX + 1];
	struct schema schema;
	const struct {
		const char *list;
		const cyaml_schema_field_t *fields;
	} places[] = {
		{ "nodes", node_fields }, { "shards", shard_fields }, { "databases", schema.database_fields }, { "users", schema.user_fields },
		{ "hba", hba_fields },
		{ "", schema.fields },
	};
	enum { PLACE_COUNT = sizeof(places) / sizeof(places[0]) };
	const char *nearest = NULL;

	schema_init(&schema);
	for (size_t i = 0; i < PLACE_COUNT; i++) {
		size_t count = 0;

		if (strcmp(places[i].list, complaint->list) != 0)
			continue;
		for (const cyaml_schema_field_t *field = places[i].fields; field->key; field++)
			names[count++] = field->key;
		names[count] = NULL;
		nearest = setting_nearest(key, names);
	}
	if (nearest) {
		err_hint(err, "Did you mean \"%s\"?", nearest);
		return;
	}
	for (size_t i = 0; i < PLACE_COUNT; i++)
		if (is_field(places[i].fields, key)) {
			err_hint(err, places[i].list[0] ? "It belongs to the entries of \"%s\"." : "It is a setting of the file itself, without blanks before it.%s",
				 places[i].list);
			return;
		}
}

/* libcyaml's words for what stands in a place, and ours. */
static const char *words_for(const char *theirs)
{
	static const char *const words[][2] = {
		{ "SEQUENCE", "a list" }, { "MAPPING", "settings (name: value)" }, { "STRING", "a single value" },
		{ "SCALAR", "a single value, or nothing" }, { "SEQUENCE_START", "a list" }, { "MAPPING_START", "settings (name: value)" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i][0], theirs) == 0)
			return words[i][1];
	return theirs;
}

/* `where` is what the complaint is about: the file, a field, or an entry of a list. */
static int refuse_value(const char *path, const struct complaint *complaint, const char *where, struct err *err)
{
	unsigned line = complaint->line ? complaint->line : 1, have, limit;
	char expected[32], found[32];

	if (sscanf(complaint->reason, "Expecting %31[A-Z_], got event: %31[A-Z_]", expected, found) == 2) {
		err_set(err, ERR_CONFIG, "%s:%u: %s should be %s; found: %s", path, line, where, words_for(expected), words_for(found));
		if (strcmp(expected, "SEQUENCE") == 0)
			err_hint(err, "A list is written as [a, b], or with \"- \" before each entry, on lines of their own.");
		return ERR_CONFIG;
	}
	where = complaint->field[0] ? strchr(where, '"') : where;       /* what follows is said of the list, not of its entry */
	if (sscanf(complaint->reason, "Insufficient entries (%u of %u", &have, &limit) == 2)
		return err_set(err, ERR_CONFIG, "%s:%u: %s must have at least %u entr%s, and has %u", path, line, where, limit, limit == 1 ? "y" : "ies",
			       have);
	if (sscanf(complaint->reason, "Excessive entries (%u", &limit) == 1)
		return err_set(err, ERR_CONFIG, "%s:%u: %s may have at most %u entries, and has more", path, line, where, limit);
	if (sscanf(complaint->reason, "STRING length > %u", &limit) == 1)
		return err_set(err, ERR_CONFIG, "%s:%u: %s may have at most %u bytes, and has more", path, line, where, limit);
	return err_set(err, ERR_CONFIG, "%s:%u: %s cannot be read: %s", path, line, where, complaint->reason);
}

static int refuse(const char *path, const struct lines *lines, const struct complaint *complaint, cyaml_err_t code, struct err *err)
{
	const char *key = reason_after(complaint, "Unexpected key: ");
	unsigned line = complaint->line ? complaint->line : 1;
	char where[96] = "the file";
	int rc;

	if (key) {
		unsigned found = lines_of_key(lines, key, line);

		rc = err_set(err, ERR_CONFIG, "%s:%u: \"%s\" is not a setting here", path, found ? found : line, key);
		hint_nearest(complaint, key, err);
		return rc;
	}
	key = reason_after(complaint, "Mapping field already seen: ");
	if (key) {
		unsigned found = lines_of_key(lines, key, line + 1);

		return err_set(err, ERR_CONFIG, "%s:%u: \"%s\" stands here a second time", path, found ? found : line, key);
	}
	key = reason_after(complaint, "Missing required mapping field: ");
	if (key)
		return err_set(err, ERR_CONFIG, "%s:%u: \"%s\" is missing", path, line, key);
	if (complaint->field[0])
		snprintf(where, sizeof(where), "%s\"%s\"", complaint->in_entry ? "an entry of " : "", complaint->field);
	if (code == CYAML_ERR_ALIAS)
		return err_set(err, ERR_CONFIG, "%s:%u: %s is a reference to another value (*name), which is not supported: write the value out", path, line,
			       where);
	if (!*complaint->reason)
		return err_set(err, ERR_CONFIG, "%s:%u: %s cannot be read: %s", path, line, where, cyaml_strerror(code));
	return refuse_value(path, complaint, where, err);
}

static cyaml_config_t cyaml_settings(struct complaint *complaint)
{
	return (cyaml_config_t){
		.log_fn = hear,
		.log_ctx = complaint,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_NO_ALIAS,
	};
}

int config_yaml_read(const char *path, const struct lines *lines, struct config_yaml **ret_yaml, struct err *err)
{
	struct complaint complaint = { 0 };
	cyaml_config_t config = cyaml_settings(&complaint);
	struct slice text = lines_text(lines);
	cyaml_data_t *data = NULL;
	struct schema schema;
	cyaml_err_t code;

	schema_init(&schema);
	code = cyaml_load_data((const uint8_t *)text.data, text.size, &config, &schema.root, &data, NULL);
	if (code != CYAML_OK)
		return refuse(path, lines, &complaint, code, err);
	*ret_yaml = data;
	return 0;
}

void config_yaml_free(struct config_yaml *yaml)
{
	struct complaint complaint = { 0 };
	cyaml_config_t config = cyaml_settings(&complaint);
	struct schema schema;

	schema_init(&schema);
	cyaml_free(&config, &schema.root, yaml, 0);
}
