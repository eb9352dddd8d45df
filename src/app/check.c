#include "app/check.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/command.h"
#include "app/listening.h"
#include "backend/users.h"
#include "base/mem.h"
#include "net/env.h"
#include "net/loop.h"
#include "store/store.h"
#include "topo/config.h"
#include "topo/topology.h"

static int check_users(struct config *config, struct err *err)
{
	struct users *users = users_new();
	int rc = config->users_file ? users_read(users, config->users_file, err) : 0;

	users_free(users);
	return rc;
}

/* What is stored must be readable, and fit the configuration. */
static int check_store(struct config *config, struct err *err)
{
	struct topology *stored = NULL, *topology = NULL;
	struct store_entry entry;
	int rc = store_look(config, STORE_KEY_TOPOLOGY, &entry, err);

	if (rc < 0)
		return rc;
	if (entry.value)
		rc = topology_from_json(entry.value, &stored, err);
	if (rc == 0)
		rc = config_topology(config, stored, &topology, err);
	mem_free(entry.value);
	topology_unref(stored);
	topology_unref(topology);
	return rc;
}

/* The address, at a port that the system chooses: the one that is configured may be the running router's. */
static int check_address(const struct listening *where, struct err *err)
{
	struct addrinfo *found;
	int fd, rc = listening_address(where, 0, &found, err);

	if (rc < 0)
		return rc;
	fd = listening_socket(where, found);
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0)
		rc = err_set(err, ERR_CONFIG, "cannot listen on %s \"%s\": %m", where->setting, where->host);
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return rc;
}

static int check_listen_host(struct config *config, struct err *err)
{
	return check_address(&(struct listening){ "listen_host", config->listen_host }, err);
}

static int check_http_host(struct config *config, struct err *err)
{
	return config->http_port ? check_address(&(struct listening){ "http_host", config->http_host }, err) : 0;
}

static int check_agents(struct config *config, struct err *err)
{
	return config_check_agents(config, err);
}

static int check_loop(struct config *config, struct err *err)
{
	enum loop_engine engine = config->io == IO_URING ? LOOP_URING : config->io == IO_EPOLL ? LOOP_EPOLL : LOOP_AUTO;
	struct loop *loop = NULL;
	int rc = loop_new(engine, env_system(), NULL, &loop, err);

	if (rc == 0)
		loop_free(loop);
	return rc;
}

unsigned check_start(struct config *config)
{
	static int (*const checks[])(struct config *config, struct err *err) = {
		config_open_tls, check_users, check_store, check_listen_host, check_http_host, check_loop, check_agents,
	};
	unsigned problems = 0;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct err err = { 0 };

		if (checks[i](config, &err) < 0) {
			(void)command_failed("serve", &err);
			problems++;
		}
	}
	return problems;
}
