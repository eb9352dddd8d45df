#include "app/replica.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin.h"
#include "app/folder.h"
#include "app/progress.h"
#include "app/reach.h"
#include "base/buf.h"
#include "base/tree.h"
#include "net/env.h"
#include "topo/replication.h"

enum { TAIL_SIZE = 512, CONNINFO_SIZE_MAX = 8192, LOOK_MS = 50, LAG_MS_MAX = 1000, CUT_TRIES = 100, CUT_MS = 100, SLOT_TRIES = 10 };

static uint64_t now_ms(void)
{
	const struct env *env = env_system();

	return env->now_us(env->world) / 1000;
}

static const char *fresh_path(const struct replica *replica)
{
	return arena_printf(replica->arena, "%s.adding", replica->data);
}

/* ---- the slot ---- */

/* The temporary one: the name tells who holds it, should somebody wonder. */
static void temporary_slot(const char *name, char ret_slot[REPLICATION_SLOT_SIZE])
{
	char slot[REPLICATION_SLOT_SIZE];

	replication_slot(name, slot);
	snprintf(ret_slot, REPLICATION_SLOT_SIZE, "%.50s_adding", slot);
}

int replica_slot_state(PGconn *primary, const char *name, enum slot_state *ret_state, struct err *err)
{
	char slot[REPLICATION_SLOT_SIZE];
	const char *params[1] = { slot };
	PGresult *result;
	int rc;

	replication_slot(name, slot);
	rc = reach_ask(primary, "SELECT coalesce(wal_status, 'lost') = 'lost' OR slot_type <> 'physical' FROM pg_catalog.pg_replication_slots"
		       " WHERE slot_name = $1", 1, params, &result, err);
	if (rc < 0)
		return rc;
	*ret_state = PQntuples(result) == 0 ? SLOT_NONE : *PQgetvalue(result, 0, 0) == 't' ? SLOT_LOST : SLOT_READY;
	PQclear(result);
	return 0;
}

/* One try. 0: it is gone; 1: somebody uses it still, and was told to end. */
static int cut(PGconn *primary, const char *slot, struct err *err)
{
	const char *params[1] = { slot };
	PGresult *result;
	int rc = reach_ask(primary, "SELECT CASE WHEN active_pid IS NULL THEN pg_catalog.pg_drop_replication_slot(slot_name) IS NOT NULL"
			   " ELSE NOT pg_catalog.pg_terminate_backend(active_pid) END FROM pg_catalog.pg_replication_slots WHERE slot_name = $1",
			   1, params, &result, err);

	if (rc < 0)
		return rc;
	rc = PQntuples(result) > 0;
	PQclear(result);
	return rc;
}

int replica_drop_slot(PGconn *primary, const char *name, struct err *err)
{
	char slot[REPLICATION_SLOT_SIZE];
	int rc = 1;

	replication_slot(name, slot);
	for (int i = 0; i < CUT_TRIES && rc != 0; i++) {
		rc = cut(primary, slot, err);
		if (rc == ERR_WRONG_STATE && PQstatus(primary) == CONNECTION_OK)
			rc = 1;         /* taken between the look and the deed */
		if (rc < 0)
			return rc;
		if (rc > 0 && i > 0 && progress_wait(NULL, 0, CUT_MS, err) < 0)
			return ERR_CANCELED;
	}
	return rc == 0 ? 0 : err_set(err, ERR_WRONG_STATE, "replication slot \"%s\" is in use again and again", slot);
}

/* Who was killed a moment ago may hold it still. */
static int make_temporary_slot(const struct replica *replica, struct err *err)
{
	char slot[REPLICATION_SLOT_SIZE];
	const char *params[1] = { slot };
	PGresult *result;
	int rc;

	temporary_slot(replica->name, slot);
	for (int i = 0; i < SLOT_TRIES; i++) {
		rc = reach_ask(replica->primary, "SELECT pg_catalog.pg_create_physical_replication_slot($1, true, true)", 1, params, &result, err);
		if (rc == 0 || strcmp(err->sqlstate, "42710") != 0)
			break;
		if (progress_wait(NULL, 0, CUT_MS, err) < 0)
			return ERR_CANCELED;
	}
	if (rc == 0)
		PQclear(result);
	else if (strcmp(err->sqlstate, "42710") == 0)
		err_hint(err, "Another process makes a replica of this name; wait for it, or choose another name.");
	return rc;
}

/* The replica's own slot begins where the temporary one does. */
static int make_slot(const struct replica *replica, struct err *err)
{
	char temporary[REPLICATION_SLOT_SIZE], slot[REPLICATION_SLOT_SIZE];
	const char *params[2] = { temporary, slot };
	PGresult *result;
	int rc;

	temporary_slot(replica->name, temporary);
	replication_slot(replica->name, slot);
	rc = reach_ask(replica->primary, "SELECT pg_catalog.pg_copy_physical_replication_slot($1, $2, false)", 2, params, &result, err);
	if (rc == 0)
		PQclear(result);
	return rc;
}

/* ---- the base backup ---- */

/* How the primary was reached, but for what is not the replica's: for pg_basebackup, which makes primary_conninfo of it. The password comes by the
 * environment. */
static char *conninfo_of(const struct replica *replica)
{
	static const char *const left_out[] = { "dbname", "password", "passfile", "replication", "application_name", "fallback_application_name",
						"client_encoding", "connect_timeout", "options", "service" };
	PQconninfoOption *options = PQconninfo(replica->primary);
	struct buf text;
	char *copy;

	buf_init(&text, CONNINFO_SIZE_MAX);
	for (const PQconninfoOption *option = options; option && option->keyword; option++) {
		bool wanted = option->val && *option->val;

		for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
			wanted &= strcmp(option->keyword, left_out[i]) != 0;
		if (wanted)
			admin_conninfo_add(&text, option->keyword, option->val);
	}
	admin_conninfo_add(&text, "application_name", replica->name);
	buf_add_u8(&text, 0);
	copy = arena_strdup(replica->arena, text.data);
	buf_release(&text);
	PQconninfoFree(options);
	return copy;
}

static int spawn_backup(struct replica *replica, const char *fresh, struct err *err)
{
	char *argv[] = {
		arena_printf(replica->arena, "%s/pg_basebackup", replica->programs),
		(char *)"--pgdata", (char *)(uintptr_t)fresh,
		(char *)"--dbname", conninfo_of(replica),
		/* The temporary slot keeps the WAL for it until the end. To stream that meanwhile it would start a process, which outlives it when it is killed. */
		(char *)"--write-recovery-conf", (char *)"--wal-method=fetch", (char *)"--checkpoint=fast",
		(char *)"--progress", (char *)"--no-password",
		(char *)(replica->scratch ? "--no-sync" : "--verbose"),
		replica->max_rate ? arena_printf(replica->arena, "--max-rate=%s", replica->max_rate) : NULL,
		NULL,
	};
	const struct spawn spawn = {
		.argv = argv, .identity = replica->identity, .log_path = replica->log, .dies_with_parent = true,
	};
	const char *password = PQpass(replica->primary);
	struct stat log;
	int rc;

	replica->log_begin = stat(replica->log, &log) == 0 ? log.st_size : 0;
	if (password && *password)
		setenv("PGPASSWORD", password, 1);
	rc = process_spawn(&spawn, &replica->backup, err);
	if (password && *password)
		unsetenv("PGPASSWORD");
	return rc;
}

int replica_begin(struct replica *replica, PGconn *primary, struct err *err)
{
	const char *fresh = fresh_path(replica);
	enum slot_state state = SLOT_NONE;
	int rc;

	replica->primary = primary;
	replica->backup = PROCESS_NONE;
	rc = replica_slot_state(primary, replica->name, &state, err);
	if (rc == 0 && state != SLOT_NONE) {
		char slot[REPLICATION_SLOT_SIZE];

		replication_slot(replica->name, slot);
		rc = err_set(err, ERR_WRONG_STATE, "the primary has a replication slot \"%s\" already", slot);
		err_hint(err, "Choose another name, or, if nobody needs it, there: SELECT pg_drop_replication_slot('%s')", slot);
	}
	if (rc == 0)
		rc = make_temporary_slot(replica, err);
	replica->making = rc == 0;
	if (rc == 0)
		rc = tree_remove(fresh, err);
	if (rc == 0 && (mkdir(fresh, 0700) < 0 || chown(fresh, replica->identity->uid, replica->identity->gid) < 0))
		rc = err_set(err, ERR_IO, "cannot make %s: %s", fresh, strerror(errno));
	return rc < 0 ? rc : spawn_backup(replica, fresh, err);
}

/* pg_basebackup tells "123/4567 kB (2%), 0/1 tablespace" once a second. */
double replica_part(const struct replica *replica)
{
	FILE *file = fopen(replica->log, "re");
	char text[TAIL_SIZE];
	const char *at = NULL;
	long begin = replica->log_begin, end;
	size_t size = 0;

	if (!file)
		return -1;
	if (fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) > begin) {
		if (end - begin >= TAIL_SIZE)
			begin = end - TAIL_SIZE + 1;
		if (fseek(file, begin, SEEK_SET) == 0)
			size = fread(text, 1, sizeof(text) - 1, file);
	}
	fclose(file);
	text[size] = '\0';
	for (const char *next = text; (next = strstr(next, " kB (")); next++)
		at = next;
	return at ? strtod(at + 5, NULL) / 100 : -1;
}

static int append(const char *path, const char *text, struct err *err)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	size_t size = strlen(text);
	bool good = fd >= 0 && write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return good ? 0 : err_set(err, ERR_IO, "cannot write %s: %s", path, strerror(errno));
}

/* A file of the server's user. */
static int create(const struct replica *replica, const char *path, const char *text, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || fchown(fd, replica->identity->uid, replica->identity->gid) < 0) {
		if (fd >= 0)
			close(fd);
		return err_set(err, ERR_IO, "cannot make %s: %s", path, strerror(errno));
	}
	close(fd);
	return append(path, text, err);
}

/* Debian keeps configuration outside the data folder, where a base backup does not find it: who may log in comes from the primary, the rest is as
 * PostgreSQL has it by itself. */
static int complete(const struct replica *replica, const char *fresh, struct err *err)
{
	static const struct { const char *name, *sql; } files[] = {
		{ "postgresql.conf", "SELECT '# Made by nanu add-replica: the settings are in postgresql.auto.conf.' || chr(10)" },
		{ "pg_hba.conf", "SELECT pg_catalog.pg_read_file(pg_catalog.current_setting('hba_file'))" },
		{ "pg_ident.conf", "SELECT pg_catalog.pg_read_file(pg_catalog.current_setting('ident_file'))" },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *path = arena_printf(replica->arena, "%s/%s", fresh, files[i].name);
		PGresult *result;
		int rc;

		if (access(path, F_OK) == 0)
			continue;
		rc = reach_ask(replica->primary, files[i].sql, 0, NULL, &result, err);
		if (rc == 0) {
			rc = create(replica, path, PQgetvalue(result, 0, 0), err);
			PQclear(result);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int configure(const struct replica *replica, const char *fresh, struct err *err)
{
	char slot[REPLICATION_SLOT_SIZE];
	int rc = complete(replica, fresh, err);

	replication_slot(replica->name, slot);
	if (rc == 0)
		rc = append(arena_printf(replica->arena, "%s/postgresql.auto.conf", fresh),
			    arena_printf(replica->arena, "primary_slot_name = '%s'\n%s", slot, replica->settings), err);
	return rc < 0 ? rc : create(replica, arena_printf(replica->arena, "%s/%s", fresh, REPLICA_MARK), replica->name, err);
}

int replica_end(struct replica *replica, struct err *err)
{
	const char *fresh = fresh_path(replica);
	int status = process_reap(&replica->backup), rc;
	char how[64];

	if (status != 0) {
		process_describe(status, how);
		rc = err_set(err, ERR_IO, "the base backup of %s ended with %s", replica->name, how);
		process_log_tail(replica->log, err);
		return rc;
	}
	rc = configure(replica, fresh, err);
	if (rc == 0 && rename(fresh, replica->data) < 0)
		rc = err_set(err, ERR_IO, "cannot rename %s: %s", fresh, strerror(errno));
	if (rc < 0)
		return rc;
	replica->making = false;
	return make_slot(replica, err);
}

void replica_release(struct replica *replica)
{
	if (replica->backup.pid) {
		process_kill_all(&replica->backup);
		process_reap(&replica->backup);
	}
	if (replica->making)
		(void)!tree_remove(fresh_path(replica), NULL);
	PQfinish(replica->primary);
	replica->primary = NULL;
}

const char *replica_marked(struct arena *arena, const char *data)
{
	FILE *file = fopen(arena_printf(arena, "%s/%s", data, REPLICA_MARK), "re");
	char name[NAME_SIZE_MAX] = "";
	bool read = file && fgets(name, sizeof(name), file);

	if (file)
		fclose(file);
	return read ? arena_strdup(arena, name) : NULL;
}

void replica_unmark(struct arena *arena, const char *data)
{
	unlink(arena_printf(arena, "%s/%s", data, REPLICA_MARK));
}

/* ---- catching up ---- */

struct following {
	uint64_t begin, at, target;     /* WAL positions: where it was first seen, is, and is to come to */
	uint64_t target_ms, moved_ms;   /* when the target was taken, and when it got on last */
	bool streams;
};

#define FLUSHED "CASE WHEN pg_catalog.pg_is_in_recovery() THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())" \
	" ELSE pg_catalog.pg_current_wal_flush_lsn() END - '0/0'::pg_lsn"

/* One look at the node that it streams from. 1: it has caught up. */
static int look(PGconn *upstream, const char *name, bool delayed, struct following *following, struct err *err)
{
	const char *params[1] = { name };
	uint64_t at, flushed, now = now_ms();
	PGresult *result;
	/* What a standby has received but not replayed, it passes on. */
	int rc = reach_ask(upstream, delayed ?
			   "SELECT state = 'streaming', flush_lsn - '0/0'::pg_lsn, " FLUSHED " FROM pg_catalog.pg_stat_replication"
			   " WHERE application_name = $1 AND flush_lsn IS NOT NULL ORDER BY flush_lsn DESC LIMIT 1" :
			   "SELECT state = 'streaming', replay_lsn - '0/0'::pg_lsn, " FLUSHED " FROM pg_catalog.pg_stat_replication"
			   " WHERE application_name = $1 AND replay_lsn IS NOT NULL ORDER BY replay_lsn DESC LIMIT 1", 1, params, &result, err);

	if (rc < 0)
		return rc;
	following->streams = PQntuples(result) == 1 && *PQgetvalue(result, 0, 0) == 't';
	if (PQntuples(result) == 0) {
		PQclear(result);
		return 0;
	}
	at = strtoull(PQgetvalue(result, 0, 1), NULL, 10);
	flushed = strtoull(PQgetvalue(result, 0, 2), NULL, 10);
	PQclear(result);
	if (!following->begin)
		following->begin = at;
	if (at > following->at)
		following->moved_ms = now;
	following->at = at;
	if (following->target && following->streams && at >= following->target && now - following->target_ms <= LAG_MS_MAX)
		return 1;
	if (!following->target || at >= following->target) {
		following->target = flushed;
		following->target_ms = now;
	}
	return following->streams && at >= following->target;
}

int replica_follow(PGconn *upstream, const char *name, const struct process *server, bool delayed, int stall_ms_max, struct err *err)
{
	struct following following = { .moved_ms = now_ms() };
	int rc;

	while ((rc = look(upstream, name, delayed, &following, err)) == 0) {
		uint64_t way = following.target - following.begin;

		if (!process_running(server))
			return err_set(err, ERR_CONNECT, "the server of replica %s has ended", name);
		if (now_ms() - following.moved_ms > (uint64_t)stall_ms_max)
			return err_set(err, ERR_CONNECT, following.streams ? "replica %s has replayed nothing for %d s" :
				       "replica %s does not stream: nothing came of it for %d s", name, stall_ms_max / 1000);
		if (following.begin)
			progress_set(way ? (double)(following.at - following.begin) / (double)way : 1);
		rc = progress_wait(NULL, 0, LOOK_MS, err);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : 0;
}
