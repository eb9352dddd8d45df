/* The steps, so that no row is ever placed by two rules at once:
 *
 *   1. everything that can be refused is looked for
 *   2. every worker, of every router on this store, refuses the table ("is being sharded"), so that nothing new is sent to it
 *   3. it is locked on all shards (which waits for what was sent before) and must be empty
 *   4. the placement is stored, and given to every worker
 *   5. the locks are let go
 */
#include "admin/shard_table.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "admin/regclass.h"
#include "admin/running.h"
#include "base/limits.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "route/hooks.h"
#include "route/plan.h"
#include "route/resolve.h"
#include "route/snapshot.h"
#include "session/job.h"
#include "topo/config.h"
#include "topo/topology.h"

enum { SEQUENCE_RANGE_BITS = 40 };      /* ids that one shard may give; 2^23 shards have room in a bigint */

struct work {
	struct admin *admin;
	struct job *job;
	struct snapshot *snapshot;
	const struct database *database;
	const struct catalog_table *table;
	const struct catalog_column *key;
	enum key_kind key_kind;
	char quoted[3 * NAME_SIZE_MAX];         /* "schema"."table" */
	PGconn *conns[SHARDS_MAX];
	struct err *err;
};

static int server_error(struct work *work, size_t shard, PGresult *result, PGconn *conn)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const struct topology *topology = work->snapshot->topology;

	err_set(work->err, ERR_CONNECT, "shard \"%s\": %s", topology->shards[work->database->shards[shard]].name,
		message ? message : PQerrorMessage(conn));
	if (state && strlen(state) == 5)
		err_sqlstate(work->err, state);
	PQclear(result);
	return work->err->code;
}

static int run(struct work *work, size_t shard, const char *sql, PGresult **ret_result)
{
	PGresult *result = PQexec(work->conns[shard], sql);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		return server_error(work, shard, result, work->conns[shard]);
	if (ret_result)
		*ret_result = result;
	else
		PQclear(result);
	return 0;
}

static int connect_all(struct work *work)
{
	const struct topology *topology = work->snapshot->topology;

	for (size_t i = 0; i < work->database->shard_count; i++) {
		const struct node *node = &topology->nodes[topology->shards[work->database->shards[i]].primary];
		char *conninfo = admin_conninfo(work->admin->config, node, work->database->node_database);

		work->conns[i] = PQconnectdb(conninfo);
		mem_free(conninfo);
		if (PQstatus(work->conns[i]) != CONNECTION_OK)
			return server_error(work, i, NULL, work->conns[i]);
	}
	return 0;
}

static void quote(char *out, size_t size, const char *schema, const char *name)
{
	char *at = out, *end = out + size - 4;
	const char *parts[2] = { schema, name };

	for (int i = 0; i < 2; i++) {
		*at++ = '"';
		for (const char *from = parts[i]; *from && at < end; from++) {
			if (*from == '"')
				*at++ = '"';
			*at++ = *from;
		}
		*at++ = '"';
		*at++ = i == 0 ? '.' : '\0';
	}
}

/* ---- 1: what can be refused ---- */

static const struct catalog *catalog_of(const struct work *work)
{
	return work->snapshot->catalogs[work->database - work->snapshot->topology->databases];
}

static int sharded_already(struct work *work, const char *name)
{
	err_set(work->err, ERR_WRONG_STATE, "table \"%s\" is sharded already", name);
	err_hint(work->err, "SELECT * FROM nanu.tables shows how.");
	return work->err->code;
}

static int find_table(struct work *work, const char *name)
{
	int database = (int)(work->database - work->snapshot->topology->databases);
	struct plan_context context = { .snapshot = work->snapshot, .database = database, .search_path = work->job->search_path,
		.role = work->job->role ? work->job->role : work->job->user };
	struct relation_name relation;
	int rc = regclass_read(name, &work->job->arena, &relation, work->err);

	if (rc < 0)
		return rc;
	if (!catalog_of(work))
		return err_set(work->err, ERR_CONNECT, "the schema of database \"%s\" could not be read", work->database->name);
	if (relation.database && strcmp(relation.database, work->database->node_database) != 0 && strcmp(relation.database, work->database->name) != 0) {
		err_set(work->err, ERR_UNSUPPORTED, "cross-database references are not implemented: \"%s\"", name);
		err_hint(work->err, "Connect to that database, and name the table as table or schema.table.");
		return work->err->code;
	}
	rc = resolve_relation(&context, relation.schema, relation.name, &work->job->arena, &work->table, work->err);
	if (rc < 0)
		return rc;
	if (!work->table) {
		err_set(work->err, ERR_UNDEFINED_TABLE, "relation \"%s\" does not exist", name);
		err_hint(work->err, "A name that is not all lower-case letters stands in double quotes, as in SQL; one outside of search_path has its schema before it.");
		return work->err->code;
	}
	if (work->table->kind != 'r' || work->table->persistence == 't') {
		err_set(work->err, ERR_UNSUPPORTED, "\"%s\" is not an ordinary table", name);
		err_hint(work->err, "Tables are sharded that are neither partitioned, nor foreign, nor temporary.");
		return work->err->code;
	}
	if (database_table(work->database, work->table->schema, work->table->name))
		return sharded_already(work, name);
	quote(work->quoted, sizeof(work->quoted), work->table->schema, work->table->name);
	return 0;
}

static int no_column(struct work *work, const char *name)
{
	err_set(work->err, ERR_UNDEFINED_COLUMN, "column \"%s\" of table \"%s\" does not exist", name, work->table->name);
	err_hint(work->err, "The key is the column's name as it is stored: lower case unless it was quoted when it was made.");
	return work->err->code;
}

static int find_key(struct work *work, const char *name)
{
	const struct catalog_collation *collation;

	work->key = catalog_column(work->table, name);
	if (!work->key)
		return no_column(work, name);
	if (work->key->generated) {
		err_set(work->err, ERR_UNSUPPORTED, "column \"%s\" is generated: no statement gives it, so none would find its shard", name);
		err_hint(work->err, "Shard by a column that it is generated from.");
		return work->err->code;
	}
	collation = work->key->collation ? catalog_collation(catalog_of(work), work->key->collation) : NULL;
	if (collation && !collation->deterministic) {
		err_set(work->err, ERR_UNSUPPORTED, "column \"%s\" has a nondeterministic collation: equal values may have different hashes", name);
		err_hint(work->err, "Give it a deterministic collation, or shard by another column.");
		return work->err->code;
	}
	return 0;
}

/* Names the type in the server's words when it is no key's. */
static int check_key_type(struct work *work)
{
	const char *params[2] = { work->quoted, work->key->name };
	int rc = key_kind_of_type(work->key->type, &work->key_kind, work->err);
	PGresult *result;

	if (rc == 0)
		return 0;
	result = PQexecParams(work->conns[0],
			      "SELECT pg_catalog.format_type(atttypid, NULL) FROM pg_catalog.pg_attribute"
			      " WHERE attrelid = $1::pg_catalog.regclass AND attname = $2", 2, NULL, params, NULL, NULL, 0);
	if (PQntuples(result) == 1)
		snprintf(work->err->message, sizeof(work->err->message), "column \"%s\" of type %s cannot be a hash shard key", work->key->name,
			 PQgetvalue(result, 0, 0));
	PQclear(result);
	return rc;
}

static int check_owner(struct work *work)
{
	const char *params[2] = { work->job->user, work->quoted };
	PGresult *result;
	bool owns;

	if (admin_is_admin(work->admin->config, work->job->user))
		return 0;
	result = PQexecParams(work->conns[0],
			      "SELECT pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER') FROM pg_catalog.pg_class c, pg_catalog.pg_roles r"
			      " WHERE r.rolname = $1 AND c.oid = $2::pg_catalog.regclass",
			      2, NULL, params, NULL, NULL, 0);
	owns = PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	if (owns)
		return 0;
	err_set(work->err, ERR_INVALID_VALUE, "must be owner of table %s", work->table->name);
	err_sqlstate(work->err, "42501");
	return work->err->code;
}

/* A unique constraint holds over all shards only if equal rows share a shard: when it has the key. */
static int check_unique(struct work *work)
{
	const char *params[2] = { work->quoted, work->key->name };
	PGresult *result = PQexecParams(work->conns[0],
		"SELECT i.relname FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid"
		" WHERE x.indrelid = $1::pg_catalog.regclass AND (x.indisunique OR x.indisexclusion) AND NOT EXISTS ("
		"  SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = x.indrelid AND a.attname = $2"
		"  AND a.attnum = ANY (x.indkey[0:x.indnkeyatts - 1])) LIMIT 1",
		2, NULL, params, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		return server_error(work, 0, result, work->conns[0]);
	if (PQntuples(result)) {
		err_set(work->err, ERR_UNSUPPORTED, "unique index \"%s\" does not contain the shard key \"%s\": it cannot hold over several shards",
			PQgetvalue(result, 0, 0), work->key->name);
		err_hint(work->err, "Add \"%s\" to the index, or shard by one of its columns.", work->key->name);
	}
	PQclear(result);
	return work->err->code;
}

/* A foreign key holds if both sides are sharded alike and the keys are paired in it. */
static int check_foreign(struct work *work)
{
	const char *params[1] = { work->quoted };
	PGresult *result = PQexecParams(work->conns[0],
		"SELECT f.conname, n.nspname, o.relname, f.conrelid = $1::pg_catalog.regclass,"
		"  (SELECT pg_catalog.string_agg(a.attname || '=' || b.attname, ',')"
		"   FROM unnest(f.conkey, f.confkey) AS p(x, y)"
		"   JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = p.x"
		"   JOIN pg_catalog.pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = p.y)"
		" FROM pg_catalog.pg_constraint f"
		" JOIN pg_catalog.pg_class o ON o.oid = CASE WHEN f.conrelid = $1::pg_catalog.regclass THEN f.confrelid ELSE f.conrelid END"
		" JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace"
		" WHERE f.contype = 'f' AND (f.conrelid = $1::pg_catalog.regclass OR f.confrelid = $1::pg_catalog.regclass)",
		1, NULL, params, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		return server_error(work, 0, result, work->conns[0]);
	for (int i = 0; i < PQntuples(result) && !work->err->code; i++) {
		const char *other_schema = PQgetvalue(result, i, 1), *other_name = PQgetvalue(result, i, 2);
		bool ours = PQgetvalue(result, i, 3)[0] == 't', self;
		const struct sharded_table *other = database_table(work->database, other_schema, other_name);
		char pair[2 * NAME_SIZE_MAX + 4], list[2048];
		const char *other_key;

		self = strcmp(other_schema, work->table->schema) == 0 && strcmp(other_name, work->table->name) == 0;
		other_key = self ? work->key->name : other ? other->key_column : "";
		snprintf(pair, sizeof(pair), ",%s=%s,", ours ? work->key->name : other_key, ours ? other_key : work->key->name);
		snprintf(list, sizeof(list), ",%s,", PQgetvalue(result, i, 4));
		if ((self || (other && key_types_meet(other->key_type, work->key->type))) && strstr(list, pair))
			continue;
		err_set(work->err, ERR_UNSUPPORTED, "foreign key \"%s\" between \"%s\" and \"%s\" cannot hold over several shards",
			PQgetvalue(result, i, 0), work->table->name, other_name);
		err_hint(work->err, "Drop it, shard both tables by the columns that it pairs, and create it again.");
	}
	PQclear(result);
	return work->err->code;
}

static int check_inheritance(struct work *work)
{
	const char *params[1] = { work->quoted };
	PGresult *result = PQexecParams(work->conns[0],
		"SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = $1::pg_catalog.regclass OR inhparent = $1::pg_catalog.regclass LIMIT 1",
		1, NULL, params, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		return server_error(work, 0, result, work->conns[0]);
	if (PQntuples(result)) {
		err_set(work->err, ERR_UNSUPPORTED, "table \"%s\" is a partition, or inherits or is inherited from", work->table->name);
		err_hint(work->err, "Shard tables that stand alone; copy the rows of the others into one.");
	}
	PQclear(result);
	return work->err->code;
}

/* What runs unseen with a statement may read tables, and would see one shard. (Of triggers, hooks_allow_sharding() knows more.) */
static int check_hooks(struct work *work)
{
	const char *params[1] = { work->quoted };
	PGresult *result = PQexecParams(work->conns[0],
		"SELECT 'rule', rulename FROM pg_catalog.pg_rewrite WHERE ev_class = $1::pg_catalog.regclass"
		" UNION ALL SELECT 'policy', polname FROM pg_catalog.pg_policy WHERE polrelid = $1::pg_catalog.regclass LIMIT 1",
		1, NULL, params, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		return server_error(work, 0, result, work->conns[0]);
	if (PQntuples(result)) {
		err_set(work->err, ERR_UNSUPPORTED, "%s \"%s\" of table \"%s\" may read tables, of which it would see one shard only",
			PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1), work->table->name);
		err_hint(work->err, "Drop it, and do in the application what it does.");
	}
	PQclear(result);
	return work->err->code;
}

/* Every shard must have the table, with the same columns. */
static int check_alike(struct work *work)
{
	const char *params[1] = { work->quoted };
	char *first = NULL;

	for (size_t i = 0; i < work->database->shard_count && !work->err->code; i++) {
		PGresult *result = PQexecParams(work->conns[i],
			"SELECT pg_catalog.string_agg(attname || ' ' || pg_catalog.format_type(atttypid, atttypmod) || ' ' || attnotnull, ', '"
			" ORDER BY attnum) FROM pg_catalog.pg_attribute"
			" WHERE attrelid = pg_catalog.to_regclass($1) AND attnum > 0 AND NOT attisdropped",
			1, NULL, params, NULL, NULL, 0);

		if (PQresultStatus(result) != PGRES_TUPLES_OK) {
			mem_free(first);
			return server_error(work, i, result, work->conns[i]);
		}
		if (i == 0)
			first = mem_strdup(PQgetvalue(result, 0, 0));
		else if (strcmp(first, PQgetvalue(result, 0, 0)) != 0)
			err_set(work->err, ERR_WRONG_STATE, "table \"%s\" is not the same on shards \"%s\" and \"%s\"", work->table->name,
				work->snapshot->topology->shards[work->database->shards[0]].name,
				work->snapshot->topology->shards[work->database->shards[i]].name);
		PQclear(result);
	}
	mem_free(first);
	return work->err->code;
}

/* ---- 3: locked, empty, with ids of its own ---- */

static int lock_all(struct work *work)
{
	char sql[512];

	for (size_t i = 0; i < work->database->shard_count; i++) {
		PGresult *result = NULL;
		int rc;

		snprintf(sql, sizeof(sql), "BEGIN; SET LOCAL lock_timeout = '10s'; LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE", work->quoted);
		rc = run(work, i, sql, NULL);
		snprintf(sql, sizeof(sql), "SELECT 1 FROM %s LIMIT 1", work->quoted);
		if (rc == 0)
			rc = run(work, i, sql, &result);
		if (rc < 0)
			return rc;
		if (PQntuples(result)) {
			err_set(work->err, ERR_WRONG_STATE, "table \"%s\" has rows: only an empty table can be sharded yet", work->table->name);
			err_hint(work->err, "Rename it, create it anew, shard it, and copy the rows with INSERT.");
		}
		PQclear(result);
		if (work->err->code)
			return work->err->code;
	}
	return 0;
}

/* Each shard's sequences give ids from a range of their own, so that no id is given twice. */
static int split_sequences(struct work *work)
{
	const char *params[1] = { work->quoted };

	for (size_t i = 0; i < work->database->shard_count; i++) {
		PGresult *result = PQexecParams(work->conns[i],
			"SELECT a.attname, a.atttypid, pg_catalog.pg_get_serial_sequence($1, a.attname) FROM pg_catalog.pg_attribute a"
			" LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
			" WHERE a.attrelid = $1::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped AND (a.attidentity <> '' OR"
			" " CATALOG_CALLS_NEXTVAL ")",
			1, NULL, params, NULL, NULL, 0);

		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			return server_error(work, i, result, work->conns[i]);
		for (int row = 0; row < PQntuples(result); row++) {
			long long first = ((long long)i << SEQUENCE_RANGE_BITS) + 1, last = (long long)(i + 1) << SEQUENCE_RANGE_BITS;
			char sql[1024];
			int rc;

			if (PQgetisnull(result, row, 2) || strcmp(PQgetvalue(result, row, 1), "20") != 0) {
				err_set(work->err, ERR_UNSUPPORTED, "column \"%s\" takes its default from a sequence that cannot be split over shards",
					PQgetvalue(result, row, 0));
				err_hint(work->err, "Make it a bigint with a sequence of its own (bigserial, or identity).");
				PQclear(result);
				return work->err->code;
			}
			snprintf(sql, sizeof(sql), "ALTER SEQUENCE %s MINVALUE %lld MAXVALUE %lld START %lld RESTART %lld", PQgetvalue(result, row, 2),
				 first, last, first, first);
			rc = run(work, i, sql, NULL);
			if (rc < 0) {
				PQclear(result);
				return rc;
			}
		}
		PQclear(result);
	}
	return 0;
}

/* ---- the steps ---- */

/* The table as the topology has it: NULL, or what this call announced. ERR_WRONG_STATE: another router was faster. */
static int find_announced(struct work *work, const struct topology *topology, const struct sharded_table **ret_table)
{
	const struct database *database = topology_database(topology, work->database->name);

	*ret_table = database ? database_table(database, work->table->schema, work->table->name) : NULL;
	if (!database || database->shard_count != work->database->shard_count)
		return err_set(work->err, ERR_CONFLICT, "the shards of database \"%s\" were changed meanwhile", work->database->name);
	if (*ret_table && (!(*ret_table)->being_sharded || strcmp((*ret_table)->sharded_by, work->admin->me) != 0))
		return sharded_already(work, work->table->name);
	return 0;
}

static int publish_once(struct work *work, enum topology_change how)
{
	struct snapshot *newest = work->admin->snapshot(work->admin->program);
	struct topology *next = NULL;
	const struct sharded_table *announced;
	struct sharded_table table = {
		.schema = work->table->schema, .name = work->table->name, .key_column = work->key->name, .key_type = work->key->type,
		.key_kind = work->key_kind, .placement = placement_hash(&work->job->arena, work->database->shard_count),
		.being_sharded = how == CHANGE_ANNOUNCE, .sharded_by = how == CHANGE_ANNOUNCE ? work->admin->me : NULL,
		.colocation = (int)work->key_kind + 1,
	};
	int rc = find_announced(work, newest->topology, &announced);

	if (rc == 0 && !announced && how == CHANGE_STORE)
		rc = err_set(work->err, ERR_WRONG_STATE, "the sharding of table \"%s\" was taken back meanwhile", work->table->name);
	if (rc == 0)
		rc = topology_with_table(newest->topology, work->database->name, &table, &next, work->err);
	if (rc == 0)
		rc = work->admin->change(work->admin->program, next, how, work->err);
	topology_unref(next);
	snapshot_unref(newest);
	return rc;
}

/* Another router's change that came before is no reason to fail: this one is made upon it. */
static int publish(struct work *work, enum topology_change how)
{
	int rc = publish_once(work, how);

	for (int tries = 0; rc == ERR_CONFLICT && tries < CHANGE_TRIES_MAX; tries++) {
		rc = work->admin->follow(work->admin->program, work->err);
		if (rc == 0)
			rc = publish_once(work, how);
	}
	return rc;
}

/* What cannot be taken back now, as the store is away, is when it is back. */
static void take_back(struct work *work)
{
	const struct sharded_table *announced;
	struct err first = *work->err;
	int rc = ERR_CONFLICT;

	for (int tries = 0; rc == ERR_CONFLICT && tries < CHANGE_TRIES_MAX; tries++) {
		struct snapshot *newest = work->admin->snapshot(work->admin->program);
		struct topology *next = NULL;

		rc = find_announced(work, newest->topology, &announced);
		if (rc == 0 && announced)
			rc = topology_without_table(newest->topology, work->database->name, work->table->schema, work->table->name, &next, NULL);
		if (next)
			rc = work->admin->change(work->admin->program, next, CHANGE_TAKE_BACK, work->err);
		topology_unref(next);
		snapshot_unref(newest);
		if (rc == ERR_CONFLICT && work->admin->follow(work->admin->program, work->err) < 0)
			break;
	}
	*work->err = first;
}

static int commit_all(struct work *work)
{
	int rc = 0;

	for (size_t i = 0; i < work->database->shard_count; i++)
		if (run(work, i, "COMMIT", NULL) < 0)
			rc = work->err->code;
	return rc;
}

static int shard(struct work *work, const char *table, const char *key)
{
	int rc = find_table(work, table);
	bool announced = false, storing = false;

	if (rc == 0)
		rc = find_key(work, key);
	if (rc == 0)
		rc = connect_all(work);
	if (rc == 0)
		rc = check_owner(work);
	if (rc == 0)
		rc = check_key_type(work);
	if (rc == 0)
		rc = check_alike(work);
	if (rc == 0)
		rc = check_unique(work);
	if (rc == 0)
		rc = check_foreign(work);
	if (rc == 0)
		rc = check_inheritance(work);
	if (rc == 0)
		rc = check_hooks(work);
	if (rc == 0 && !hooks_allow_sharding(work->database, catalog_of(work), work->table, work->err))
		rc = work->err->code;
	announced = rc == 0;
	if (announced)
		rc = publish(work, CHANGE_ANNOUNCE);
	if (rc == 0)
		rc = lock_all(work);
	if (rc == 0)
		rc = split_sequences(work);
	for (size_t i = 0; rc == 0 && i < work->database->shard_count; i++)
		if (PQtransactionStatus(work->conns[i]) != PQTRANS_INTRANS)
			rc = err_set(work->err, ERR_BACKEND_LOST, "the connection to a shard was lost");
	storing = rc == 0;
	if (storing)
		rc = publish(work, CHANGE_STORE);
	if (storing && rc == ERR_UNKNOWN_OUTCOME) {
		/* Sequences that are split do no harm to a table that is not sharded, and whole ones would to one that is. */
		struct err unknown = *work->err;

		(void)!commit_all(work);
		*work->err = unknown;
		return rc;
	}
	if (rc < 0 && announced)
		take_back(work);
	return rc < 0 ? rc : commit_all(work);
}

int admin_shard_table(struct admin *admin, struct job *job, const struct call *call)
{
	static const char *const names[] = { "table", "key", "placement", NULL };
	struct work work = { .admin = admin, .job = job, .err = &job->err };
	const char *table = call_arg(call, 0, "table", NULL), *key = call_arg(call, 1, "key", NULL);
	const char *placement = call_arg(call, 2, "placement", "hash");
	int rc = call_check(call, names, &job->err);

	if (rc < 0)
		return rc;
	if (job->in_block) {
		err_set(&job->err, ERR_TX_STATE, "nanu.shard_table cannot run inside a transaction block");
		err_sqlstate(&job->err, "25001");
		err_hint(&job->err, "It is made on all shards at once and cannot be rolled back: commit first, and call it by itself.");
		return job->err.code;
	}
	if (job->only_reads)
		return err_set(&job->err, ERR_READ_ONLY, "cannot execute nanu.shard_table in a read-only transaction");
	if (!table || !key)
		return err_set(&job->err, ERR_INVALID_VALUE, "nanu.shard_table needs a table and its key: nanu.shard_table('orders', key => 'user_id')");
	if (strcmp(placement, "hash") != 0) {
		err_set(&job->err, ERR_UNSUPPORTED, "placement \"%s\" is not supported yet", placement);
		err_hint(&job->err, "Use placement => 'hash', or leave it out.");
		return job->err.code;
	}
	/* The table may have been created a moment ago, by hand. */
	rc = admin->refresh(admin->program, job->database, &job->err);
	if (rc < 0)
		return rc;
	job->err.code = 0;
	work.snapshot = admin->snapshot(admin->program);
	work.database = topology_database(work.snapshot->topology, job->database);
	rc = work.database ? shard(&work, table, key) : err_set(&job->err, ERR_NO_DATABASE, "database \"%s\" does not exist", job->database);
	if (rc == 0)
		rc = admin_say(job, call, OID_TEXT, arena_printf(&job->arena, "%s.%s by hash(%s) over %zu shards", work.table->schema,
								 work.table->name, work.key->name, work.database->shard_count));
	for (size_t i = 0; i < SHARDS_MAX; i++)
		PQfinish(work.conns[i]);
	snapshot_unref(work.snapshot);
	return rc;
}
