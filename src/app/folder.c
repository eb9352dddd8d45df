#include "app/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/progress.h"
#include "base/mem.h"
#include "base/tree.h"

enum {
	FORMAT_VERSION = 2, PATH_SIZE = 4096, FOLDER_BLOCK_SIZE = 4 << 10, LIST_MS_MAX = 300 * 1000, LIST_TURN_MS = 50,
	FOLDER_BYTE = 0, LIST_BYTE = 1,         /* of the file `lock` */
};

static const char mark_name[] = "playground.json";
static const char system_folder[] = "/var/lib/nanu";

static int too_long(struct err *err)
{
	return err_set(err, ERR_IO, "the path of the playground would be longer than %d bytes", PATH_SIZE - 1);
}

int folder_default(const struct identity *identity, char ret_path[4096], struct err *err)
{
	char here[PATH_SIZE], blocked[PATH_SIZE];

	if (!getcwd(here, sizeof(here)))
		return err_set(err, ERR_IO, "cannot find the current folder: %s", strerror(errno));
	if (snprintf(ret_path, PATH_SIZE, "%s/.nanu", strcmp(here, "/") == 0 ? "" : here) >= PATH_SIZE)
		return too_long(err);
	if (access(ret_path, F_OK) == 0 || identity_reaches(identity, here, blocked))
		return 0;
	for (char *at = here + 1; *at; at++)
		if (*at == '/')
			*at = '-';
	return snprintf(ret_path, PATH_SIZE, "%s/%s", system_folder, here + 1) >= PATH_SIZE ? too_long(err) : 0;
}

static bool folder_is_empty(const char *path)
{
	DIR *all = opendir(path);
	const struct dirent *entry;
	bool empty = all != NULL;

	while (all && empty && (entry = readdir(all)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (all)
		closedir(all);
	return empty;
}

const char *folder_file(struct folder *folder, const char *name)
{
	return arena_printf(&folder->arena, "%s/%s", folder->path, name);
}

int folder_write(struct folder *folder, const char *name, const char *text, mode_t mode, struct err *err)
{
	const char *path = folder_file(folder, name), *fresh = arena_printf(&folder->arena, "%s.new", path);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	size_t size = strlen(text);
	bool good = fd >= 0 && fchmod(fd, mode) == 0 && write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	if (!good || rename(fresh, path) < 0)
		return err_set(err, ERR_IO, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

int folder_save(struct folder *folder, struct err *err)
{
	json_t *ports = json_array(), *replicas = json_array();
	json_t *root;
	char *text;
	int rc;

	for (unsigned i = 0; i < folder->shard_count; i++)
		json_array_append_new(ports, json_integer(folder->primary_ports[i]));
	for (unsigned i = 0; i < folder->replica_count; i++) {
		const struct folder_replica *replica = &folder->replicas[i];

		json_array_append_new(replicas, json_pack("{s:s, s:i, s:i, s:b}", "name", replica->name, "shard", (int)replica->shard + 1, "port",
							  (int)replica->port, "added", replica->added));
	}
	root = json_pack("{s:i, s:i, s:i, s:o, s:o}", "nanu_playground", FORMAT_VERSION, "port", (int)folder->port, "http_port", (int)folder->http_port,
			 "node_ports", ports, "replicas", replicas);
	text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	rc = folder_write(folder, mark_name, text, 0644, err);
	free(text);
	return rc;
}

static int load_ports(struct folder *folder, json_t *ports)
{
	if (json_array_size(ports) > SHARDS_MAX)
		return -1;
	folder->shard_count = (unsigned)json_array_size(ports);
	for (unsigned i = 0; i < folder->shard_count; i++) {
		json_int_t port = json_integer_value(json_array_get(ports, i));

		if (port < 0 || port > UINT16_MAX)
			return -1;
		folder->primary_ports[i] = (uint16_t)port;
	}
	return 0;
}

static void name_replica(char name[PLAYGROUND_NODE_SIZE], unsigned shard, char letter)
{
	snprintf(name, PLAYGROUND_NODE_SIZE, "n%u%c", (shard + 1) % 1000, letter);
}

/* A name is a path, too: it is believed only as it would be given. */
static bool is_name_of(const char *name, unsigned shard)
{
	char wanted[PLAYGROUND_NODE_SIZE];

	for (char letter = 'a'; letter < 'a' + PLAYGROUND_REPLICAS_MAX; letter++) {
		name_replica(wanted, shard, letter);
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

/* An older playground has none. */
static int load_replicas(struct folder *folder, json_t *array)
{
	if (json_array_size(array) > NODES_MAX)
		return -1;
	folder->replica_count = 0;
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct folder_replica *replica = &folder->replicas[i];
		int shard, port, added;
		const char *name;

		if (json_unpack(json_array_get(array, i), "{s:s, s:i, s:i, s:b}", "name", &name, "shard", &shard, "port", &port, "added", &added) < 0 ||
		    shard < 1 || (unsigned)shard > folder->shard_count || port < 0 || port > UINT16_MAX || !is_name_of(name, (unsigned)shard - 1))
			return -1;
		*replica = (struct folder_replica){ .shard = (unsigned)shard - 1, .port = (uint16_t)port, .added = added };
		snprintf(replica->name, sizeof(replica->name), "%s", name);
		folder->replica_count++;
	}
	return 0;
}

static bool has_replica(const struct folder *folder, const char *name)
{
	for (unsigned i = 0; i < folder->replica_count; i++)
		if (strcmp(folder->replicas[i].name, name) == 0)
			return true;
	return false;
}

struct folder_replica *folder_add_replica(struct folder *folder, unsigned shard, bool added)
{
	struct folder_replica *replica;
	char name[PLAYGROUND_NODE_SIZE];

	if (folder->replica_count + folder->shard_count >= NODES_MAX)
		return NULL;
	for (char letter = 'a'; letter < 'a' + PLAYGROUND_REPLICAS_MAX; letter++) {
		name_replica(name, shard, letter);
		if (has_replica(folder, name))
			continue;
		replica = &folder->replicas[folder->replica_count++];
		*replica = (struct folder_replica){ .shard = shard, .added = added };
		memcpy(replica->name, name, sizeof(name));
		return replica;
	}
	return NULL;
}

void folder_drop_replica(struct folder *folder, const char *name)
{
	for (unsigned i = 0; i < folder->replica_count; i++) {
		struct folder_replica *replica = &folder->replicas[i];

		if (strcmp(replica->name, name) != 0)
			continue;
		memmove(replica, replica + 1, (folder->replica_count - 1 - i) * sizeof(*replica));
		folder->replica_count--;
		return;
	}
}

static int load(struct folder *folder, struct err *err)
{
	const char *path = folder_file(folder, mark_name);
	json_t *root = json_load_file(path, 0, NULL), *ports, *replicas = NULL;
	int version = 0, port = 0, http_port = 0;       /* of an older nanu's there is none */
	int rc = 0;

	if (json_unpack(root, "{s:i, s:i, s?i, s:o, s?o}", "nanu_playground", &version, "port", &port, "http_port", &http_port, "node_ports", &ports,
			"replicas", &replicas) < 0 ||
	    port < 0 || port > UINT16_MAX || http_port < 0 || http_port > UINT16_MAX)
		rc = err_set(err, ERR_CONFIG, "%s cannot be understood", path);
	else if (version > FORMAT_VERSION)
		rc = err_set(err, ERR_CONFIG, "%s was made by a newer nanu", folder->path);
	else if (load_ports(folder, ports) < 0 || load_replicas(folder, replicas) < 0)
		rc = err_set(err, ERR_CONFIG, "%s has no valid ports", path);
	folder->port = (uint16_t)port;
	folder->http_port = (uint16_t)http_port;
	json_decref(root);
	return rc;
}

/* A password that nobody chose: 128 bits of randomness. */
static int make_password(struct folder *folder, struct err *err)
{
	const char *path = folder_file(folder, "password");
	unsigned char bytes[(PLAYGROUND_PASSWORD_SIZE - 1) / 2];
	FILE *file = fopen(path, "re");
	bool known = file && fgets(folder->password, sizeof(folder->password), file);

	if (file)
		fclose(file);
	if (known && strlen(folder->password) == PLAYGROUND_PASSWORD_SIZE - 1)
		return 0;
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_set(err, ERR_IO, "cannot get random bytes: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(folder->password + 2 * i, 3, "%02x", bytes[i]);
	return folder_write(folder, "password", folder->password, 0600, err);
}

static int make(struct folder *folder, const struct identity *identity, struct err *err)
{
	char blocked[PATH_SIZE];
	int rc;

	if (!identity_reaches(identity, folder->path, blocked)) {
		if (folder->fresh)
			rmdir(folder->path);
		rc = err_set(err, ERR_IO, "user %s, whom the servers run as, may not enter %s", identity->name, blocked);
		err_hint(err, "Choose another folder (--dir %s/playground), or open this one: chmod o+x %s", system_folder, blocked);
		return rc;
	}
	rc = folder_save(folder, err);
	return rc < 0 ? rc : make_password(folder, err);
}

static int not_a_playground(const char *path, struct err *err)
{
	int rc = err_set(err, ERR_CONFIG, "%s is not a playground: it has no %s", path, mark_name);

	err_hint(err, "Choose a folder that is empty or not there yet: --dir DIR");
	return rc;
}

/* Finds out what stands at the path, and makes what is missing. */
static int settle(struct folder *folder, bool create, const struct identity *identity, struct err *err)
{
	int rc;

	if (access(folder_file(folder, mark_name), F_OK) == 0) {
		rc = load(folder, err);
		return rc < 0 || !create ? rc : make(folder, identity, err);
	}
	if (!folder_is_empty(folder->path))
		return not_a_playground(folder->path, err);
	if (!create)
		return err_set(err, ERR_NOT_FOUND, "there is no playground in %s", folder->path);
	if (chmod(folder->path, identity->other ? 0711 : 0700) < 0)
		return err_set(err, ERR_IO, "cannot change the mode of %s: %s", folder->path, strerror(errno));
	return make(folder, identity, err);
}

/* Makes the folder, and the system's one above it, which only a playground that comes to stand there needs. */
static bool make_folder(const char *path)
{
	size_t size = sizeof(system_folder) - 1;

	if (strncmp(path, system_folder, size) == 0 && path[size] == '/' && mkdir(system_folder, 0755) < 0 && errno != EEXIST)
		return false;
	return mkdir(path, 0700) == 0;
}

int folder_open(const char *path, bool create, const struct identity *identity, struct folder **ret_folder, struct err *err)
{
	bool fresh = create && make_folder(path);
	char real[PATH_SIZE];
	struct folder *folder;
	int rc;

	if (create && !fresh && errno != EEXIST)
		return err_set(err, ERR_IO, "cannot make %s: %s", path, strerror(errno));
	if (!realpath(path, real)) {
		if (errno == ENOENT)
			return err_set(err, ERR_NOT_FOUND, "there is no playground in %s", path);
		return err_set(err, ERR_IO, "cannot open %s: %s", path, strerror(errno));
	}
	folder = mem_calloc(1, sizeof(*folder));
	arena_init(&folder->arena, FOLDER_BLOCK_SIZE);
	folder->path = arena_strdup(&folder->arena, real);
	folder->lock_fd = -1;
	folder->fresh = fresh;
	rc = settle(folder, create, identity, err);
	if (rc < 0) {
		folder_free(folder);
		return rc;
	}
	*ret_folder = folder;
	return 0;
}

void folder_free(struct folder *folder)
{
	if (!folder)
		return;
	if (folder->lock_fd >= 0)
		close(folder->lock_fd);
	arena_release(&folder->arena);
	mem_free(folder);
}

/* A record lock: it goes with its process, however that ends, is not inherited by the servers, and the kernel knows whose it is. 1: another process
 * has it, and *ret_holder is its pid. */
static int lock_byte(struct folder *folder, int byte, pid_t *ret_holder, struct err *err)
{
	struct flock wanted = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	if (folder->lock_fd < 0)
		folder->lock_fd = open(folder_file(folder, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (folder->lock_fd < 0)
		return err_set(err, ERR_IO, "cannot open %s/lock: %s", folder->path, strerror(errno));
	if (fcntl(folder->lock_fd, F_SETLK, &wanted) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return err_set(err, ERR_IO, "cannot lock %s: %s", folder->path, strerror(errno));
	if (fcntl(folder->lock_fd, F_GETLK, &wanted) == 0 && wanted.l_type != F_UNLCK)
		*ret_holder = wanted.l_pid;
	return 1;
}

int folder_lock(struct folder *folder, pid_t *ret_holder, struct err *err)
{
	int rc = lock_byte(folder, FOLDER_BYTE, ret_holder, err);

	if (rc <= 0)
		return rc;
	return err_set(err, ERR_WRONG_STATE, "another 'nanu playground' (pid %d) works in %s", (int)*ret_holder, folder->path);
}

int folder_lock_list(struct folder *folder, struct err *err)
{
	pid_t holder = 0;
	int rc = lock_byte(folder, LIST_BYTE, &holder, err);

	for (int waited_ms = 0; rc > 0 && waited_ms < LIST_MS_MAX; waited_ms += LIST_TURN_MS) {
		rc = progress_wait(NULL, 0, LIST_TURN_MS, err);
		if (rc == 0)
			rc = lock_byte(folder, LIST_BYTE, &holder, err);
	}
	if (rc > 0)
		return err_set(err, ERR_WRONG_STATE, "another process (pid %d) changes the playground in %s", (int)holder, folder->path);
	return rc < 0 ? rc : load(folder, err);
}

void folder_unlock_list(struct folder *folder)
{
	struct flock list = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = LIST_BYTE, .l_len = 1 };

	if (folder->lock_fd >= 0)
		fcntl(folder->lock_fd, F_SETLK, &list);
}

int folder_remove_data(struct folder *folder, const char *name, struct err *err)
{
	static const char *const endings[] = { "", ".new", ".adding" };
	const char *data = folder_file(folder, name);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(endings) / sizeof(endings[0]); i++)
		rc = tree_remove(arena_printf(&folder->arena, "%s%s", data, endings[i]), err);
	return rc;
}

int folder_remove(struct folder *folder, bool *ret_left, struct err *err)
{
	static const char *const files[] = { "password", "nanu.yaml", "users.txt", "nanu.db", "nanu.db-wal", "nanu.db-shm", "nanu.db-lock", "nanu.db-epoch", "nanu.pid",
					     "shop.loaded", "lock" };
	int rc = tree_remove(folder_file(folder, "log"), err);

	for (unsigned i = 1; rc == 0 && i <= folder->shard_count; i++)
		rc = folder_remove_data(folder, arena_printf(&folder->arena, "n%u", i), err);
	for (unsigned i = 0; rc == 0 && i < folder->replica_count; i++)
		rc = folder_remove_data(folder, folder->replicas[i].name, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (unlink(folder_file(folder, files[i])) < 0 && errno != ENOENT)
			return err_set(err, ERR_IO, "cannot remove %s/%s: %s", folder->path, files[i], strerror(errno));
	/* The mark last: what is left after a failure is still known as a playground. */
	if (unlink(folder_file(folder, mark_name)) < 0)
		return err_set(err, ERR_IO, "cannot remove %s/%s: %s", folder->path, mark_name, strerror(errno));
	*ret_left = rmdir(folder->path) < 0;
	return 0;
}
