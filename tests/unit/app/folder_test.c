#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/folder.h"
#include "base/tree.h"

static char above[64], path[80];
static struct identity self;

static int make_above(void **state)
{
	strcpy(above, "/tmp/nanu-test-XXXXXX");
	assert_non_null(mkdtemp(above));
	snprintf(path, sizeof(path), "%s/play", above);
	self = (struct identity){ .uid = getuid(), .gid = getgid() };
	return 0;
}

static int drop_above(void **state)
{
	return tree_remove(above, NULL);
}

static struct folder *open_folder(bool create)
{
	struct folder *folder = NULL;
	struct err err = { 0 };

	if (folder_open(path, create, &self, &folder, &err) < 0)
		fail_msg("%s", err.message);
	return folder;
}

static void write_text(const char *name, const char *text)
{
	char file_path[160];
	FILE *file;

	snprintf(file_path, sizeof(file_path), "%s/%s", path, name);
	file = fopen(file_path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static mode_t mode_of(const char *file_path)
{
	struct stat info;

	return stat(file_path, &info) == 0 ? info.st_mode & 0777 : 0;
}

static void what_is_saved_is_remembered(void **state)
{
	struct folder *folder = open_folder(true);
	char password[PLAYGROUND_PASSWORD_SIZE];

	assert_true(folder->fresh);
	assert_int_equal(strlen(folder->password), PLAYGROUND_PASSWORD_SIZE - 1);
	strcpy(password, folder->password);
	folder->port = 7000;
	folder->http_port = 7005;
	folder->shard_count = 2;
	folder->primary_ports[0] = 7001;
	folder->primary_ports[1] = 7002;
	folder_add_replica(folder, 1, false)->port = 7003;
	folder_add_replica(folder, 1, true)->port = 7004;
	assert_int_equal(folder_save(folder, NULL), 0);
	folder_free(folder);
	folder = open_folder(true);
	assert_false(folder->fresh);
	assert_int_equal(folder->port, 7000);
	assert_int_equal(folder->http_port, 7005);
	assert_int_equal(folder->shard_count, 2);
	assert_int_equal(folder->primary_ports[1], 7002);
	assert_int_equal(folder->replica_count, 2);
	assert_string_equal(folder->replicas[0].name, "n2a");
	assert_false(folder->replicas[0].added);
	assert_string_equal(folder->replicas[1].name, "n2b");
	assert_int_equal(folder->replicas[1].shard, 1);
	assert_int_equal(folder->replicas[1].port, 7004);
	assert_true(folder->replicas[1].added);
	assert_string_equal(folder->password, password);
	folder_free(folder);
}

static void secrets_are_private(void **state)
{
	struct folder *folder = open_folder(true);

	assert_int_equal(mode_of(folder_file(folder, "password")), 0600);
	assert_int_equal(mode_of(path), 0700);
	folder_free(folder);
}

static void what_is_no_playground_is_left_alone(void **state)
{
	struct folder *folder = NULL;
	struct err err;

	assert_int_equal(folder_open(path, false, &self, &folder, &err), ERR_NOT_FOUND);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(folder_open(path, false, &self, &folder, &err), ERR_NOT_FOUND);
	write_text("thesis.txt", "mine");
	assert_int_equal(folder_open(path, true, &self, &folder, &err), ERR_CONFIG);
	assert_int_equal(folder_open(path, false, &self, &folder, &err), ERR_CONFIG);
	assert_non_null(strstr(err.message, "is not a playground"));
	assert_int_equal(mode_of(path), 0755);
	assert_null(folder);
}

#define MARK_WITH(replica) \
	"{\"nanu_playground\": 2, \"port\": 1, \"node_ports\": [2], \"replicas\": [" replica "]}"

static void an_unreadable_mark_is_refused(void **state)
{
	static const char *const marks[] = {
		"", "{", "{}", "{\"nanu_playground\": 1, \"port\": 70000, \"node_ports\": []}",
		"{\"nanu_playground\": 1, \"port\": 1, \"node_ports\": [-1]}", "{\"nanu_playground\": 3, \"port\": 1, \"node_ports\": []}",
		MARK_WITH("{\"name\": \"n1a\", \"shard\": 2, \"port\": 1, \"added\": true}"),
		MARK_WITH("{\"name\": \"n2a\", \"shard\": 1, \"port\": 1, \"added\": true}"),
		MARK_WITH("{\"name\": \"../x\", \"shard\": 1, \"port\": 1, \"added\": true}"),
		MARK_WITH("{\"name\": \"n1a\", \"shard\": 1, \"port\": 70000, \"added\": true}"),
		MARK_WITH("{\"name\": \"n1a\", \"shard\": 1, \"port\": 1}"),
	};
	struct folder *folder = NULL;
	struct err err;

	assert_int_equal(mkdir(path, 0755), 0);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		write_text("playground.json", marks[i]);
		assert_int_equal(folder_open(path, true, &self, &folder, &err), ERR_CONFIG);
		assert_null(folder);
	}
}

/* A playground of before replicas. */
static void an_older_mark_is_read(void **state)
{
	struct folder *folder;

	assert_int_equal(mkdir(path, 0755), 0);
	write_text("playground.json", "{\"nanu_playground\": 1, \"port\": 1, \"node_ports\": [2]}");
	folder = open_folder(true);
	assert_int_equal(folder->shard_count, 1);
	assert_int_equal(folder->replica_count, 0);
	folder_free(folder);
}

static void replicas_get_the_first_name_that_is_free(void **state)
{
	struct folder *folder = open_folder(true);

	folder->shard_count = 2;
	for (int i = 0; i < PLAYGROUND_REPLICAS_MAX; i++)
		assert_non_null(folder_add_replica(folder, 0, false));
	assert_null(folder_add_replica(folder, 0, false));
	assert_string_equal(folder_add_replica(folder, 1, false)->name, "n2a");
	folder_drop_replica(folder, "n1c");
	assert_int_equal(folder->replica_count, PLAYGROUND_REPLICAS_MAX);
	assert_string_equal(folder->replicas[2].name, "n1d");
	assert_string_equal(folder_add_replica(folder, 0, true)->name, "n1c");
	folder_free(folder);
}

/* Whoever changes what is remembered sees what others have changed. */
static void the_list_is_read_again_under_its_lock(void **state)
{
	struct folder *first = open_folder(true), *second = open_folder(true);

	first->shard_count = 1;
	first->primary_ports[0] = 7001;
	folder_add_replica(first, 0, true);
	assert_int_equal(folder_save(first, NULL), 0);
	assert_int_equal(second->replica_count, 0);
	assert_int_equal(folder_lock_list(second, NULL), 0);
	assert_int_equal(second->replica_count, 1);
	folder_unlock_list(second);
	folder_free(second);
	folder_free(first);
}

/* Another process has the lock, and the kernel says which. */
static void one_process_at_a_time_holds_the_lock(void **state)
{
	struct folder *folder = open_folder(true);
	pid_t child, holder = 0;
	int pipe_fds[2];
	char byte;
	struct err err;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		if (folder_lock(folder, &holder, NULL) == 0 && write(pipe_fds[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	assert_int_equal(folder_lock(folder, &holder, &err), ERR_WRONG_STATE);
	assert_int_equal(holder, child);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(folder_lock(folder, &holder, &err), 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	folder_free(folder);
}

static void removing_leaves_what_others_put_there(void **state)
{
	struct folder *folder = open_folder(true);
	bool left = false;

	folder->shard_count = 1;
	assert_non_null(folder_add_replica(folder, 0, false));
	assert_int_equal(mkdir(folder_file(folder, "n1"), 0700), 0);
	assert_int_equal(mkdir(folder_file(folder, "n1a.adding"), 0700), 0);
	assert_int_equal(folder_write(folder, "n1/data", "x", 0600, NULL), 0);
	assert_int_equal(symlink("/etc/hostname", folder_file(folder, "n1/link")), 0);
	write_text("mine", "x");
	assert_int_equal(folder_remove(folder, &left, NULL), 0);
	assert_true(left);
	assert_int_equal(access(folder_file(folder, "n1"), F_OK), -1);
	assert_int_equal(access(folder_file(folder, "n1a.adding"), F_OK), -1);
	assert_int_equal(access(folder_file(folder, "password"), F_OK), -1);
	assert_int_equal(access(folder_file(folder, "mine"), F_OK), 0);
	assert_int_equal(access("/etc/hostname", F_OK), 0);
	folder_free(folder);
}

static void removing_takes_the_empty_folder_too(void **state)
{
	struct folder *folder = open_folder(true);
	bool left = true;

	assert_int_equal(folder_remove(folder, &left, NULL), 0);
	assert_false(left);
	assert_int_equal(access(path, F_OK), -1);
	folder_free(folder);
}

#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, make_above, drop_above)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(what_is_saved_is_remembered),
		FOLDER_TEST(secrets_are_private),
		FOLDER_TEST(what_is_no_playground_is_left_alone),
		FOLDER_TEST(an_unreadable_mark_is_refused),
		FOLDER_TEST(an_older_mark_is_read),
		FOLDER_TEST(replicas_get_the_first_name_that_is_free),
		FOLDER_TEST(the_list_is_read_again_under_its_lock),
		FOLDER_TEST(one_process_at_a_time_holds_the_lock),
		FOLDER_TEST(removing_leaves_what_others_put_there),
		FOLDER_TEST(removing_takes_the_empty_folder_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
