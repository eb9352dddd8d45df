#include "agent/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/process.h"

enum { PATH_SIZE = 4096, BOOT_SIZE = 40, LOOK_MS = 20, QUIT_MS = 150, AGENT_BYTE = 0, GUARD_BYTE = 1 };

/* What the file has. */
struct guarded {
	_Atomic uint64_t until;
	char boot[BOOT_SIZE];           /* the start of the machine during which that was said */
};

struct guard {
	struct guarded *guarded;
	int fd;
	char data[PATH_SIZE];
	char mark[PATH_SIZE + 16];      /* while it is there the node is rewound: a server that recovers it takes no clients */
};

uint64_t guard_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

static void read_boot(char ret_boot[BOOT_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(ret_boot, 0, BOOT_SIZE);
	if (fd < 0)
		return;
	if (read(fd, ret_boot, BOOT_SIZE - 1) < 0)
		ret_boot[0] = '\0';
	close(fd);
}

/* ---- stopping ---- */

/* How many processes of the node there are; each gets the signal. A backend lives on for a while when its postmaster has been killed, and may commit. */
static unsigned signal_all(const char *data, int signal_number)
{
	DIR *all = opendir("/proc");
	const struct dirent *entry;
	unsigned found = 0;

	while (all && (entry = readdir(all))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid <= 0 || !process_stands_in(pid, "postgres", data))
			continue;
		kill(pid, signal_number);
		found++;
	}
	if (all)
		closedir(all);
	return found;
}

void guard_stop_node(const char *data, unsigned quit_ms)
{
	char path[PATH_SIZE];
	pid_t pid;
	uint64_t kill_at = guard_now() + quit_ms * UINT64_C(1000);

	snprintf(path, sizeof(path), "%s/postmaster.pid", data);
	pid = process_read_pid(path);
	if (pid && process_stands_in(pid, "postgres", data))
		kill(pid, SIGQUIT);
	while (process_any_in("postgres", data)) {
		if (guard_now() >= kill_at)
			signal_all(data, SIGKILL);
		sleep_ms(5);
	}
}

/* ---- the process ---- */

static bool lock_byte(int fd, int byte)
{
	struct flock wanted = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	return fcntl(fd, F_SETLK, &wanted) == 0;
}

static bool is_locked(int fd, int byte)
{
	struct flock wanted = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	return fcntl(fd, F_GETLK, &wanted) == 0 && wanted.l_type != F_UNLCK;
}

/* Its agent is gone, and there is nothing to guard: nobody starts the node but an agent, which starts a guard first. */
static bool is_needless(const struct guard *guard)
{
	return !is_locked(guard->fd, AGENT_BYTE) && !process_any_in("postgres", guard->data);
}

static _Noreturn void watch(const struct guard *guard)
{
	char standby[PATH_SIZE + 32];

	snprintf(standby, sizeof(standby), "%s/standby.signal", guard->data);
	for (unsigned turn = 0;; turn++) {
		uint64_t until = atomic_load(&guard->guarded->until);

		if (guard_now() >= until) {
			if (until && access(standby, F_OK) < 0 && errno == ENOENT && access(guard->mark, F_OK) < 0 && process_any_in("postgres", guard->data))
				guard_stop_node(guard->data, QUIT_MS);
			if (turn % 64 == 63 && is_needless(guard))
				_exit(0);
		}
		sleep_ms(LOOK_MS);
	}
}

/* Of nobody's session, group or files, so that it does not go with the agent, nor keep what was the agent's. */
static void become_guard(const struct guard *guard)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	setsid();
	prctl(PR_SET_NAME, "nanu-guard");
	if (chdir("/") < 0)
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		if (fd != guard->fd)
			close(fd);
	if (guard->fd > 3)
		close_range(3, (unsigned)guard->fd - 1, 0);
	close_range((unsigned)guard->fd + 1, ~0U, 0);
	if (!lock_byte(guard->fd, GUARD_BYTE))
		_exit(0);               /* there is one already */
	watch(guard);
}

/* Twice forked: it is nobody's child, and the agent need not wait for its end. */
static void start_process(const struct guard *guard)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0)
			become_guard(guard);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* ---- of the agent ---- */

static int map_file(struct guard *guard, const char *path, struct err *err)
{
	char boot[BOOT_SIZE];

	guard->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (guard->fd < 0 || ftruncate(guard->fd, sizeof(*guard->guarded)) < 0)
		return err_set(err, ERR_IO, "cannot make %s: %s", path, strerror(errno));
	if (!lock_byte(guard->fd, AGENT_BYTE))
		return err_set(err, ERR_CONFLICT, "another agent is running for this node: it has locked %s", path);
	guard->guarded = mmap(NULL, sizeof(*guard->guarded), PROT_READ | PROT_WRITE, MAP_SHARED, guard->fd, 0);
	if (guard->guarded == MAP_FAILED) {
		guard->guarded = NULL;
		return err_set(err, ERR_IO, "cannot map %s: %s", path, strerror(errno));
	}
	read_boot(boot);
	if (memcmp(guard->guarded->boot, boot, BOOT_SIZE) != 0) {       /* that clock began anew: what it led by is over */
		atomic_store(&guard->guarded->until, atomic_load(&guard->guarded->until) != 0);
		memcpy(guard->guarded->boot, boot, BOOT_SIZE);
	}
	return 0;
}

int guard_open(const char *data, const char *folder, struct guard **ret_guard, struct err *err)
{
	struct guard *guard = mem_calloc(1, sizeof(*guard));
	char path[PATH_SIZE];
	int rc;

	snprintf(guard->data, sizeof(guard->data), "%s", data);
	snprintf(guard->mark, sizeof(guard->mark), "%s/" GUARD_MARK, folder);
	snprintf(path, sizeof(path), "%s/guard", folder);
	rc = map_file(guard, path, err);
	if (rc < 0) {
		guard_close(guard);
		return rc;
	}
	guard_check(guard);
	*ret_guard = guard;
	return 0;
}

void guard_until(struct guard *guard, uint64_t until)
{
	atomic_store(&guard->guarded->until, until);
}

void guard_check(struct guard *guard)
{
	if (!is_locked(guard->fd, GUARD_BYTE))
		start_process(guard);
}

void guard_close(struct guard *guard)
{
	if (!guard)
		return;
	if (guard->guarded)
		munmap(guard->guarded, sizeof(*guard->guarded));
	if (guard->fd >= 0)
		close(guard->fd);
	mem_free(guard);
}
