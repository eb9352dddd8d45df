#include "topo/config_yaml.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "topo/lines.h"
#include "topo/settings.h"

enum { VALUE_SIZE_MAX = 4096, DATABASES_MAX = 1024, SETTINGS_COUNT_MAX = 64, HBA_RULES_MAX = 1024, HBA_NAMES_MAX = 1024, REASON_SIZE = 256 };

static const cyaml_schema_value_t name_value = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, VALUE_SIZE_MAX) };

#define TEXT_FIELD(key, flags, type, name) CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), type, name, 0, VALUE_SIZE_MAX)

static const cyaml_schema_field_t node_fields[] = {
	TEXT_FIELD("name", 0, struct yaml_node_entry, name),
	TEXT_FIELD("host", 0, struct yaml_node_entry, host),
	TEXT_FIELD("port", CYAML_FLAG_OPTIONAL, struct yaml_node_entry, port),
	TEXT_FIELD("region", CYAML_FLAG_OPTIONAL, struct yaml_node_entry, region),
	TEXT_FIELD("zone", CYAML_FLAG_OPTIONAL, struct yaml_node_entry, zone),
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
	CYAML_FIELD_END
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
static const cyaml_schema_value_t database_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_database_entry, database_fields)
};
static const cyaml_schema_value_t hba_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_hba_entry, hba_fields)
};
static const cyaml_schema_field_t list_fields[] = {
	CYAML_FIELD_SEQUENCE("nodes", CYAML_FLAG_POINTER, struct config_yaml, nodes, &node_value, 1, NODES_MAX),
	CYAML_FIELD_SEQUENCE("shards", CYAML_FLAG_POINTER, struct config_yaml, shards, &shard_value, 1, SHARDS_MAX),
	CYAML_FIELD_SEQUENCE("databases", CYAML_FLAG_POINTER, struct config_yaml, databases, &database_value, 1, DATABASES_MAX),
	CYAML_FIELD_SEQUENCE("hba", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_yaml, hba, &hba_value, 1, HBA_RULES_MAX),
};

enum { LIST_COUNT = sizeof(list_fields) / sizeof(list_fields[0]) };

/* The whole file: the lists, and an optional string for each row of the settings table. */
struct schema {
	cyaml_schema_field_t fields[LIST_COUNT + SETTINGS_COUNT_MAX + 1];
	cyaml_schema_value_t root;
};

static void schema_init(struct schema *schema)
{
	memset(schema, 0, sizeof(*schema));
	memcpy(schema->fields, list_fields, sizeof(list_fields));
	for (size_t i = 0; i < setting_count && i < SETTINGS_COUNT_MAX; i++)
		schema->fields[LIST_COUNT + i] = (cyaml_schema_field_t){
			.key = settings[i].name,
			.data_offset = (uint32_t)(offsetof(struct config_yaml, settings) + i * sizeof(char *)),
			.value = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char *, 0, VALUE_SIZE_MAX) },
		};
	schema->root = (cyaml_schema_value_t){
		.type = CYAML_MAPPING,
		.flags = CYAML_FLAG_POINTER,
		.data_size = (uint32_t)(sizeof(struct config_yaml) + setting_count * sizeof(char *)),
		.mapping = { .fields = schema->fields },
	};
}

/* What libcyaml logs when it refuses a file: the reason, "Backtrace:", then from the innermost place outwards
 * "  in mapping field 'port' (line: 5, column: 11)". */
struct complaint {
	char reason[REASON_SIZE];
	unsigned line;
};

__attribute__((format(printf, 3, 0))) static void hear(cyaml_log_t level, void *context, const char *format, va_list args)
{
	struct complaint *complaint = context;
	char text[REASON_SIZE], *line, *start = text;

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(start, "Load: ", 6) == 0)
		start += 6;
	line = strstr(start, "(line: ");
	if (line && strncmp(start, "  in ", 5) == 0) {
		if (complaint->line == 0)
			sscanf(line, "(line: %u", &complaint->line);
	} else if (strcmp(start, "Backtrace:") != 0 && !*complaint->reason) {
		snprintf(complaint->reason, sizeof(complaint->reason), "%s", start);
	}
}

/* The key at the end of "Unexpected key: NAME". */
static const char *key_of(const struct complaint *complaint, const char *start)
{
	size_t size = strlen(start);

	return strncmp(complaint->reason, start, size) == 0 ? complaint->reason + size : NULL;
}

static void hint_nearest(const char *key, struct err *err)
{
	const char *names[LIST_COUNT + SETTINGS_COUNT_MAX + 32];
	const cyaml_schema_field_t *const groups[] = { node_fields, shard_fields, database_fields, hba_fields };
	const char *nearest;
	size_t count = 0;

	for (size_t i = 0; i < setting_count && i < SETTINGS_COUNT_MAX; i++)
		names[count++] = settings[i].name;
	for (size_t i = 0; i < LIST_COUNT; i++)
		names[count++] = list_fields[i].key;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const cyaml_schema_field_t *field = groups[i]; field->key; field++)
			names[count++] = field->key;
	names[count] = NULL;
	nearest = setting_nearest(key, names);
	if (nearest)
		err_hint(err, "Did you mean \"%s\"?", nearest);
}

static int refuse(const char *path, const struct lines *lines, const struct complaint *complaint, cyaml_err_t code, struct err *err)
{
	const char *key = key_of(complaint, "Unexpected key: ");
	unsigned line = complaint->line ? complaint->line : 1;
	int rc;

	if (key) {
		unsigned found = lines_of_key(lines, key, line);

		rc = err_set(err, ERR_CONFIG, "%s:%u: \"%s\" is not a setting here", path, found ? found : line, key);
		hint_nearest(key, err);
		return rc;
	}
	key = key_of(complaint, "Mapping field already seen: ");
	if (key) {
		unsigned found = lines_of_key(lines, key, line + 1);

		return err_set(err, ERR_CONFIG, "%s:%u: \"%s\" stands here a second time", path, found ? found : line, key);
	}
	key = key_of(complaint, "Missing required mapping field: ");
	if (key)
		return err_set(err, ERR_CONFIG, "%s:%u: \"%s\" is missing", path, line, key);
	return err_set(err, ERR_CONFIG, "%s:%u: %s", path, line, *complaint->reason ? complaint->reason : cyaml_strerror(code));
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
