#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"

enum { SOON_MS = 10000 };

static char folder[64], log_path[80], pid_path[80];

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/nanu-test-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(log_path, sizeof(log_path), "%s/log", folder);
	snprintf(pid_path, sizeof(pid_path), "%s/pid", folder);
	return 0;
}

static int drop_folder(void **state)
{
	unlink(log_path);
	unlink(pid_path);
	return rmdir(folder);
}

static struct process start(const char *first, const char *second)
{
	char *argv[] = { (char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL };
	const struct spawn spawn = { .argv = argv, .log_path = log_path, .pid_path = pid_path };
	struct process process = PROCESS_NONE;
	struct err err = { 0 };

	if (process_spawn(&spawn, &process, &err) < 0)
		fail_msg("%s", err.message);
	return process;
}

static void wait_for_end(const struct process *process)
{
	struct pollfd ended = { .fd = process->pidfd, .events = POLLIN };

	assert_int_equal(poll(&ended, 1, SOON_MS), 1);
}

static void a_program_runs_and_its_end_is_told(void **state)
{
	struct process process = start("/bin/false", NULL);
	char how[64];

	wait_for_end(&process);
	assert_false(process_running(&process));
	process_describe(process_reap(&process), how);
	assert_string_equal(how, "exit status 1");
	assert_int_equal(process.pid, 0);
	assert_int_equal(process_reap(&process), 0);
}

static void a_program_that_is_not_there_is_an_error_at_once(void **state)
{
	char *argv[] = { (char *)"/nonexistent/program", NULL };
	const struct spawn spawn = { .argv = argv, .log_path = log_path };
	struct process process = PROCESS_NONE;
	struct err err;

	assert_int_equal(process_spawn(&spawn, &process, &err), ERR_IO);
	assert_non_null(strstr(err.message, "No such file"));
	assert_int_equal(process.pid, 0);
}

static void what_a_program_says_is_in_its_log(void **state)
{
	struct process process = start("/bin/echo", "hello");
	struct err err = { 0 };

	wait_for_end(&process);
	process_reap(&process);
	process_log_tail(log_path, &err);
	assert_non_null(strstr(err.detail, "ends with: hello"));
}

static bool is_ours(pid_t pid, const void *context)
{
	return process_has_arguments(pid, (char *const *)(uintptr_t)context);
}

static void a_running_process_is_found_by_its_arguments(void **state)
{
	char *right[] = { NULL, (char *)"1000", NULL }, *wrong[] = { NULL, (char *)"100", NULL };
	char *more[] = { NULL, (char *)"1000", (char *)"1", NULL };
	struct process process = start("/bin/sleep", "1000"), found = PROCESS_NONE;

	assert_int_equal(process_read_pid(pid_path), process.pid);
	/* The arguments appear when the program runs; process_spawn() has waited for that. */
	assert_true(process_find(process.pid, is_ours, right, &found));
	assert_int_equal(found.pid, process.pid);
	close(found.pidfd);
	assert_false(process_find(process.pid, is_ours, wrong, &found));
	assert_false(process_find(process.pid, is_ours, more, &found));
	assert_false(process_find(0, is_ours, right, &found));
	process_signal(&process, SIGKILL);
	wait_for_end(&process);
	/* Ended, but its pid is still taken: not to be believed any more. */
	assert_false(process_find(process.pid, is_ours, right, &found));
	assert_int_equal(WTERMSIG(process_reap(&process)), SIGKILL);
}

static void a_process_is_known_by_its_program_and_folder(void **state)
{
	struct process process = start("/bin/sleep", "1000");

	assert_true(process_stands_in(process.pid, "sleep", "/"));
	assert_false(process_stands_in(process.pid, "sleep", folder));
	assert_false(process_stands_in(process.pid, "slee", "/"));
	assert_false(process_stands_in(process.pid, "postgres", "/"));
	assert_true(process_any_in("sleep", "/"));
	assert_false(process_any_in("sleep", folder));
	process_signal(&process, SIGTERM);
	wait_for_end(&process);
	process_reap(&process);
}

static void signals_of_the_parent_do_not_bind_the_child(void **state)
{
	sigset_t blocked, old;
	struct process process;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &old);
	process = start("/bin/sleep", "1000");
	sigprocmask(SIG_SETMASK, &old, NULL);
	process_signal(&process, SIGTERM);
	wait_for_end(&process);
	assert_int_equal(WTERMSIG(process_reap(&process)), SIGTERM);
}

static void unreadable_pid_files_name_nobody(void **state)
{
	FILE *file;

	assert_int_equal(process_read_pid("/nonexistent/pid"), 0);
	file = fopen(pid_path, "we");
	fputs("-5\n", file);
	fclose(file);
	assert_int_equal(process_read_pid(pid_path), 0);
	file = fopen(pid_path, "we");
	fclose(file);
	assert_int_equal(process_read_pid(pid_path), 0);
}

#define PROCESS_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROCESS_TEST(a_program_runs_and_its_end_is_told),
		PROCESS_TEST(a_program_that_is_not_there_is_an_error_at_once),
		PROCESS_TEST(what_a_program_says_is_in_its_log),
		PROCESS_TEST(a_running_process_is_found_by_its_arguments),
		PROCESS_TEST(a_process_is_known_by_its_program_and_folder),
		PROCESS_TEST(signals_of_the_parent_do_not_bind_the_child),
		PROCESS_TEST(unreadable_pid_files_name_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
