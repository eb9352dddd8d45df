/* process: a program that the playground started, or found running.
 *
 * Held by a pidfd, so that neither waiting nor a signal can meet another process that got the same pid. A process that was found is not a
 * child: it can be waited for, but its exit status is not known. No shell is involved. Used by one thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Whom servers run as: PostgreSQL refuses root, so root runs them as user postgres. */
struct identity {
	char name[64];
	char home[256];                 /* where libpq looks for certificates and passwords */
	uid_t uid;
	gid_t gid;
	bool other;                     /* not the user who runs this program */
};

struct process {
	pid_t pid;                      /* 0: none */
	int pidfd;
	bool child;
};

struct spawn {
	char *const *argv;              /* [0] is the path; ends with NULL */
	const struct identity *identity; /* NULL: as this program */
	const char *log_path;           /* output is appended here; made with mode 0600 */
	const char *pid_path;           /* the child's pid is in here before the program runs; NULL: nowhere */
	bool dies_with_parent;          /* also when this program is killed */
};

#define PROCESS_NONE ((struct process){ 0, -1, false })

/* The invoking user, or postgres for root. ERR_NOT_FOUND when there is no such user. */
must_use int identity_for_servers(struct identity *ret_identity, struct err *err);

/* Whether the identity may pass through the folder and everything above it; *ret_blocked, when not, is the first that it may not enter. */
bool identity_reaches(const struct identity *identity, const char *path, char ret_blocked[4096]);

/* Starts the program in a session of its own, with empty standard input. ERR_IO when it could not be started, and why. */
must_use int process_spawn(const struct spawn *spawn, struct process *ret_process, struct err *err);

/* Takes hold of a running process that `is_ours` knows, told its pid once the process can no longer be another. False when there is none. */
bool process_find(pid_t pid, bool (*is_ours)(pid_t pid, const void *context), const void *context, struct process *ret_process);

/* The pid in the first line of a file; 0 when there is none. */
pid_t process_read_pid(const char *path);

/* Whether the process's arguments, behind the name of its program, are exactly these behind argv[0]. */
bool process_has_arguments(pid_t pid, char *const *argv);

/* Whether the process runs a program of this name, in this folder. */
bool process_stands_in(pid_t pid, const char *program, const char *folder);

/* Whether any process runs a program of this name in this folder. */
bool process_any_in(const char *program, const char *folder);

bool process_running(const struct process *process);
/* Ends a process that process_spawn() started, with all that it started in its session. */
void process_kill_all(const struct process *process);
void process_signal(const struct process *process, int signal);

/* Reaps an ended child and forgets the process. Returns what waitpid() says of a child; 0 for one that was found. */
int process_reap(struct process *process);

/* What a waitpid() status means, in words: "exit status 1", "signal 9 (Killed)". */
void process_describe(int status, char out[64]);

/* Makes the end of a program's log the detail of the error about it. */
void process_log_tail(const char *log_path, struct err *err);
