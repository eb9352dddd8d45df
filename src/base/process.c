#include "base/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, CMDLINE_SIZE_MAX = 16 << 10, LOG_TAIL_SIZE = 360, CHILD_FAILED = 127 };

int identity_for_servers(struct identity *ret_identity, struct err *err)
{
	const struct passwd *user = getuid() == 0 ? getpwnam("postgres") : getpwuid(getuid());
	int rc;

	if (!user) {
		rc = err_set(err, ERR_NOT_FOUND, "there is no user \"%s\" to run PostgreSQL as", getuid() == 0 ? "postgres" : "yourself");
		err_hint(err, "PostgreSQL does not run as root. The package postgresql-15 makes a user postgres; tools/setup installs it.");
		return rc;
	}
	*ret_identity = (struct identity){ .uid = user->pw_uid, .gid = user->pw_gid, .other = getuid() == 0 };
	snprintf(ret_identity->name, sizeof(ret_identity->name), "%s", user->pw_name);
	snprintf(ret_identity->home, sizeof(ret_identity->home), "%s", user->pw_dir);
	return 0;
}

/* Gives up this process's rights for good: for children, before they run a program. */
static bool become(const struct identity *identity)
{
	return initgroups(identity->name, identity->gid) == 0 && setresgid(identity->gid, identity->gid, identity->gid) == 0 &&
	       setresuid(identity->uid, identity->uid, identity->uid) == 0;
}

static bool may_enter(const struct identity *identity, const char *path)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(become(identity) && access(path, X_OK) == 0 ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

bool identity_reaches(const struct identity *identity, const char *path, char ret_blocked[4096])
{
	char part[PATH_SIZE];
	size_t size = 0;

	if (!identity->other)
		return true;
	while (path[size]) {
		size += 1 + strcspn(path + size + 1, "/");
		snprintf(part, sizeof(part), "%.*s", (int)size, path);
		if (!may_enter(identity, part)) {
			snprintf(ret_blocked, PATH_SIZE, "%s", part);
			return false;
		}
	}
	return true;
}

/* In the child: only what may be called between fork() and exec(). Returns when something failed, with errno. */
static void become_program(const struct spawn *spawn, int log_fd, pid_t parent)
{
	char line[32];
	sigset_t none;
	int null_fd = open("/dev/null", O_RDONLY);
	int size, pid_fd;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	umask(077);
	if (spawn->pid_path) {
		pid_fd = open(spawn->pid_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		size = snprintf(line, sizeof(line), "%d\n", (int)getpid());
		if (pid_fd < 0 || write(pid_fd, line, (size_t)size) != size)
			return;
	}
	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0 ||
	    chdir("/") < 0)
		return;
	if (spawn->identity && spawn->identity->other && (!become(spawn->identity) || setenv("HOME", spawn->identity->home, 1) < 0))
		return;
	if (spawn->dies_with_parent && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		return;
	execv(spawn->argv[0], spawn->argv);
}

int process_spawn(const struct spawn *spawn, struct process *ret_process, struct err *err)
{
	int log_fd = open(spawn->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int pipe_fds[2], failure = 0;
	pid_t parent = getpid(), pid;
	ssize_t got;

	if (log_fd < 0)
		return err_set(err, ERR_IO, "cannot open %s: %s", spawn->log_path, strerror(errno));
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		failure = errno;
		close(log_fd);
		return err_set(err, ERR_IO, "cannot make a pipe: %s", strerror(failure));
	}
	pid = fork();
	if (pid == 0) {
		become_program(spawn, log_fd, parent);
		failure = errno;
		if (write(pipe_fds[1], &failure, sizeof(failure)) < 0)
			abort();
		_exit(CHILD_FAILED);
	}
	failure = errno;
	close(log_fd);
	close(pipe_fds[1]);
	if (pid < 0) {
		close(pipe_fds[0]);
		return err_set(err, ERR_IO, "cannot start a process: %s", strerror(failure));
	}
	do                              /* ends when the child runs the program: the pipe closes with that */
		got = read(pipe_fds[0], &failure, sizeof(failure));
	while (got < 0 && errno == EINTR);
	close(pipe_fds[0]);
	if (got > 0) {
		waitpid(pid, NULL, 0);
		return err_set(err, ERR_IO, "cannot run %s: %s", spawn->argv[0], strerror(failure));
	}
	*ret_process = (struct process){ .pid = pid, .pidfd = pidfd_open(pid, 0), .child = true };
	return 0;
}

bool process_find(pid_t pid, bool (*is_ours)(pid_t pid, const void *context), const void *context, struct process *ret_process)
{
	int pidfd = pid > 1 ? pidfd_open(pid, 0) : -1;
	struct process found = { .pid = pid, .pidfd = pidfd };

	if (pidfd < 0)
		return false;
	/* Still running after it was looked at: so it was that process, and not a later one, that was looked at. */
	if (!is_ours(pid, context) || !process_running(&found)) {
		close(pidfd);
		return false;
	}
	*ret_process = found;
	return true;
}

pid_t process_read_pid(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[32] = "";
	long pid;

	if (!file)
		return 0;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	pid = strtol(line, NULL, 10);
	return pid > 1 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

bool process_has_arguments(pid_t pid, char *const *argv)
{
	static char text[CMDLINE_SIZE_MAX];
	char path[64];
	size_t size, at = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	size = fread(text, 1, sizeof(text) - 1, file);
	text[size] = '\0';
	fclose(file);
	at = strlen(text) + 1;
	for (argv++; *argv; argv++, at += strlen(text + at) + 1)
		if (at >= size || strcmp(text + at, *argv) != 0)
			return false;
	return at == size;
}

bool process_stands_in(pid_t pid, const char *program, const char *folder)
{
	char path[64], target[PATH_SIZE];
	struct stat cwd, wanted;
	const char *name;
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	size = readlink(path, target, sizeof(target) - 1);
	if (size <= 0)
		return false;
	target[size] = '\0';
	name = strrchr(target, '/') + 1;
	/* After an upgrade of the package the link reads "…/postgres (deleted)". */
	if (strncmp(name, program, strlen(program)) != 0 || !strchr(" ", name[strlen(program)]))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	return stat(path, &cwd) == 0 && stat(folder, &wanted) == 0 && cwd.st_dev == wanted.st_dev && cwd.st_ino == wanted.st_ino;
}

bool process_any_in(const char *program, const char *folder)
{
	DIR *all = opendir("/proc");
	const struct dirent *entry;
	bool any = false;

	while (all && !any && (entry = readdir(all))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		any = pid > 0 && process_stands_in(pid, program, folder);
	}
	if (all)
		closedir(all);
	return any;
}

bool process_running(const struct process *process)
{
	struct pollfd ended = { .fd = process->pidfd, .events = POLLIN };

	return process->pid != 0 && poll(&ended, 1, 0) == 0;
}

void process_signal(const struct process *process, int signal)
{
	if (process->pid != 0)
		pidfd_send_signal(process->pidfd, signal, NULL, 0);
}

/* The group bears the pid as long as the child is not reaped. */
void process_kill_all(const struct process *process)
{
	if (process->pid != 0 && process->child)
		kill(-process->pid, SIGKILL);
}

int process_reap(struct process *process)
{
	int status = 0;

	if (process->pid == 0)
		return 0;
	if (process->child)
		waitpid(process->pid, &status, 0);
	close(process->pidfd);
	*process = PROCESS_NONE;
	return status;
}

void process_describe(int status, char out[64])
{
	if (WIFSIGNALED(status))
		snprintf(out, 64, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(out, 64, "exit status %d", WEXITSTATUS(status));
}

void process_log_tail(const char *log_path, struct err *err)
{
	FILE *file = fopen(log_path, "re");
	char text[LOG_TAIL_SIZE], *start = text;
	size_t size;

	if (!file)
		return;
	if (fseek(file, -(long)sizeof(text) + 1, SEEK_END) == 0)
		start = NULL;           /* it begins within a line */
	else
		rewind(file);
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	while (size > 0 && text[size - 1] == '\n')
		size--;
	text[size] = '\0';
	if (!start)
		start = strchr(text, '\n') ? strchr(text, '\n') + 1 : text;
	err_detail(err, "%s ends with: %s", log_path, start);
}
