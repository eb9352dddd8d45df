#include "app/router.h"

#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/port.h"
#include "app/progress.h"
#include "base/buf.h"
#include "net/env.h"
#include "topo/config.h"

enum { START_MS_MAX = 30 * 1000, STOP_MS_MAX = 15 * 1000, PORT_MS_MAX = 10 * 1000, POLL_MS = 20, CONFIG_SIZE_MAX = 64 << 10, PATH_SIZE = 4096 };

/* The arguments by which a router of this playground is known; the last one if it took over from another. */
static void fill_argv(const struct router *router, char *program, char *argv[6])
{
	argv[0] = program;
	argv[1] = (char *)"serve";
	argv[2] = (char *)"--config";
	argv[3] = (char *)(uintptr_t)router->config;
	argv[4] = NULL;
	argv[5] = NULL;
}

static bool is_router(pid_t pid, const void *context)
{
	char *argv[6];

	fill_argv(context, NULL, argv);
	if (process_has_arguments(pid, argv))
		return true;
	argv[4] = (char *)"--takeover";
	return process_has_arguments(pid, argv);
}

bool router_find(struct router *router)
{
	return process_find(process_read_pid(folder_file(router->folder, "nanu.pid")), is_router, router, &router->process);
}

void router_init(struct router *router, struct folder *folder, const char *user)
{
	*router = (struct router){
		.folder = folder,
		.config = folder_file(folder, "nanu.yaml"),
		.log = folder_file(folder, "log/nanu.log"),
		.user = user,
		.process = PROCESS_NONE,
	};
	router_find(router);
}

void router_release(struct router *router)
{
	if (router->process.pid)
		close(router->process.pidfd);
	router->process = PROCESS_NONE;
}

static bool has_node(const struct config *config, const char *name, uint16_t port)
{
	for (unsigned i = 0; i < config->nodes_count; i++)
		if (strcmp(config->nodes[i].name, name) == 0)
			return config->nodes[i].port == port;
	return false;
}

/* 1: nanu.yaml is there and leads to this playground's ports; 0: it must be written. */
static int config_fits(const struct router *router, struct err *err)
{
	const struct folder *folder = router->folder;
	struct config *config;
	unsigned count = 0;
	bool fits;
	int rc;

	if (access(router->config, F_OK) < 0)
		return 0;
	rc = config_read(router->config, &config, err);
	if (rc < 0) {
		err_hint(err, "Mend it, or remove it: a new one will be written.");
		return rc;
	}
	fits = config->listen_port == folder->port && config->http_port == folder->http_port;
	for (unsigned i = 0; i < folder->shard_count; i++, count++)
		fits &= has_node(config, arena_printf(&router->folder->arena, "n%u", i + 1), folder->primary_ports[i]);
	for (unsigned i = 0; i < folder->replica_count; i++) {
		const struct folder_replica *replica = &folder->replicas[i];

		if (replica->added)
			continue;
		fits &= has_node(config, replica->name, replica->port);
		count++;
	}
	fits &= config->nodes_count == count;
	config_unref(config);
	return fits;
}

static void write_nodes(const struct folder *folder, struct buf *text)
{
	buf_add_text(text, "nodes:\n");
	for (unsigned i = 0; i < folder->shard_count; i++)
		buf_printf(text, "  - {name: n%u, host: 127.0.0.1, port: %u}\n", i + 1, folder->primary_ports[i]);
	for (unsigned i = 0; i < folder->replica_count; i++)
		if (!folder->replicas[i].added)
			buf_printf(text, "  - {name: %s, host: 127.0.0.1, port: %u}\n", folder->replicas[i].name, folder->replicas[i].port);
	buf_add_text(text, "shards:\n");
	for (unsigned i = 0; i < folder->shard_count; i++) {
		buf_printf(text, "  - {name: s%u, nodes: [n%u", i + 1, i + 1);
		for (unsigned j = 0; j < folder->replica_count; j++)
			if (!folder->replicas[j].added && folder->replicas[j].shard == i)
				buf_printf(text, ", %s", folder->replicas[j].name);
		buf_add_text(text, "]}\n");
	}
}

static int write_config(struct router *router, struct err *err)
{
	const struct folder *folder = router->folder;
	struct buf text;
	int rc;

	buf_init(&text, CONFIG_SIZE_MAX);
	buf_printf(&text, "# Written by nanu playground. Settings may be changed here and last; when a port changes, it is written anew.\n"
			  "listen_port: %u\nhttp_port: %u\npid_file: nanu.pid\nusers_file: users.txt\nauth_from_nodes: false\nnode_user: postgres\nnode_password: '%s'\n"
			  "admin_users: 'postgres, %s'\n",
		   folder->port, folder->http_port, folder->password, router->user);
	write_nodes(folder, &text);
	buf_printf(&text, "databases:\n  - name: %s\n", router->user);
	buf_add_u8(&text, 0);
	rc = folder_write(router->folder, "nanu.yaml", text.data, 0600, err);
	buf_release(&text);
	return rc;
}

/* The last one, unless somebody else has it now. */
static int choose_http_port(struct router *router, struct err *err)
{
	struct folder *folder = router->folder;
	int rc;

	if (folder->http_port && (router->process.pid || port_is_free(folder->http_port)))
		return 0;
	rc = port_choose(&folder->http_port, err);
	return rc < 0 ? rc : folder_save(folder, err);
}

int router_configure(struct router *router, const char *password, bool *ret_written, struct err *err)
{
	struct folder *folder = router->folder;
	const char *users = arena_printf(&folder->arena, "\"postgres\" \"%s\"\n\"%s\" \"%s\"\n", folder->password, router->user, password);
	int rc = choose_http_port(router, err);

	if (rc == 0)
		rc = config_fits(router, err);
	*ret_written = rc == 0;
	if (rc == 0)
		rc = write_config(router, err);
	return rc < 0 ? rc : folder_write(folder, "users.txt", users, 0600, err);
}

static bool answers(const struct router *router)
{
	char port[16];
	const char *const names[] = { "host", "port", "user", "dbname", "connect_timeout", NULL };
	const char *const values[] = { "127.0.0.1", port, router->user, router->user, "5", NULL };

	snprintf(port, sizeof(port), "%u", router->folder->port);
	return PQpingParams(names, values, 0) == PQPING_OK;
}

static int ended(struct router *router, struct err *err)
{
	char how[64];
	int rc;

	process_describe(process_reap(&router->process), how);
	rc = err_set(err, ERR_CONNECT, "the router ended with %s when it started", how);
	process_log_tail(router->log, err);
	return rc;
}

static int wait_until_it_answers(struct router *router, struct err *err)
{
	const struct env *env = env_system();
	uint64_t end_us = env->now_us(env->world) + (uint64_t)START_MS_MAX * 1000;
	int rc;

	while (env->now_us(env->world) < end_us) {      /* a try may take seconds, too */
		struct pollfd fd = { .fd = router->process.pidfd, .events = POLLIN };

		rc = progress_wait(&fd, 1, POLL_MS, err);
		if (rc < 0)
			return rc;
		if (rc > 0)
			return ended(router, err);
		if (answers(router))
			return 0;
	}
	rc = err_set(err, ERR_CONNECT, "the router does not answer on port %u after %d s", router->folder->port, START_MS_MAX / 1000);
	process_log_tail(router->log, err);
	return rc;
}

int router_start(struct router *router, struct err *err)
{
	char program[PATH_SIZE], *argv[6];
	ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
	const struct spawn spawn = {
		.argv = argv, .log_path = router->log, .pid_path = folder_file(router->folder, "nanu.pid"),
	};
	int rc;

	if (size <= 0)
		return err_set(err, ERR_IO, "cannot find the path of this program");
	program[size] = '\0';
	fill_argv(router, program, argv);
	progress_begin("starting the router");
	rc = port_wait_free(router->folder->port, PORT_MS_MAX, err);
	if (rc == 0)
		rc = err_set(err, ERR_WRONG_STATE, "port %u of 127.0.0.1 is in use by another program", router->folder->port);
	else if (rc == 1)
		rc = process_spawn(&spawn, &router->process, err);
	if (rc == 0)
		rc = wait_until_it_answers(router, err);
	if (rc < 0) {
		progress_drop();
		return rc;
	}
	progress_end("router started on 127.0.0.1:%u", router->folder->port);
	return 0;
}

static void stop(struct router *router)
{
	static const int signals[] = { SIGTERM, SIGKILL };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]) && process_running(&router->process); i++) {
		struct pollfd fd = { .fd = router->process.pidfd, .events = POLLIN };

		process_signal(&router->process, signals[i]);
		if (progress_wait(&fd, 1, STOP_MS_MAX, NULL) < 0)
			continue;       /* asked again to end: no more patience */
	}
	process_reap(&router->process);
}

void router_stop(struct router *router)
{
	stop(router);
	if (router_find(router))        /* it took over from the first */
		stop(router);
	unlink(folder_file(router->folder, "nanu.pid"));
}
