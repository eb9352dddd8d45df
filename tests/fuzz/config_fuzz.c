/* Whatever stands in nanu.yaml or in the users file (which begins with a quote): it is read, or refused with a reason. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/users.h"
#include "topo/config.h"
#include "topo/topology.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_users(const char *path)
{
	struct users *users = users_new();
	struct user_secret secret;
	struct err err = { 0 };

	if (users_read(users, path, &err) < 0 && !err.message[0])
		abort();
	users_get(users, "bob", &secret);
	users_free(users);
}

static void read_config(const char *path)
{
	struct setting_row rows[128];
	struct topology *topology;
	struct config *config;
	struct err err = { 0 };

	if (config_read(path, &config, &err) < 0) {
		if (!err.message[0])
			abort();
		return;
	}
	config_settings(config, rows, 128);
	if (config_topology(config, NULL, &topology, &err) == 0)
		topology_unref(topology);
	config_unref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (size && data[0] == '"')
		read_users(path);
	else
		read_config(path);
	close(fd);
	return 0;
}
