#include "agent/postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/tree.h"
#include "catalog/ask.h"

enum { PATH_SIZE = 4096, LINE_SIZE = 512, ANSWER_MS = 5000, ARGUMENTS_MAX = 64, FILE_SIZE_MAX = 1 << 20, PROMOTED_MS = 10 };

#define AUTO_CONF "postgresql.auto.conf"
#define WAITS_FOR "synchronous_standby_names"

static const char *path_of(const struct postgres *postgres, const char *name, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/%s", postgres->data, name);
	return path;
}

static pid_t postmaster(const struct postgres *postgres)
{
	char path[PATH_SIZE];
	pid_t pid = process_read_pid(path_of(postgres, "postmaster.pid", path));

	return pid && process_stands_in(pid, "postgres", postgres->data) ? pid : 0;
}

bool postgres_running(const struct postgres *postgres)
{
	return postmaster(postgres) != 0;
}

bool postgres_is_standby(const struct postgres *postgres)
{
	char path[PATH_SIZE];

	return access(path_of(postgres, "standby.signal", path), F_OK) == 0;
}

/* ---- its files ---- */

/* Written whole and durably, or not at all; as the server's own user. */
static int write_file(const struct postgres *postgres, const char *name, const char *text, struct err *err)
{
	char path[PATH_SIZE], fresh[PATH_SIZE + 8];
	FILE *file;
	bool well;

	snprintf(fresh, sizeof(fresh), "%s.nanu", path_of(postgres, name, path));
	file = fopen(fresh, "we");
	well = file && fputs(text, file) >= 0 && fflush(file) == 0 && fchmod(fileno(file), 0600) == 0 && fsync(fileno(file)) == 0 &&
	       (!postgres->identity->other || fchown(fileno(file), postgres->identity->uid, postgres->identity->gid) == 0);
	if (file)
		fclose(file);
	if (well && rename(fresh, path) == 0)
		return 0;
	return err_set(err, ERR_IO, "cannot write %s: %s", path, strerror(errno));
}

/* What a program prints, of which no more than one runs at a time. */
static int output_of(const struct postgres *postgres, char *const *argv, const char *log, struct err *err)
{
	const struct spawn spawn = { .argv = argv, .identity = postgres->identity, .log_path = log, .dies_with_parent = true };
	struct process process;
	char how[64];
	int rc = process_spawn(&spawn, &process, err), status;

	if (rc < 0)
		return rc;
	status = process_reap(&process);
	if (status == 0)
		return 0;
	process_describe(status, how);
	rc = err_set(err, ERR_IO, "%s failed: %s", argv[0], how);
	process_log_tail(log, err);
	return rc;
}

static uint64_t number_behind(const char *text, const char *label, int base)
{
	const char *at = strstr(text, label);

	return at ? strtoull(at + strlen(label), NULL, base) : 0;
}

static uint64_t lsn_behind(const char *text, const char *label)
{
	const char *at = strstr(text, label);

	return at ? ask_lsn(at + strlen(label) + strspn(at + strlen(label), " ")) : 0;
}

int postgres_control(const struct postgres *postgres, struct postgres_control *ret_control, struct err *err)
{
	char log[PATH_SIZE], program[PATH_SIZE], *text;
	char *argv[] = { program, (char *)"-D", postgres->data, NULL };
	uint32_t recovered;
	int rc;

	snprintf(program, sizeof(program), "%s/pg_controldata", postgres->programs);
	snprintf(log, sizeof(log), "%s.control", postgres->log);
	unlink(log);
	rc = output_of(postgres, argv, log, err);
	if (rc == 0)
		rc = file_read(log, FILE_SIZE_MAX, &text, NULL, err);
	unlink(log);
	if (rc < 0)
		return rc;
	*ret_control = (struct postgres_control){
		.system = number_behind(text, "Database system identifier:", 10),
		.clean = strstr(text, "Database cluster state:               shut down\n"),
		.timeline = (uint32_t)number_behind(text, "Latest checkpoint's TimeLineID:", 10),
		.checkpoint = lsn_behind(text, "Latest checkpoint location:"),
	};
	recovered = (uint32_t)number_behind(text, "Min recovery ending loc's timeline:", 10);
	if (recovered > ret_control->timeline)
		ret_control->timeline = recovered;
	mem_free(text);
	return ret_control->system ? 0 : err_set(err, ERR_IO, "pg_controldata says nothing of %s", postgres->data);
}

int postgres_history(const struct postgres *postgres, uint32_t timeline, struct history *ret_history, struct err *err)
{
	char name[64], path[PATH_SIZE], *text;
	int rc;

	if (timeline == 1) {
		history_first(ret_history);
		return 0;
	}
	snprintf(name, sizeof(name), "pg_wal/%08" PRIX32 ".history", timeline);
	rc = file_read(path_of(postgres, name, path), FILE_SIZE_MAX, &text, NULL, err);
	if (rc < 0)
		return rc;
	rc = history_read(timeline, text, ret_history, err);
	mem_free(text);
	return rc;
}

/* ---- its life ---- */

int postgres_start(const struct postgres *postgres, struct process *ret_process, struct err *err)
{
	char program[PATH_SIZE], port[16];
	/* A standby that finds no upstream yet would look again after five seconds only, which commits may wait for. */
	char *argv[ARGUMENTS_MAX] = { program, (char *)"-D", postgres->data, (char *)"-p", port, (char *)"-c", (char *)"wal_retrieve_retry_interval=200ms" };
	const struct spawn spawn = { .argv = argv, .identity = postgres->identity, .log_path = postgres->log };
	size_t count = 7;

	snprintf(program, sizeof(program), "%s/postgres", postgres->programs);
	snprintf(port, sizeof(port), "%u", postgres->port);
	for (char *const *option = postgres->options; *option && count < ARGUMENTS_MAX - 1; option++)
		argv[count++] = *option;
	return process_spawn(&spawn, ret_process, err);
}

void postgres_shut_down(const struct postgres *postgres)
{
	pid_t pid = postmaster(postgres);

	if (pid)
		kill(pid, SIGINT);
}

/* ---- following ---- */

static void quote(struct buf *sql, const char *text)
{
	buf_add_u8(sql, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_add_u8(sql, '\'');
		buf_add_u8(sql, (uint8_t)*text);
	}
	buf_add_u8(sql, '\'');
}

static bool sets(const char *line, const char *name)
{
	size_t size = strlen(name);

	line += strspn(line, " \t");
	return strncmp(line, name, size) == 0 && strchr(" \t=", line[size]);
}

/* postgresql.auto.conf with another value: what ALTER SYSTEM would make of it. */
static int set_stopped(const struct postgres *postgres, const char *name, const char *value, struct err *err)
{
	char path[PATH_SIZE], *old = NULL, *rest, *line;
	struct buf text;
	int rc = 0;

	if (access(path_of(postgres, AUTO_CONF, path), F_OK) == 0 || errno != ENOENT)
		rc = file_read(path, FILE_SIZE_MAX, &old, NULL, err);
	if (rc < 0)
		return rc;
	rest = old;
	buf_init(&text, 2 * FILE_SIZE_MAX);
	while (rest && (line = strsep(&rest, "\n")))
		if (*line && !sets(line, name))
			buf_printf(&text, "%s\n", line);
	mem_free(old);
	buf_printf(&text, "%s = ", name);
	quote(&text, value);
	buf_add_u8(&text, '\n');
	buf_add_u8(&text, 0);
	rc = write_file(postgres, AUTO_CONF, text.data, err);
	buf_release(&text);
	return rc;
}

static int follow_stopped(const struct postgres *postgres, const char *upstream, const char *slot, struct err *err)
{
	int rc = set_stopped(postgres, "primary_slot_name", slot, err);

	if (rc == 0)
		rc = set_stopped(postgres, "primary_conninfo", upstream, err);
	return rc < 0 ? rc : write_file(postgres, "standby.signal", "", err);
}

void postgres_waits_for_stopped(const struct postgres *postgres, char *ret_names, size_t size)
{
	char path[PATH_SIZE], *text, *rest, *line;

	*ret_names = '\0';
	if (file_read(path_of(postgres, AUTO_CONF, path), FILE_SIZE_MAX, &text, NULL, NULL) < 0)
		return;
	rest = text;
	while (rest && (line = strsep(&rest, "\n"))) {
		const char *from = sets(line, WAITS_FOR) ? strchr(line, '\'') : NULL;
		size_t used = 0;

		for (; from && from[1] && used + 1 < size; used++) {
			from++;
			if (*from == '\'' && *++from != '\'')
				break;
			ret_names[used] = *from;
		}
		if (used || from)
			ret_names[used] = '\0';
	}
	mem_free(text);
}

static int say(PGconn *conn, const char *sql, unsigned wait_ms, struct err *err)
{
	PGresult *result;
	int rc = ask(conn, sql, NULL, strncmp(sql, "SELECT", 6) == 0 ? PGRES_TUPLES_OK : PGRES_COMMAND_OK, wait_ms, &result, err);

	PQclear(result);
	return rc;
}

static int set(PGconn *conn, const char *name, const char *value, struct err *err)
{
	struct buf sql;
	int rc;

	buf_init(&sql, BUF_SIZE_MAX);
	buf_printf(&sql, "ALTER SYSTEM SET %s = ", name);
	quote(&sql, value);
	buf_add_u8(&sql, 0);
	rc = say(conn, sql.data, ANSWER_MS, err);
	buf_release(&sql);
	return rc;
}

int postgres_follow(const struct postgres *postgres, PGconn *conn, const char *upstream, const char *slot, struct err *err)
{
	int rc;

	if (!conn)
		return follow_stopped(postgres, upstream, slot, err);
	rc = set(conn, "primary_slot_name", slot, err);
	if (rc == 0)
		rc = set(conn, "primary_conninfo", upstream, err);
	return rc < 0 ? rc : say(conn, "SELECT pg_catalog.pg_reload_conf()", ANSWER_MS, err);
}

int postgres_pass_timelines(const struct postgres *postgres, uint32_t own, uint32_t last, struct err *err)
{
	char name[64], path[PATH_SIZE];
	int rc = 0;

	for (uint32_t timeline = own + 1; rc == 0 && timeline <= last; timeline++) {
		snprintf(name, sizeof(name), "pg_wal/%08" PRIX32 ".history", timeline);
		if (access(path_of(postgres, name, path), F_OK) < 0)
			rc = write_file(postgres, name, "1\t0/1\tthe shard had this timeline, and this node has nothing of it\n", err);
	}
	return rc;
}

int postgres_promote(PGconn *conn, struct err *err)
{
	return say(conn, "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_promote(false) END", ANSWER_MS, err);
}

/* pg_promote() itself would look ten times a second only. */
int postgres_promoted(PGconn *conn, unsigned wait_ms, struct err *err)
{
	for (unsigned waited_ms = 0;; waited_ms += PROMOTED_MS) {
		PGresult *result;
		bool recovers;
		int rc = ask(conn, "SELECT pg_catalog.pg_is_in_recovery()", NULL, PGRES_TUPLES_OK, ANSWER_MS, &result, err);

		recovers = rc == 0 && PQgetvalue(result, 0, 0)[0] == 't';
		PQclear(result);
		if (!recovers)
			return rc;
		if (waited_ms >= wait_ms)
			return err_set(err, ERR_WRONG_STATE, "the node has not left recovery within %u ms", wait_ms);
		usleep(PROMOTED_MS * 1000);
	}
}

int postgres_wait_for(const struct postgres *postgres, PGconn *conn, const char *names, struct err *err)
{
	int rc = conn ? set(conn, WAITS_FOR, names, err) : set_stopped(postgres, WAITS_FOR, names, err);

	return rc < 0 || !conn ? rc : say(conn, "SELECT pg_catalog.pg_reload_conf()", ANSWER_MS, err);
}

static int remove_mark(const char *mark, struct err *err)
{
	return unlink(mark) < 0 && errno != ENOENT ? err_set(err, ERR_IO, "cannot remove %s: %s", mark, strerror(errno)) : 0;
}

int postgres_rewind(const struct postgres *postgres, char *source, const char *upstream, const char *slot, const char *mark, struct err *err)
{
	char program[PATH_SIZE], log[PATH_SIZE], path[PATH_SIZE];
	char *argv[] = { program, (char *)"--target-pgdata", postgres->data, (char *)"--source-server", source, NULL };
	int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), rc;

	if (fd < 0 || fsync(fd) < 0)
		return err_set(err, ERR_IO, "cannot make %s: %s", mark, strerror(errno));
	close(fd);
	unlink(path_of(postgres, "standby.signal", path));      /* or it could not recover a target that has crashed, in single-user mode */
	snprintf(program, sizeof(program), "%s/pg_rewind", postgres->programs);
	snprintf(log, sizeof(log), "%s.rewind", postgres->log);
	rc = output_of(postgres, argv, log, err);
	if (rc == 0)
		rc = follow_stopped(postgres, upstream, slot, err);
	return rc < 0 ? rc : remove_mark(mark, err);
}

/* An empty folder of the server's user, for him to fill: he may not make one where the data folder stands. */
static int make_folder(const struct postgres *postgres, const char *path, struct err *err)
{
	int rc = tree_remove(path, err);

	if (rc == 0 && (mkdir(path, 0700) < 0 || (postgres->identity->other && chown(path, postgres->identity->uid, postgres->identity->gid) < 0)))
		rc = err_set(err, ERR_IO, "cannot make %s: %s", path, strerror(errno));
	return rc;
}

int postgres_clone(const struct postgres *postgres, char *source, const char *upstream, const char *slot, const char *mark, struct err *err)
{
	char program[PATH_SIZE], log[PATH_SIZE], fresh[PATH_SIZE], replaced[PATH_SIZE];
	struct postgres clone = *postgres;
	char *argv[] = { program, (char *)"--pgdata", fresh, (char *)"--dbname", source, (char *)"--wal-method=stream", (char *)"--checkpoint=fast",
			 (char *)"--no-password", NULL };
	int rc;

	clone.data = fresh;
	snprintf(program, sizeof(program), "%s/pg_basebackup", postgres->programs);
	snprintf(log, sizeof(log), "%s.clone", postgres->log);
	snprintf(fresh, sizeof(fresh), "%s.clone", postgres->data);
	snprintf(replaced, sizeof(replaced), "%s.replaced", postgres->data);
	rc = make_folder(postgres, fresh, err);
	if (rc == 0)
		rc = output_of(postgres, argv, log, err);
	if (rc == 0)
		rc = follow_stopped(&clone, upstream, slot, err);
	if (rc == 0)
		rc = tree_remove(replaced, err);
	if (rc == 0 && renameat2(AT_FDCWD, fresh, AT_FDCWD, postgres->data, RENAME_EXCHANGE) < 0)
		rc = err_set(err, ERR_IO, "cannot put %s in the place of %s: %s", fresh, postgres->data, strerror(errno));
	if (rc == 0 && rename(fresh, replaced) < 0)
		rc = err_set(err, ERR_IO, "cannot name %s %s: %s", fresh, replaced, strerror(errno));
	return rc < 0 ? rc : remove_mark(mark, err);
}
