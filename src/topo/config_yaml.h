/* config_yaml: the shape of nanu.yaml, read with libcyaml into plain strings.
 *
 * Checks which keys there are, which must be there and what is a list; the values are left as they were written, because libcyaml would take
 * "3x" for 3 and "maybe" for true. Lives as long as the reading of one file.
 */
#pragma once

#include "base/err.h"

struct lines;

enum { YAML_OVERRIDES_MAX = 128 };

/* overrides: in the order of the settings table; NULL when not given. */
struct yaml_node_entry { char *name, *host, *port, *region, *zone, *weight, *agent; };  /* from port on NULL when not given */
struct yaml_shard_entry { char *name; char **nodes; unsigned nodes_count; };
struct yaml_database_entry { char *name, *node_database; char **shards; unsigned shards_count; char *overrides[YAML_OVERRIDES_MAX]; };
struct yaml_user_entry { char *name; char *overrides[YAML_OVERRIDES_MAX]; };

struct yaml_hba_entry {                 /* NULL what is not given */
	char *type, *method, *clientcert;
	char **databases, **users, **addresses;
	unsigned databases_count, users_count, addresses_count;
};

struct config_yaml {
	struct yaml_node_entry *nodes;
	unsigned nodes_count;
	struct yaml_shard_entry *shards;
	unsigned shards_count;
	struct yaml_database_entry *databases;
	unsigned databases_count;
	struct yaml_hba_entry *hba;
	unsigned hba_count;
	struct yaml_user_entry *users;
	unsigned users_count;
	char *settings[];               /* in the order of the settings table; NULL when not given */
};

/* ERR_CONFIG with file, line and reason; a hint when a key was probably mistyped. */
must_use int config_yaml_read(const char *path, const struct lines *lines, struct config_yaml **ret_yaml, struct err *err);
void config_yaml_free(struct config_yaml *yaml);
